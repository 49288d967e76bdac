"""Finds the lines a model probably meant when its `old_string` is not in the file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_POSITIONS_PER_LINE = 50


@dataclass(frozen=True, slots=True)
class Near:
    """Lines `first` to `last` (1-based) look like the wanted text; `same_words` when only white space differs."""

    first: int
    last: int
    same_words: bool


def nearest(lines: Sequence[str], wanted: Sequence[str], *, seconds: float = 0.3) -> Near | None:
    """Return the window of `lines` most like `wanted`, or None when nothing comes near."""
    keys = [_key(line) for line in wanted]
    while keys and not keys[-1]:
        keys.pop()
    if not any(keys) or not lines:
        return None
    offset = _by_votes(lines, keys)
    if offset is None:
        offset = _by_likeness(lines, keys, time.monotonic() + seconds)
    if offset is None:
        return None
    first = max(0, min(offset, len(lines) - 1))
    last = min(len(lines), max(first + 1, offset + len(keys)))
    same = _key(" ".join(lines[first:last])) == _key(" ".join(keys))
    return Near(first + 1, last, same)


def _key(line: str) -> str:
    return " ".join(line.split())


def _by_votes(lines: Sequence[str], keys: Sequence[str]) -> int | None:
    """Let every wanted line found in the text vote for where the window would begin; long lines weigh more."""
    places: dict[str, list[int]] = {key: [] for key in keys if key}
    for number, line in enumerate(lines):
        found = places.get(_key(line))
        if found is not None and len(found) < _POSITIONS_PER_LINE:
            found.append(number)
    votes: Counter[int] = Counter()
    for index, key in enumerate(keys):
        for number in places.get(key, ()):
            votes[number - index] += len(key)
    return max(votes, key=lambda offset: (votes[offset], -offset)) if votes else None


def _by_likeness(lines: Sequence[str], keys: Sequence[str], deadline: float) -> int | None:
    """Look for the line most like the longest wanted one, as long as time allows."""
    anchor = max(range(len(keys)), key=lambda index: len(keys[index]))
    matcher = SequenceMatcher(b=keys[anchor][:500], autojunk=False)
    best, place = 0.6, None
    for number, line in enumerate(lines):
        if time.monotonic() > deadline:
            break
        matcher.set_seq1(_key(line[:2000])[:500])
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
            best, place = ratio, number - anchor
    return place
