"""Says what checkers and the editor report about a file as it is now."""

from __future__ import annotations

from collections.abc import AsyncGenerator
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
        paths = await _files(args, context)
        changing.promise(context, *paths)
        shown = [visible(context.view.show(path)) for path in paths]
        title = f"Check {shown[0]}" if len(shown) == 1 else f"Check {len(shown)} files"
        return Access(self.name, "read", title, "\n".join(shown), paths)

    async def run(self, args: DiagnosticsInput, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """Ask every source about every file."""
        if args.file_path is None:
            paths = changing.promised(context) or await _files(args, context)
        else:
            paths = (changing.keep_promise(context, context.view.resolve(args.file_path)),)
        is_only = args.file_path is not None
        parts = [await _checked(path, context, is_only=is_only) for path in paths[:MOST_FILES]]
        if not parts:
            parts.append(
                "[no file was changed in this session or is open with unsaved changes; name one in `file_path`]"
            )
        if len(paths) > MOST_FILES:
            parts.append(f"[{len(paths) - MOST_FILES} more files not checked; name them in `file_path`]")
        yield ToolResult("\n\n".join(parts))


async def _files(args: DiagnosticsInput, context: ToolContext) -> tuple[Path, ...]:
    """Return the files meant; not all of them may be checked."""
    if args.file_path is not None:
        return (context.view.resolve(args.file_path),)
    unsaved = [path for path in await context.view.unsaved() if context.view.is_inside(path)]
    return tuple(dict.fromkeys([*reversed(context.memory.changed), *unsaved]))


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
