"""The tools every session has."""

from __future__ import annotations

from typing import Any

from hermitcrab.tools.base import Tool
from hermitcrab.tools.bash import Bash
from hermitcrab.tools.diagnostics import Diagnostics
from hermitcrab.tools.edit import Edit
from hermitcrab.tools.glob import Glob
from hermitcrab.tools.grep import Grep
from hermitcrab.tools.read import Read
from hermitcrab.tools.todo import Todo
from hermitcrab.tools.write import Write


def core_tools() -> tuple[Tool[Any], ...]:
    """Return the core tools in the order in which models are told of them; it never changes, for the prompt's prefix."""
    return (Read(), Write(), Edit(), Glob(), Grep(), Bash(), Diagnostics(), Todo())
