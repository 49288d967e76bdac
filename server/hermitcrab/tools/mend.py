"""Repairs an edit whose `old_string` is not in the file, where it is certain what was meant and nothing can be lost.

Two slips are mended: line numbers copied from Read, and white space at the ends of lines. Everything else – indentation,
quotes, words – may carry meaning, so the model is shown what stands there and asks again. (Line ends are no slip at all:
`replace` takes them as equal.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from hermitcrab.tools.replace import Span, find_all, replace

_NUMBERED = re.compile(r" *(\d{1,9})\t(.*)")
_ROWS = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r)|([^\r\n]+)")
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Mended:
    """The whole text after the change, and what was done to the request."""

    text: str
    note: str


def mend(text: str, old: str, new: str) -> Mended | None:
    """Return the change that was certainly meant; None where there is any doubt."""
    return _without_numbers(text, old, new) or _without_trailing(text, old, new)


def _without_numbers(text: str, old: str, new: str) -> Mended | None:
    """Leave out line numbers: every line has one, they count up, and what is left stands once, at a line's start."""
    old_lines = _unnumbered(old)
    if old_lines is None or not any(line.strip() for line in old_lines):
        return None
    new_lines = _unnumbered(new, must_count=False)
    if new_lines is None and any(_NUMBERED.fullmatch(line) for line in new.split("\n")):
        return None
    plain_old = "\n".join(old_lines)
    plain_new = new if new_lines is None else "\n".join(new_lines)
    spans = find_all(text, plain_old, overlapping=True)
    if len(spans) != 1 or plain_old == plain_new:
        return None
    start = spans[0].start
    if start and text[start - 1] not in "\r\n":
        return None
    return Mended(replace(text, spans, plain_new), "the line numbers copied from Read were left out")


def _unnumbered(text: str, *, must_count: bool = True) -> list[str] | None:
    """Return the lines without their numbers; None when one has none (a line end at the end begins no line)."""
    lines = text.split("\n")
    tail = [""] if len(lines) > 1 and not lines[-1] else []
    found = [_NUMBERED.fullmatch(line) for line in lines[: len(lines) - len(tail)]]
    matches = [match for match in found if match is not None]
    if len(matches) < len(found):
        return None
    numbers = [int(match[1]) for match in matches]
    if must_count and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return None
    return [match[2] for match in matches] + tail


def _without_trailing(text: str, old: str, new: str) -> Mended | None:
    """Take white space at line ends as equal: the lines stand once; unchanged ones stay as the file has them."""
    if old.endswith("\n") != new.endswith("\n"):
        return None
    wanted, wished = old.removesuffix("\n").split("\n"), new.removesuffix("\n").split("\n")
    keys = [line.rstrip(" \t\r") for line in wanted]
    if not any(keys) or len(wanted) > _MOST or len(wished) > _MOST:
        return None
    rows = [(match.start(), match[1] if match[1] is not None else match[2]) for match in _ROWS.finditer(text)]
    place = _only_place([line.rstrip(" \t") for _, line in rows], keys)
    if place is None:
        return None
    there = rows[place : place + len(keys)]
    after = _transplanted([line for _, line in there], wanted, wished)
    span = Span(there[0][0], there[-1][0] + len(there[-1][1]))
    changed = replace(text, [span], "\n".join(after))
    if changed == text:
        return None
    return Mended(changed, "white space at the ends of lines was taken as equal; unchanged lines keep theirs")


def _only_place(lines: Sequence[str], keys: Sequence[str]) -> int | None:
    first = keys[0]
    places = [
        at
        for at in range(len(lines) - len(keys) + 1)
        if lines[at] == first and lines[at : at + len(keys)] == list(keys)
    ]
    return places[0] if len(places) == 1 else None


def _transplanted(there: Sequence[str], wanted: Sequence[str], wished: Sequence[str]) -> list[str]:
    """Make the change from `wanted` to `wished` on the lines that stand there."""
    after: list[str] = []
    for tag, i, j, k, m in SequenceMatcher(None, wanted, wished, autojunk=False).get_opcodes():
        after += there[i:j] if tag == "equal" else wished[k:m]
    return after
