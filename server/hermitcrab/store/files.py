"""Our own small files: private, written whole or not at all, read only when nobody else could have written them."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
import time
from pathlib import Path

from hermitcrab.core.errors import HermitcrabError

SMALL = 4_000_000
"""Bytes above which a file is not one of our small ones."""

_RACY = 2_000_000_000  # nanoseconds: some file systems keep whole seconds, and two writes may fall into one


def make_private(folder: Path) -> None:
    """Make `folder` and its missing parents, open to nobody else."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace `path` by a private file with `data`; a reader sees the old one or the new one, never half of it."""
    make_private(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)  # made with mode 0600
    try:
        try:
            write_all(handle, data)
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def write_all(handle: int, data: bytes) -> None:
    """Write every byte: `write` may take only a part, as it does on a disk that is nearly full."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on disk too."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one state of a file from the next; None while it is too new for its time to tell."""
    found = path.stat()
    if abs(time.time_ns() - found.st_mtime_ns) < _RACY:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_small(path: Path, limit: int = SMALL) -> bytes:
    """Return a file's bytes; raise HermitcrabError for what is no plain file or too large, OSError for the rest."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise HermitcrabError(f"`{path}` is not a plain file")
        if found.st_size > limit:
            raise HermitcrabError(f"`{path}` is larger than {limit:,} bytes")
        with os.fdopen(os.dup(handle), "rb") as file:
            return file.read(limit)
    finally:
        os.close(handle)


def read_own(path: Path) -> bytes:
    """Return the bytes of a file that decides what is allowed: only its owner, us, may be able to write it."""
    if sys.platform != "win32":
        found = path.stat()
        if found.st_uid not in {os.getuid(), 0}:
            raise HermitcrabError(f"`{path}` belongs to somebody else; it is not believed")
        if found.st_mode & 0o022:
            raise HermitcrabError(f"`{path}` can be written by others; `chmod go-w` it, until then it is not believed")
    return read_small(path)
