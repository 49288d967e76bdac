"""Says what checkers and the editor report about a file as it is now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import Event
from hermitcrab.diagnostics.report import render
from hermitcrab.permissions.access import Access
from hermitcrab.tools import changing
from hermitcrab.tools.base import Tool, ToolContext, ToolInput, ToolResult
from hermitcrab.tools.escape import visible

MOST_FILES = 10


class DiagnosticsInput(ToolInput):
    """Which file; without one, those changed in this session or open with unsaved changes."""

    file_path: str | None = None


class Diagnostics(Tool[DiagnosticsInput]):
    """Reports problems, each of the text as it is now or not at all."""

    name = "Diagnostics"
    kind = "read"
    is_effectful = False
    input = DiagnosticsInput

    async def access(self, args: DiagnosticsInput, context: ToolContext) -> Access:
        """Name the files."""
        paths, _ = await _files(args, context)
        if args.file_path is not None:
            changing.promise(context, paths[0])
        shown = [visible(context.view.show(path)) for path in paths]
        title = f"Check {shown[0]}" if len(shown) == 1 else f"Check {len(shown)} files"
        return Access(self.name, "read", title, "\n".join(shown), paths)

    async def run(self, args: DiagnosticsInput, context: ToolContext) -> AsyncIterator[Event | ToolResult]:
        """Ask every source about every file."""
        paths, left_out = await _files(args, context)
        if args.file_path is not None:
            changing.keep_promise(context, paths[0])
        parts = [await _checked(path, context, is_only=args.file_path is not None) for path in paths]
        if not parts:
            parts.append(
                "[no file was changed in this session or is open with unsaved changes; name one in `file_path`]"
            )
        if left_out:
            parts.append(f"[{left_out} more files not checked; name them in `file_path`]")
        yield ToolResult("\n\n".join(parts))


async def _files(args: DiagnosticsInput, context: ToolContext) -> tuple[tuple[Path, ...], int]:
    """Return the files to check, and how many there would be besides."""
    if args.file_path is not None:
        return (context.view.resolve(args.file_path),), 0
    unsaved = [path for path in await context.view.unsaved() if context.view.is_inside(path)]
    wanted = list(dict.fromkeys([*reversed(context.memory.changed), *unsaved]))
    return tuple(wanted[:MOST_FILES]), max(0, len(wanted) - MOST_FILES)


async def _checked(path: Path, context: ToolContext, *, is_only: bool) -> str:
    shown = visible(context.view.show(path))
    try:
        source = await context.view.read(path)
    except ToolError as error:
        if is_only:
            raise
        return f"{shown}: cannot be checked: {error}"
    found = await context.diagnostics.collect(
        source, editor=context.view.editor, is_trusted=context.is_trusted, environment=context.environment
    )
    return render(found, shown)
