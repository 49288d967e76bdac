"""Text as a model reads it: numbered lines, long ones cut, and the middle left out of what is too much."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

LINE_WIDTH = 2000
"""Code points of a line that are shown."""

_SLICE = 1 << 18
_LINE_END = re.compile(r"\r\n|\n|\r")


def shown_lines(text: str) -> list[str]:
    r"""Return the lines of `text` without their ends (`\n`, `\r\n`, `\r` alone); a final line end begins no line."""
    return window(text, 1, len(text) + 1)[0]


def window(text: str, first: int, limit: int) -> tuple[list[str], int]:
    """Return `limit` lines from the 1-based `first` on, and how many there are in all; in slices, for a thread."""
    lines: list[str] = []
    passed = 0
    for start, stop in _slices(text):
        piece = text[start:stop]
        here = line_ends(piece) + (not piece.endswith(("\n", "\r")))
        if passed + here >= first and passed < first - 1 + limit:
            split = _LINE_END.split(piece)
            lines += split[max(0, first - 1 - passed) : min(here, first - 1 + limit - passed)]
        passed += here
    return lines, passed


def line_ends(text: str) -> int:
    """Return how many lines end in `text`."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _slices(text: str) -> Iterator[tuple[int, int]]:
    """Cut `text` behind line ends: one call on the whole of a huge text would hold up every other thread."""
    start = 0
    while start < len(text):
        stop = text.find("\n", start + _SLICE) + 1 or len(text)
        yield start, stop
        start = stop


def line_number(text: str, offset: int) -> int:
    """Return the 1-based line on which the code point at `offset` stands."""
    return 1 + line_ends(text[:offset])


def numbered(lines: Iterable[str], first: int) -> list[str]:
    """Return `lines` with their numbers, `first` being that of the first one."""
    return [f"{number}\t{cut_line(line)}" for number, line in enumerate(lines, first)]


def cut_line(line: str, width: int = LINE_WIDTH) -> str:
    """Return `line`, or its beginning and how much is missing."""
    return line if len(line) <= width else cut_mark(line[:width], len(line) - width)


def cut_mark(line: str, missing: int) -> str:
    """Return the beginning of a line with a word on how much of it is missing."""
    return f"{line} [… {missing:,} more characters on this line]"


def around(lines: Sequence[str], changed: Sequence[tuple[int, int]], *, context: int = 3, most: int = 60) -> str:
    """Return the 1-based line ranges of `changed` numbered with lines around them, `most` lines in all."""
    wanted: list[int] = []
    for first, last in changed:
        wanted += [n for n in range(first - context, last + context + 1) if 1 <= n <= len(lines)]
    shown = sorted(set(wanted))
    left_out = len(shown) - most
    rows: list[str] = []
    for number in shown[:most]:
        if rows and number - 1 not in shown:
            rows.append("…")
        rows += numbered([lines[number - 1]], number)
    return "\n".join([*rows, *([f"[… {left_out} more changed lines not shown]"] if left_out > 0 else [])])


def fitting(rows: Sequence[str], room: int) -> list[str]:
    """Return the first of `rows` that fit into `room` characters, one at least."""
    for index, row in enumerate(rows):
        room -= len(row) + 1
        if room < 0:
            return list(rows[: max(1, index)])
    return list(rows)


def clip(text: str, limit: int, rest: str) -> tuple[str, bool]:
    """Return the head and tail of `text` within `limit` code points, with `rest` between them, and whether it was cut."""
    if len(text) <= limit:
        return text, False
    head, tail = text[: limit // 3], text[-(limit - limit // 3) :]
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] if "\n" in tail[:-1] else tail
    left_out = len(text) - len(head) - len(tail)
    return f"{head.rstrip()}\n[… {left_out:,} characters left out{rest} …]\n{tail}", True
