"""Names the files a search goes through: those git does not ignore, and those that are only in a buffer yet."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hermitcrab.core.errors import ToolError
from hermitcrab.procs.git import tracked_and_untracked
from hermitcrab.tools.walk import walk

if TYPE_CHECKING:
    from hermitcrab.workspace.view import View


@dataclass(frozen=True, slots=True)
class Listing:
    """Files below `base`, relative to it with `/` and sorted, and the unsaved texts among them."""

    base: Path
    files: tuple[str, ...]
    buffers: dict[str, str] = field(default_factory=dict[str, str])
    is_whole: bool = True


async def list_files(view: View, base: Path) -> Listing:
    """Return what there is under `base`, or `base` itself when it is a file; raise ToolError when it is neither."""
    buffers = await _unsaved(view, base)
    if base in buffers or await asyncio.to_thread(base.is_file):
        text = buffers.get(base)
        return Listing(base.parent, (base.name,), {} if text is None else {base.name: text})
    if not await asyncio.to_thread(base.is_dir):
        raise ToolError(f"`{view.show(base)}` is neither a folder nor a file")
    listing = await _on_disk(base)
    return await asyncio.to_thread(_with_buffers, listing, buffers)


async def _unsaved(view: View, base: Path) -> dict[Path, str]:
    """Return the unsaved texts at or below `base`, as this session's editor has them."""
    found: dict[Path, str] = {}
    for path in await view.unsaved():
        if path == base or path.is_relative_to(base):
            source = await view.read(path)
            if source.is_open and not source.is_saved:
                found[path] = source.text
    return found


async def _on_disk(base: Path) -> Listing:
    """List by git; outside any repository, and in folders git ignores, by walking."""
    listed = await tracked_and_untracked(base)
    if listed:
        return Listing(base, await asyncio.to_thread(_relative, base, listed))
    stop = threading.Event()
    try:
        walked = await asyncio.to_thread(walk, base, stop)
    finally:
        stop.set()
    return Listing(base, walked.files, is_whole=walked.is_whole)


def _relative(base: Path, paths: tuple[Path, ...]) -> tuple[str, ...]:
    start = len(os.path.join(base, ""))  # noqa: PTH118 - keeps the one separator of a root folder
    return tuple(sorted(os.fspath(path)[start:].replace(os.sep, "/") for path in paths))


def _with_buffers(listing: Listing, buffers: dict[Path, str]) -> Listing:
    """Add unsaved texts; a buffer without a file is a file to come, one that git ignores stays out."""
    names = {path.relative_to(listing.base).as_posix(): path for path in buffers}
    new = [name for name, path in names.items() if not path.exists()]
    files = tuple(sorted({*listing.files, *new}))
    known = set(files)
    return replace(listing, files=files, buffers={name: buffers[path] for name, path in names.items() if name in known})
