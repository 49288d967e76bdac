"""Changing facts, said to the model in the newest message only, so that the prompt's beginning never changes."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermitcrab.workspace.view import View


async def facts_for(view: View, *, is_first: bool) -> str:
    """Return what the model should know before the user's words: the place once, unsaved files each time."""
    facts: list[str] = []
    if is_first:
        facts.append(f"Workspace root: {view.root} ({platform.system()}). Paths may be given relative to it.")
    if unsaved := await view.unsaved():
        facts.append("Open with unsaved changes: " + ", ".join(view.show(path) for path in unsaved))
    return "\n".join(facts)
