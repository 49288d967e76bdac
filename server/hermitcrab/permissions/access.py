"""What a tool call is about to touch, in words a rule can judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

AccessKind = Literal["none", "read", "edit", "execute", "network"]
"""`none` touches nothing outside the session (a task list); `edit` creates, changes or deletes files."""


@dataclass(frozen=True, slots=True)
class Access:
    """One tool call as the gate sees it.

    `paths` are absolute and resolved (links followed, names that do not exist yet included);
    `detail` is exactly what will run or change, and is what the user is shown.
    `named` are the same paths as the call spelled them, absolute, links not followed: a link with a protected name is
    protected whatever it points to.
    """

    tool: str
    kind: AccessKind
    title: str
    detail: str
    paths: tuple[Path, ...] = ()
    command: str | None = None
    named: tuple[Path, ...] = ()
