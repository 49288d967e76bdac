"""Finds files by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from hermitcrab.core.events import Event
from hermitcrab.permissions.access import Access
from hermitcrab.tools import changing
from hermitcrab.tools.base import Tool, ToolContext, ToolInput, ToolResult
from hermitcrab.tools.escape import one_line, visible
from hermitcrab.tools.globs import compile_glob
from hermitcrab.tools.listing import Listing, list_files

MOST_PATHS = 200
_WILD = frozenset("*?[{")


class GlobInput(ToolInput):
    """Which names, and where."""

    pattern: str
    path: str | None = None


class Glob(Tool[GlobInput]):
    """Lists files whose path fits a pattern."""

    name = "Glob"
    kind = "search"
    is_effectful = False
    input = GlobInput

    async def access(self, args: GlobInput, context: ToolContext) -> Access:
        """Name the folder."""
        base, pattern = _place(args, context)
        compile_glob(pattern)
        changing.promise(context, base)
        detail = visible(f"{pattern} in {base}")
        return Access(self.name, "read", f"Find {one_line(args.pattern)}", detail, (base,))

    async def run(self, args: GlobInput, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """Go through the listing, newest first."""
        base, pattern = _place(args, context)
        changing.keep_promise(context, base)
        listing = await list_files(context.view, base)
        found = await asyncio.to_thread(_newest_first, listing, pattern)
        yield ToolResult(_answer(found, listing, context))


def _place(args: GlobInput, context: ToolContext) -> tuple[Path, str]:
    """Return the folder and the pattern below it; an absolute pattern brings its folder along."""
    if not args.pattern.startswith("/"):
        return context.view.resolve(args.path or "."), args.pattern
    parts = args.pattern.strip("/").split("/")
    fixed = next((index for index, part in enumerate(parts) if _WILD & set(part)), len(parts) - 1)
    return context.view.resolve("/" + "/".join(parts[:fixed])), "./" + "/".join(parts[fixed:])


def _newest_first(listing: Listing, pattern: str) -> list[str]:
    glob = compile_glob(pattern)
    dated = [(-_modified(listing, name), name) for name in listing.files if glob.matches(name)]
    return [name for _, name in sorted(dated)]


def _modified(listing: Listing, name: str) -> float:
    """Return when a file was changed; what is only in a buffer is newer than anything on disk."""
    if name in listing.buffers:
        return float("inf")
    try:
        return (listing.base / name).lstat().st_mtime
    except OSError:
        return 0.0


def _answer(found: Sequence[str], listing: Listing, context: ToolContext) -> str:
    rows = [visible(context.view.show(listing.base / name)) for name in found[:MOST_PATHS]]
    if not rows:
        rows.append("[no files fit; ignored ones are left out unless `path` is inside an ignored folder]")
    if len(found) > MOST_PATHS:
        rows.append(f"[{MOST_PATHS} of {len(found)} files, the newest; narrow the pattern for the others]")
    if not listing.is_whole:
        rows.append("[the folder is too large to be listed whole; name a smaller one in `path`]")
    return "\n".join(rows)
