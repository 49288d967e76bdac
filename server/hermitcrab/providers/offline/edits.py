"""Changes to a text as calls of Edit: enough of the lines around that the place is the only one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from hermitcrab.syntax.parse import line_starts


@dataclass(frozen=True, slots=True)
class Change:
    """A replacement of text between two offsets."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Replacement:
    """What an Edit call says."""

    old: str
    new: str


_NEAR = 15  # lines between two changes that still make one Edit


def applied(text: str, changes: Sequence[Change]) -> str:
    """Return the text with the changes made; they do not overlap."""
    for change in sorted(changes, key=lambda change: change.start, reverse=True):
        text = text[: change.start] + change.text + text[change.end :]
    return text


def replacements(text: str, changes: Sequence[Change]) -> tuple[Replacement, ...]:
    """Return the calls that make the changes, the last place first so that the others stay where they are."""
    result: list[Replacement] = []
    for group in reversed(_groups(text, sorted(changes, key=lambda change: change.start))):
        result.append(_replacement(text, group))
        text = applied(text, group)
    return tuple(result)


def _groups(text: str, changes: Sequence[Change]) -> list[list[Change]]:
    groups: list[list[Change]] = []
    for change in changes:
        if groups and text.count("\n", groups[-1][-1].end, change.start) <= _NEAR:
            groups[-1].append(change)
        else:
            groups.append([change])
    return groups


def _replacement(text: str, changes: Sequence[Change]) -> Replacement:
    starts = line_starts(text)
    first = bisect_right(starts, changes[0].start) - 1
    last = bisect_right(starts, max(changes[-1].end - 1, changes[0].start)) - 1
    start, end = _span(text, starts, first, last, changes[-1].end)
    grow_up = True
    while not _is_alone(text, start, end):
        if first == 0 and last == len(starts) - 1:
            start, end = 0, len(text)
            break
        if (grow_up and first > 0) or last == len(starts) - 1:
            first -= 1
        else:
            last += 1
        grow_up = not grow_up
        start, end = _span(text, starts, first, last, changes[-1].end)
    moved = [Change(change.start - start, change.end - start, change.text) for change in changes]
    return Replacement(text[start:end], applied(text[start:end], moved))


def _is_alone(text: str, start: int, end: int) -> bool:
    """Say whether a stretch of text stands nowhere else, not even overlapping itself."""
    old = text[start:end]
    return bool(old.strip()) and text.find(old) == start and text.find(old, start + 1) < 0


def _span(text: str, starts: list[int], first: int, last: int, at_least: int) -> tuple[int, int]:
    """Return whole lines without the last line end, unless that is changed too."""
    end = starts[last + 1] if last + 1 < len(starts) else len(text)
    return starts[first], max(at_least, len(text[:end].rstrip("\r\n")), starts[first])
