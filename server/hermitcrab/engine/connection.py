"""One client's attachment: how to reach it, what it lets us do, and the environment it brought."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermitcrab.core.events import Event
from hermitcrab.core.ports import Asker, Editor

Listener = Callable[[str, Event], None]
"""Takes a session's id and an event; never blocks."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client as the engine sees it. `editor` is None for a terminal; a reviewer can see an edit and undo it."""

    id: str
    asker: Asker
    listener: Listener
    editor: Editor | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    roots: tuple[Path, ...] = ()
    client_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    workspace_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    command_line: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def has_reviewer(self) -> bool:
        """Tell whether a person can look at an edit here and take it back."""
        return self.editor is not None and self.editor.profile.reviews
