"""Text as an array of lines, by the rules of the Language Server Protocol: LF, CRLF and CR end a line, nothing else does."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from hermitcrab.core.edits import text_hash

PositionEncoding = Literal["utf-8", "utf-16", "utf-32"]
"""What a client counts in a column: bytes, two-byte units, or code points."""

Position = tuple[int, int]
"""A line and a column, both from 0; inside Hermitcrab a column counts code points."""


@dataclass(frozen=True, slots=True)
class TextChange:
    """One change as a client sends it: a range to replace, in its own encoding, or no range for the whole text."""

    text: str
    start: Position | None = None
    end: Position | None = None
    encoding: PositionEncoding = "utf-16"


def split_lines(text: str) -> list[str]:
    """Split text into lines that keep their ends; the last one has none and may be empty."""
    lines = io.StringIO(text, newline="").readlines()
    if not lines or lines[-1][-1] in "\r\n":
        lines.append("")
    return lines


def line_end(line: str) -> int:
    """Return the number of code points of a line without its end."""
    if line.endswith("\r\n"):
        return len(line) - 2
    return len(line) - 1 if line.endswith(("\n", "\r")) else len(line)


def column_to_codepoints(line: str, column: int, encoding: PositionEncoding) -> int:
    """Turn a client's column into code points; past the end counts as the end, inside a character as its start."""
    limit = line_end(line)
    if column <= 0:
        return 0
    if encoding == "utf-32" or line.isascii():
        return min(column, limit)
    low, high = 0, min(column, limit)
    if (units := _units(line[:high], encoding)) <= column:
        return high
    # The character sought lies in [low, high); each step measures half of what is left, so all steps read the line once.
    used = 0
    while high - low > 1:
        middle = (low + high) // 2
        units = _units(line[low:middle], encoding)
        if used + units <= column:
            low, used = middle, used + units
        else:
            high = middle
    return low


def codepoints_to_column(line: str, column: int, encoding: PositionEncoding) -> int:
    """Turn code points into the client's column; past the end counts as the end."""
    column = min(max(column, 0), line_end(line))
    if encoding == "utf-32" or line.isascii():
        return column
    return _units(line[:column], encoding)


def _units(text: str, encoding: PositionEncoding) -> int:
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class LineText:
    """A text that is cheap to change in place; whole text, hash and offsets are worked out when asked for."""

    __slots__ = ("_hash", "_lines", "_offsets", "_text")

    def __init__(self, text: str) -> None:
        self._lines = split_lines(text)
        self._text: str | None = text
        self._hash: str | None = None
        self._offsets: list[int] | None = None

    @property
    def text(self) -> str:
        """Return the whole text."""
        if self._text is None:
            self._text = "".join(self._lines)
        return self._text

    @property
    def hash(self) -> str:
        """Return the hash that names this text."""
        if self._hash is None:
            self._hash = text_hash(self.text)
        return self._hash

    @property
    def line_count(self) -> int:
        """Return the number of lines; never less than one."""
        return len(self._lines)

    @property
    def lines(self) -> Sequence[str]:
        """Return the lines with their ends, to be read only."""
        return self._lines

    def line(self, number: int) -> str:
        """Return one line with its end; empty when there is no such line."""
        return self._lines[number] if 0 <= number < len(self._lines) else ""

    def replace(self, start: Position, end: Position, new_text: str) -> None:
        """Replace what stands between two positions; both are clamped into the text, a reversed pair is turned round."""
        (first, column), (last, end_column) = sorted((self._clamp(start), self._clamp(end)))
        pieces = split_lines(new_text)
        tail = self._lines[last][end_column:]
        pieces[0] = self._lines[first][:column] + pieces[0]
        pieces[-1] += tail
        if len(pieces) > 1 and tail.startswith("\n") and _joins(pieces[-2], pieces[-1]):
            pieces[-2:] = [pieces[-2] + pieces[-1]]
        if first > 0 and _joins(self._lines[first - 1], pieces[0]):
            first -= 1
            pieces[0] = self._lines[first] + pieces[0]
        self._lines[first : last + 1] = pieces
        self._text = self._hash = self._offsets = None

    def change(self, change: TextChange) -> None:
        """Make one change as a client sent it."""
        if change.start is None:
            self._lines = split_lines(change.text)
            self._text, self._hash, self._offsets = change.text, None, None
            return
        start = self.from_client(change.start, change.encoding)
        end = (
            start
            if change.end in {None, change.start}
            else self.from_client(change.end or change.start, change.encoding)
        )
        self.replace(start, end, change.text)

    def from_client(self, position: Position, encoding: PositionEncoding) -> Position:
        """Turn a client's position into ours; one behind the last line is the end of the text."""
        line, column = position
        if line >= len(self._lines):
            return self.end
        if line < 0:
            return (0, 0)
        return line, column_to_codepoints(self._lines[line], column, encoding)

    def to_client(self, position: Position, encoding: PositionEncoding) -> Position:
        """Turn one of our positions into a client's."""
        line, column = self._clamp(position)
        return line, codepoints_to_column(self._lines[line], column, encoding)

    @property
    def end(self) -> Position:
        """Return the position behind the last character."""
        return len(self._lines) - 1, len(self._lines[-1])

    def offset(self, position: Position) -> int:
        """Return the number of code points before a position."""
        line, column = self._clamp(position)
        return self._line_offsets()[line] + column

    def position(self, offset: int) -> Position:
        """Return the position of an offset; one inside a CRLF counts as the end of the line before them."""
        offsets = self._line_offsets()
        line = min(bisect_right(offsets, max(offset, 0)) - 1, len(self._lines) - 1)
        return line, min(max(offset, 0) - offsets[line], line_end(self._lines[line]))

    def _line_offsets(self) -> list[int]:
        if self._offsets is None:
            self._offsets = list(accumulate(map(len, self._lines), initial=0))
        return self._offsets

    def _clamp(self, position: Position) -> Position:
        line, column = position
        if line < 0:
            return (0, 0)
        if line >= len(self._lines):
            return self.end
        return line, min(max(column, 0), line_end(self._lines[line]))


def _joins(line: str, following: str) -> bool:
    """Say whether a CR that ends one line and an LF that starts the next have become one line end."""
    return line.endswith("\r") and following.startswith("\n")
