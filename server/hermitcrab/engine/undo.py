"""Undo of a turn: its hunks are taken back where they are still found, in the text as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hermitcrab.core import edits
from hermitcrab.core.edits import Hunk
from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import EditConfirmed, TurnUndone
from hermitcrab.store.blobs import BlobStore
from hermitcrab.workspace.view import Source, View

CHANGED_SINCE = "its text was changed since in the same place"


@dataclass(slots=True)
class TurnRecord:
    """What a turn did, as far as an undo needs it."""

    edits: list[EditConfirmed]
    commands: list[str]
    is_undone: bool = False
    was_found: bool = False  # the undo took something back; one that found nothing may be tried again


async def undo_turn(turn: str, record: TurnRecord, view: View, blobs: BlobStore) -> TurnUndone:
    """Revert the turn's edits, the newest first; files whose text has moved on are named, never overwritten."""
    kept: dict[Path, str] = {}
    reverted: dict[Path, None] = {}
    for edit in reversed(record.edits):
        try:
            reason = await _revert(edit, view, blobs)
        except ToolError as error:
            reason = str(error)
        if reason:
            kept.setdefault(edit.path, reason)
        if reason != CHANGED_SINCE:
            reverted.setdefault(edit.path)
    done = tuple(path for path in reverted if path not in kept or kept[path].startswith("some of"))
    return TurnUndone(turn=turn, reverted=done, kept=tuple(kept.items()), not_covered=tuple(record.commands))


async def _revert(edit: EditConfirmed, view: View, blobs: BlobStore) -> str:
    """Take one edit back; return why some of it was left, or an empty string."""
    after = (await asyncio.to_thread(blobs.get, edit.after_hash)).decode("utf-8", "surrogatepass")
    now = await view.read(edit.path)
    if edit.created:
        return await _remove(edit, now, view)
    wanted, lost = await asyncio.to_thread(_inverse, edit.hunks, after, now)
    if not wanted:
        return CHANGED_SINCE
    await view.apply(now, edits.apply(now.text, wanted), label="Undo")
    return f"some of {CHANGED_SINCE}" if lost else ""


def _inverse(hunks: Sequence[Hunk], after: str, now: Source) -> tuple[tuple[Hunk, ...], int]:
    """Return the hunks that undo what is still found in `now`, and how many are not."""
    foreign = edits.diff(after, now.text)
    found: list[Hunk] = []
    for hunk in edits.invert(hunks):
        if moved := edits.rebase((hunk,), foreign):
            found += moved
    return tuple(found), len(hunks) - len(found)


async def _remove(edit: EditConfirmed, now: Source, view: View) -> str:
    if now.id.hash != edit.after_hash:
        return "it was created by the turn and changed since"
    await view.remove(now)
    return ""
