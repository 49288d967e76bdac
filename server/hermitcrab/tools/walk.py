"""Lists the files under a folder that is in no repository, by the ignore files found on the way."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hermitcrab.tools.ignore import IgnoreRule, is_ignored, read_rules

MOST_FILES = 200_000
MOST_SECONDS = 15.0
_NEVER = frozenset({".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".venv"})
_MOST_RULE_BYTES = 256_000

_Rules = list[tuple[str, tuple[IgnoreRule, ...]]]


@dataclass(frozen=True, slots=True)
class Walked:
    """Paths relative to the folder, sorted; `is_whole` is False when time or numbers ran out."""

    files: tuple[str, ...]
    is_whole: bool


def walk(base: Path, stop: threading.Event, *, seconds: float = MOST_SECONDS) -> Walked:
    """Return the regular files under `base`; slow, so call it in a thread and set `stop` when it is no longer wanted."""
    deadline = time.monotonic() + seconds
    files: list[str] = []
    for path in _files(base, "", []):
        if stop.is_set() or len(files) >= MOST_FILES or time.monotonic() > deadline:
            return Walked(tuple(sorted(files)), is_whole=False)
        if path:
            files.append(path)
    return Walked(tuple(sorted(files)), is_whole=True)


def _files(base: Path, folder: str, rules: _Rules) -> Iterator[str]:
    """Yield files, and an empty string per folder so that the caller can stop; links are never followed."""
    yield ""
    try:
        with os.scandir(base / folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    if any(entry.name == ".gitignore" for entry in found):
        rules = [*rules, (folder, read_rules(_small_text(base / folder / ".gitignore")))]
    for entry in found:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _NEVER and not is_ignored(rules, path, is_folder=True):
                yield from _files(base, path, rules)
        elif entry.is_file(follow_symlinks=False) and not is_ignored(rules, path, is_folder=False):
            yield path


def _small_text(path: Path) -> str:
    """Read a regular file's beginning; a FIFO or a link in its place gives nothing and holds up nobody."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags)
    except OSError:
        return ""
    try:
        is_file = stat.S_ISREG(os.fstat(handle).st_mode)
        return os.read(handle, _MOST_RULE_BYTES).decode("utf-8", "replace") if is_file else ""
    except OSError:
        return ""
    finally:
        os.close(handle)
