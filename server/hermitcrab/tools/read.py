"""Shows a file's text: the editor's buffer where one is open, else what is on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import Event
from hermitcrab.permissions.access import Access
from hermitcrab.tools import changing
from hermitcrab.tools.base import Tool, ToolContext, ToolInput, ToolResult
from hermitcrab.tools.escape import visible
from hermitcrab.tools.excerpt import fitting, numbered, window
from hermitcrab.tools.meant import check_place
from hermitcrab.tools.partial import Part, read_part

DEFAULT_LINES = 2000
MOST_CHARACTERS = 100_000
"""The most one result may hold; beyond it the rest is left to another call."""

_PICTURES = frozenset([".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".ico", ".tif", ".tiff", ".avif", ".heic"])


class ReadInput(ToolInput):
    """Which lines of which file."""

    file_path: str
    offset: Annotated[int, Field(ge=0)] | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    pages: str | None = None


class Read(Tool[ReadInput]):
    """Shows text with line numbers."""

    name = "Read"
    kind = "read"
    is_effectful = False
    input = ReadInput

    async def access(self, args: ReadInput, context: ToolContext) -> Access:
        """Name the file."""
        path = context.view.resolve(args.file_path)
        await check_place(context.view, args.file_path, path)
        changing.promise(context, path)
        shown = visible(context.view.show(path))
        return Access(self.name, "read", f"Read {shown}", visible(str(path)), (path,))

    async def run(self, args: ReadInput, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """Show the lines asked for and remember which text they are of."""
        path = changing.keep_promise(context, context.view.resolve(args.file_path))
        shown = context.view.show(path)
        if args.pages is not None:
            raise ToolError("`pages` is for PDF files, which this version cannot read; leave it out for text")
        first, limit = max(1, args.offset or 1), args.limit or DEFAULT_LINES
        try:
            source = await context.view.read(path)
        except ToolError as error:
            part = await asyncio.to_thread(read_part, path, first, limit)
            if part is None:
                raise _friendlier(error, path, shown) from error
            yield ToolResult(_partial(part, shown))
            return
        context.memory.read_hashes[path] = source.id.hash
        is_unsaved = source.is_open and not source.is_saved
        text = await asyncio.to_thread(_page, source.text, first, limit, shown)
        if is_unsaved:
            text = f"[the editor's unsaved text; the file on disk differs]\n{text}"
        yield ToolResult(text, notes=(changing.UNSAVED,) if is_unsaved else ())


def _page(text: str, first: int, limit: int, shown: str) -> str:
    lines, total = window(text, first, limit)
    if not total:
        return f"[`{shown}` is empty]"
    if first > total:
        return f"[`{shown}` has only {total} lines]"
    rows = fitting(numbered(lines, first), MOST_CHARACTERS)
    last = first - 1 + len(rows)
    if last < total:
        rows.append(f"[lines {first}-{last} of {total}; go on with offset={last + 1}]")
    return "\n".join(rows)


def _partial(part: Part, shown: str) -> str:
    rows = fitting([f"{number}\t{line}" for number, line in enumerate(part.lines, part.first)], MOST_CHARACTERS)
    mark = f"`{shown}` has {part.size:,} bytes: too large to edit with these tools, read in parts"
    if not rows:
        return f"[{mark}; nothing is at line {part.first}]"
    last = part.first - 1 + len(rows)
    is_end = part.is_end and len(rows) == len(part.lines)
    more = "the end" if is_end else f"go on with offset={last + 1}"
    return "\n".join([f"[{mark}]", *rows, f"[lines {part.first}-{last}; {more}]"])


def _friendlier(error: ToolError, path: Path, shown: str) -> ToolError:
    kind = path.suffix.lower()
    if "binary" in str(error) and (kind in _PICTURES or kind == ".pdf"):
        what = "a PDF" if kind == ".pdf" else "a picture"
        return ToolError(f"`{shown}` is {what}; this version reads text alone")
    return error
