"""What Write and Edit share: the change goes through the view, is confirmed, and is remembered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from hermitcrab.core.edits import LineChange
from hermitcrab.core.errors import StaleEditError, ToolError, UnconfirmedEditError
from hermitcrab.core.events import EditConfirmed
from hermitcrab.tools.base import ToolContext
from hermitcrab.tools.diff import blocks, changed_lines
from hermitcrab.tools.excerpt import around, shown_lines

if TYPE_CHECKING:
    from hermitcrab.workspace.view import EditOutcome, Source

UNSAVED = "unsaved"
"""The note on text that stands in a buffer and not yet on disk."""


def promise(context: ToolContext, *paths: Path) -> None:
    """Remember which paths the gate was shown for this call."""
    context.memory.promised[context.call] = paths


def promised(context: ToolContext) -> tuple[Path, ...] | None:
    """Return the paths the gate was shown for this call, once; None when it was not asked."""
    return context.memory.promised.pop(context.call, None)


def keep_promise(context: ToolContext, path: Path) -> Path:
    """Return `path`; raise ToolError when a link has moved it since the gate was asked."""
    shown = promised(context)
    if shown is not None and shown != (path,):
        raise ToolError(f"`{shown[0]}` has become `{path}` since permission was given: nothing was done; ask again")
    return path


async def exists(path: Path) -> bool:
    """Say whether anything stands at `path`, be it a broken link."""
    return await asyncio.to_thread(_stands, path)


def _stands(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


async def apply(context: ToolContext, base: Source, new_text: str, label: str) -> EditOutcome:
    """Change a file through the view; what went wrong becomes words that tell the model what to do."""
    shown = context.view.show(base.path)
    try:
        outcome = await context.view.apply(base, new_text, label=label)
    except StaleEditError as error:
        context.memory.read_hashes.pop(base.path, None)
        raise StaleEditError(f"{error}\nNothing was changed. Read `{shown}` again, then repeat the change.") from error
    except UnconfirmedEditError as error:
        context.memory.read_hashes.pop(base.path, None)
        raise UnconfirmedEditError(
            f"{error}\nThe change to `{shown}` may or may not have been made. "
            f"Read `{shown}` again before you decide whether it is still needed."
        ) from error
    _remember(context, outcome, new_text)
    return outcome


async def create(context: ToolContext, path: Path, text: str, label: str) -> EditOutcome:
    """Make a new file through the view."""
    outcome = await context.view.create(path, text, label=label)
    _remember(context, outcome, text)
    return outcome


def _remember(context: ToolContext, outcome: EditOutcome, new_text: str) -> None:
    """Count the file as read only when the model knows all of its text as it is now."""
    memory = context.memory
    memory.changed.pop(outcome.path, None)
    memory.changed[outcome.path] = None
    knew_it = outcome.created or memory.read_hashes.get(outcome.path) == outcome.before.id.hash
    if knew_it and outcome.after_text == new_text:
        memory.read_hashes[outcome.path] = outcome.after_hash
    else:
        memory.read_hashes.pop(outcome.path, None)


async def confirmed(context: ToolContext, outcome: EditOutcome) -> EditConfirmed:
    """Return the event that tells of a change; the text after it is kept, so that the turn can be undone."""
    lines = await asyncio.to_thread(_keep, context, outcome)
    return EditConfirmed(
        call=context.call,
        turn=context.turn,
        path=outcome.path,
        base_hash=outcome.before.id.hash,
        base_version=outcome.before.id.version,
        hunks=outcome.hunks,
        after_hash=outcome.after_hash,
        saved=outcome.saved,
        lines=lines,
        created=outcome.created,
    )


def _keep(context: ToolContext, outcome: EditOutcome) -> tuple[LineChange, ...]:
    context.texts.put(outcome.after_text.encode("utf-8", "surrogatepass"))
    return blocks(outcome.before.text, outcome.after_text)


def notes_on(outcome: EditOutcome) -> tuple[str, ...]:
    """Return what the user should know beside the change."""
    return (*(() if outcome.saved else (UNSAVED,)), *outcome.notes)


def remarks_on(outcome: EditOutcome, new_text: str) -> str:
    """Return what the model should know beside the change, in brackets."""
    remarks = [note for note in outcome.notes if note != UNSAVED]
    if not outcome.saved:
        remarks.insert(0, "in the editor's buffer, not saved to disk")
    if outcome.after_text != new_text:
        remarks.append("somebody else changed other places of the file meanwhile: read it before you go on")
    return f" ({'; '.join(remarks)})" if remarks else ""


async def excerpt(outcome: EditOutcome) -> str:
    """Return the changed lines as they are now, numbered, with a few lines around them."""
    return await asyncio.to_thread(_excerpt, outcome.before.text, outcome.after_text)


def _excerpt(before: str, after: str) -> str:
    return around(shown_lines(after), changed_lines(before, after))
