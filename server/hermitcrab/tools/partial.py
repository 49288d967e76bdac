"""Reads some lines of a file that is too large to be taken whole."""

from __future__ import annotations

import itertools
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from hermitcrab.core.errors import ToolError
from hermitcrab.tools.excerpt import LINE_WIDTH, cut_mark
from hermitcrab.workspace.files import FILE_LIMIT

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """Lines from `first` on; `is_end` when the file ends with them."""

    first: int
    lines: tuple[str, ...]
    is_end: bool
    size: int


def read_part(path: Path, first: int, limit: int) -> Part | None:
    """Return lines of a large regular UTF-8 file; None when it is none. Slow, so call it in a thread."""
    size = _large_file_size(path)
    if size is None:
        return None
    try:
        with open(path, encoding="utf-8-sig", opener=_open) as file:
            return _take(file, first, limit, size)
    except (OSError, UnicodeDecodeError):
        return None


def _large_file_size(path: Path) -> int | None:
    """Return the size of a regular file without NUL bytes at its start that is beyond the limit; None for any other."""
    try:
        handle = _open(os.fspath(path), os.O_RDONLY)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(handle)
        is_large = stat.S_ISREG(status.st_mode) and status.st_size > FILE_LIMIT
        return status.st_size if is_large and b"\0" not in os.read(handle, 8192) else None
    except OSError:
        return None
    finally:
        os.close(handle)


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))


def _take(file: TextIO, first: int, limit: int, size: int) -> Part:
    deadline = time.monotonic() + _SECONDS
    for number in range(1, first):
        if _next_line(file) is None:
            return Part(first, (), is_end=True, size=size)
        if time.monotonic() > deadline:
            raise ToolError(f"it took too long to reach line {first}; line {number} was passed after {_SECONDS:.0f} s")
    lines = list(itertools.islice(iter(lambda: _next_line(file), None), limit))
    return Part(first, tuple(lines), is_end=not file.read(1), size=size)


def _next_line(file: TextIO) -> str | None:
    """Return a line without its end, cut where it is far too long; None at the end of the file."""
    line = file.readline(LINE_WIDTH + 1)
    if not line:
        return None
    piece, rest = line, 0
    while piece and not piece.endswith("\n"):
        piece = file.readline(1 << 20)
        rest += len(piece.removesuffix("\n"))
    if line.endswith("\n") or not rest:
        return line.removesuffix("\n")
    return cut_mark(line, rest)
