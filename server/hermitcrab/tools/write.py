"""Writes a whole file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import Event
from hermitcrab.permissions.access import Access
from hermitcrab.tools import changing
from hermitcrab.tools.base import Tool, ToolContext, ToolInput, ToolResult
from hermitcrab.tools.diff import counts, unified
from hermitcrab.tools.escape import visible
from hermitcrab.tools.replace import fitted, main_line_end

if TYPE_CHECKING:
    from hermitcrab.workspace.view import Source


class WriteInput(ToolInput):
    """A file and its whole new text."""

    file_path: str
    content: str


class Write(Tool[WriteInput]):
    """Creates a file or replaces the whole text of one that was read."""

    name = "Write"
    kind = "edit"
    is_effectful = True
    input = WriteInput

    async def access(self, args: WriteInput, context: ToolContext) -> Access:
        """Compare with the text as it is now, and show the difference."""
        path, base, text = await self._change(args, context)
        changing.promise(context, path)
        shown = context.view.show(path)
        detail = await asyncio.to_thread(unified, shown, base.text if base else None, text)
        named = context.view.root / args.file_path
        return Access(
            self.name, "edit", f"{'Write' if base else 'Create'} {visible(shown)}", detail, (path,), named=(named,)
        )

    async def run(self, args: WriteInput, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """Write it, provided the file is still as the model knows it."""
        path, base, text = await self._change(args, context)
        changing.keep_promise(context, path)
        shown = context.view.show(path)
        if base is not None and base.text == text:
            yield ToolResult(f"`{shown}` has exactly this text already; nothing was written.")
            return
        if base is None:
            outcome = await changing.create(context, path, text, f"Create {shown}")
        else:
            outcome = await changing.apply(context, base, text, f"Write {shown}")
        if outcome.created or outcome.hunks:
            yield await changing.confirmed(context, outcome)
        added, removed = await asyncio.to_thread(counts, outcome.before.text, outcome.after_text)
        lines = f"{added} line" if added == 1 else f"{added} lines"
        did = f"Created `{shown}`, {lines}" if outcome.created else f"Wrote `{shown}`, +{added} -{removed} lines"
        yield ToolResult(f"{did}{changing.remarks_on(outcome, text)}.", notes=changing.notes_on(outcome))

    async def _change(self, args: WriteInput, context: ToolContext) -> tuple[Path, Source | None, str]:
        """Return the path, its present text (None: to be created) and the text to write, in the file's line ends."""
        path = context.view.resolve(args.file_path)
        is_open = path in await context.view.unsaved()
        if not is_open and not await changing.exists(path):
            return path, None, args.content
        base = await context.view.read(path)
        if base.text == args.content:
            return path, base, args.content
        known = context.memory.read_hashes.get(path)
        if known != base.id.hash and base.text:
            why = "has not been read in this session" if known is None else "has changed since you last read it"
            raise ToolError(f"`{context.view.show(path)}` exists and {why}: Read it first, or change it with Edit")
        return path, base, await asyncio.to_thread(_in_its_line_ends, base.text, args.content)


def _in_its_line_ends(old: str, new: str) -> str:
    return new if "\r\n" not in old or "\r\n" in new else fitted(old, new, main_line_end(old))
