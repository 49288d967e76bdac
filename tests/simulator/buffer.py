"""The simulated editor's text: one string, changed by line and column. Shares no code with the product.

Slow and simple on purpose: this is what the product is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass


def split(text: str) -> list[tuple[int, int]]:
    """Return start and end (without the line end) of every line."""
    spans, start, i = [], 0, 0
    while i < len(text):
        if text[i] in "\r\n":
            spans.append((start, i))
            i += 2 if text[i : i + 2] == "\r\n" else 1
            start = i
        else:
            i += 1
    return [*spans, (start, len(text))]


def width(char: str, encoding: str) -> int:
    if encoding == "utf-32":
        return 1
    return len(char.encode("utf-8" if encoding == "utf-8" else "utf-16-le", "surrogatepass")) // (
        1 if encoding == "utf-8" else 2
    )


def offset_at(text: str, line: int, column: int, encoding: str) -> int:
    spans = split(text)
    if line >= len(spans):
        return len(text)
    start, end = spans[line]
    used = 0
    for place in range(start, end):
        used += width(text[place], encoding)
        if used > column:
            return place
    return end


def place_of(text: str, offset: int, encoding: str) -> tuple[int, int]:
    for number, (start, end) in reversed(list(enumerate(split(text)))):
        if start <= offset:
            return number, sum(width(char, encoding) for char in text[start : min(offset, end)])
    raise AssertionError("every offset is in a line")


@dataclass(frozen=True)
class Change:
    """One change as an editor tells of it; start None for the whole text."""

    text: str
    start: tuple[int, int] | None = None
    end: tuple[int, int] | None = None


@dataclass
class Buffer:
    """An open file: text, version, and what was last saved."""

    uri: str
    text: str
    version: int = 1

    def replace(self, start: int, end: int, new: str, encoding: str) -> Change:
        """Change the text and return how the editor would tell of it."""
        change = Change(new, place_of(self.text, start, encoding), place_of(self.text, end, encoding))
        self.text = self.text[:start] + new + self.text[end:]
        self.version += 1
        return change


def minimal(before: str, after: str, encoding: str) -> Change:
    """Return one change that leads from one text to the other, as editors that compare texts tell of it."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    # A place inside a CRLF has no name.
    if head and (before[head - 1 : head + 1] == "\r\n" or after[head - 1 : head + 1] == "\r\n"):
        head -= 1
    while tail and (
        before[len(before) - tail - 1 : len(before) - tail + 1] == "\r\n"
        or after[len(after) - tail - 1 : len(after) - tail + 1] == "\r\n"
    ):
        tail -= 1
    start, end = place_of(before, head, encoding), place_of(before, len(before) - tail, encoding)
    return Change(after[head : len(after) - tail], start, end)
