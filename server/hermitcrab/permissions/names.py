"""Names of files as a file system may take them: folded, so that no spelling slips past a comparison."""

from __future__ import annotations

import functools
import os
import unicodedata
from pathlib import Path

# Characters that HFS+ leaves out when it compares names (Git's list for the same purpose).
_IGNORED = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF, 0x00AD, 0x034F, 0x180E]
)


@functools.lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """Return the one spelling all spellings of a name share: case, composition, ignored and trailing characters."""
    name = unicodedata.normalize("NFKC", name).translate(_IGNORED).casefold()
    return unicodedata.normalize("NFKC", name).partition(":")[0].rstrip(" .") or name


def parts_of(path: Path) -> tuple[str, ...]:
    """Return the parts of a path, `.` and `..` worked out."""
    return Path(os.path.normpath(path)).parts


def is_inside(path: Path, folder: Path, *, folds_case: bool = False) -> bool:
    """Say whether `path` is `folder` or below it, part by part; relative paths are inside nothing."""
    if not (path.is_absolute() and folder.is_absolute()):
        return False
    inner, outer = parts_of(path), parts_of(folder)
    if folds_case:
        inner, outer = tuple(map(folded, inner)), tuple(map(folded, outer))
    return inner[: len(outer)] == outer


def folds_case(folder: Path) -> bool:
    """Say whether the file system of `folder` takes two cases of a name for one; looks at the disk."""
    swapped = folder.with_name(folder.name.swapcase())
    try:
        return swapped.name != folder.name and swapped.samefile(folder)
    except OSError:
        return False
