"""Guesses which file of the root a path from elsewhere means: another machine's folder, or the root's own name in front."""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hermitcrab.core.errors import ToolError

if TYPE_CHECKING:
    from hermitcrab.workspace.view import View

_MOST_PARTS = 40


async def check_place(view: View, asked: str, path: Path) -> None:
    """Raise ToolError naming the file that was probably meant, when there is nothing at `path`."""
    if view.documents.all_open(path):
        return
    meant = await asyncio.to_thread(_meant, view, asked, path)
    if meant is not None:
        raise ToolError(f"there is no file `{asked}`; did you mean `{meant}`? The workspace root is `{view.root}`")


def _meant(view: View, asked: str, path: Path) -> str | None:
    """Return the longest end of the path that is a file in the root."""
    try:
        if path.exists() or (path.parent.is_dir() and "\\" not in asked):
            return None
        parts = [part for part in PurePosixPath(asked.replace("\\", "/")).parts if part not in {"/", "..", "."}]
        for start in range(max(1, len(parts) - _MOST_PARTS), len(parts)):
            end = "/".join(parts[start:])
            if (view.root / end).is_file() and view.is_inside(view.root / end):
                return end
    except (OSError, ValueError):
        return None
    return None
