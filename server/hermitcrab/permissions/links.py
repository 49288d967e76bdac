"""Where protected names lead: a link or a git file in a folder makes an innocent name a protected one.

A repository can bring `.vscode` as a link to `docs/`, or a `.git` file that names `data/` as its git folder; what is
written to those places runs as if it were written under the protected name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.permissions.protected import is_protected_name
from hermitcrab.store.files import read_small

_SMALL = 10_000


def protected_places(root: Path) -> tuple[Path, ...]:
    """Return the places protected names at the top of `root` lead to; looks at the disk, so call it in a thread."""
    return tuple(dict.fromkeys(place for entry in _entries(root) for place in _targets(entry)))


def _entries(root: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(root) if is_protected_name(entry.name)]
    except OSError:
        return []


def _targets(entry: Path) -> Iterator[Path]:
    if entry.is_symlink():
        yield Path(os.path.realpath(entry))
    git = _git_folder(entry)
    if git is None:
        return
    yield git
    common = _first_line(git / "commondir")
    if common:
        yield Path(os.path.realpath(git / common))


def _git_folder(entry: Path) -> Path | None:
    """Return the git folder a `.git` entry stands for, when it is not that entry itself."""
    line = _first_line(entry)
    if line.startswith("gitdir: "):
        return Path(os.path.realpath(entry.parent / line.removeprefix("gitdir: ")))
    return Path(os.path.realpath(entry)) if entry.is_symlink() and entry.is_dir() else None


def _first_line(path: Path) -> str:
    try:
        return os.fsdecode(read_small(path, _SMALL)).partition("\n")[0].rstrip("\r").replace("\0", "")
    except (OSError, HermitcrabError):
        return ""
