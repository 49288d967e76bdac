r"""Finds the text an edit names and puts new text in its place, without touching a line end beside it.

A model writes `\n`; the file may have `\r\n`. Both are the same here, and what is put in follows the file.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text, in code points."""

    start: int
    end: int


def find_all(text: str, wanted: str, *, overlapping: bool) -> list[Span]:
    """Return every place where `wanted` stands in `text`, line ends being equal."""
    wanted = _plain(wanted)
    ends = _removed(text)
    plain = _plain(text) if ends else text
    step = 1 if overlapping else len(wanted)
    spans: list[Span] = []
    start = plain.find(wanted)
    while start >= 0:
        spans.append(Span(_original(ends, start), _original(ends, start + len(wanted))))
        start = plain.find(wanted, start + step)
    return spans


def replace(text: str, spans: Sequence[Span], new: str) -> str:
    """Return `text` with `new` at every one of `spans` (in order, apart from each other), line ends kept."""
    default = main_line_end(text)
    pieces: list[str] = []
    done = 0
    for span in spans:
        pieces += [text[done : span.start], fitted(text[span.start : span.end], new, default)]
        done = span.end
    return "".join([*pieces, text[done:]])


def fitted(old: str, new: str, default: str) -> str:
    """Return `new` with the line ends of `old`: those of its unchanged lines as they are, else the usual one."""
    before, after = _LINES.findall(old), _LINES.findall(_plain(new))
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    end = main_line_end(old, default)
    middle = "".join(after[head : len(after) - tail]).replace("\n", end)
    return "".join(before[:head]) + middle + "".join(before[len(before) - tail :])


def main_line_end(text: str, default: str = "\n") -> str:
    """Return the line end most lines of `text` have; `default` when it has none or as many of both."""
    windows = text.count("\r\n")
    unix = text.count("\n") - windows
    if windows == unix:
        return default
    return "\r\n" if windows > unix else "\n"


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _removed(text: str) -> list[int]:
    r"""Return where in the plain text each `\r\n` of `text` has become a `\n`."""
    return [match.start() - index for index, match in enumerate(re.finditer("\r\n", text))]


def _original(removed: list[int], offset: int) -> int:
    return offset + bisect_left(removed, offset)


def _common(before: Sequence[str], after: Sequence[str]) -> int:
    count = 0
    for one, other in zip(before, after, strict=False):
        if _plain(one) != other:
            break
        count += 1
    return count
