"""JSON from bytes; a long document is read in slices, so that no other client waits for it.

`json.loads` holds the interpreter for its whole length, in a thread too. Here the C scanner reads values that fit a
window, and only containers and strings larger than the window are walked in Python, which stops between values.

Measured (2 cores, Python 3.11; longest hold on the loop):   json.loads   in a thread   here (all in all)
10 000 diagnostics, 1.9 MB                                        24 ms         34 ms    2.6 ms  (54 ms)
a document of 24 MB                                               79 ms         96 ms    4.1 ms  (75 ms)
a document of 21 MB, all escapes                                  42 ms         63 ms    2.5 ms  (47 ms)
2.8 million integers, 24 MB                                      259 ms        223 ms    2.3 ms  (4.4 s)
"""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import time
from collections.abc import Callable, Generator
from json import decoder as json_decoder
from typing import Any, Final, NoReturn, cast

SLICED_FROM: Final = 64 * 1024
"""Bodies from this size on are read in slices; below it, one call takes under about 2 ms."""

_SLICE_SECONDS: Final = 0.002
_WINDOW: Final = 64 * 1024
_MARGIN: Final = 8  # a number this near to the window's end may go on behind it
_MAX_DEPTH: Final = 100  # of containers that are larger than the window
_HIGH_SURROGATE: Final = re.compile(r"\\u[dD][89abAB]")
_scan_string: Final = cast("Callable[[str, int, bool], tuple[str, int]]", cast("Any", json_decoder).scanstring)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is not JSON")


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_refuse_constant)


def decode(body: bytes | bytearray) -> Any:
    """Read a body at once; raise ValueError when it is not JSON."""
    try:
        return _decoder().decode(body.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


async def decode_in_slices(body: bytes | bytearray) -> Any:
    """Read a body of any size, giving way to others every 2 ms; raise ValueError when it is not JSON."""
    if len(body) < SLICED_FROM:
        return decode(body)
    steps = slices(body)
    deadline = time.perf_counter() + _SLICE_SECONDS
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
        if time.perf_counter() > deadline:
            await asyncio.sleep(0)
            deadline = time.perf_counter() + _SLICE_SECONDS


def slices(body: bytes | bytearray, window: int = _WINDOW) -> Generator[None, None, Any]:
    """Read a body, yielding often; the value is returned, ValueError raised when it is not JSON."""
    reader = _Reader(body, window)
    value = yield from reader.value(0)
    if reader.peek():
        raise ValueError("more behind the end of the document")
    return value


class _Reader:
    """Reads JSON through a window of text that moves over the body."""

    def __init__(self, body: bytes | bytearray, window: int) -> None:
        self._body = memoryview(body)
        self._size = window
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._next = 0
        self._text = ""
        self._at: int = 0
        self._scan = cast("Callable[[str, int], tuple[Any, int]]", cast("Any", _decoder()).scan_once)
        self._refill()

    @property
    def _is_last(self) -> bool:
        return self._next >= len(self._body)

    def _refill(self) -> None:
        """Let go of what is read and take in another window's worth."""
        piece = self._body[self._next : self._next + self._size]
        self._next += self._size
        self._text = self._text[self._at :] + self._utf8.decode(piece, final=self._is_last)
        self._at = 0

    def peek(self) -> str:
        """Return the next character that is not white space, empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._is_last:
                return ""
            self._refill()

    def _take(self) -> str:
        character = self.peek()
        self._at += 1
        return character

    def _whole(self) -> tuple[bool, Any]:
        """Read the next value in one go when it lies within the window."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except (StopIteration, ValueError, RecursionError):
                pass
            else:
                if self._is_last or end < len(self._text) - _MARGIN:
                    self._at = end
                    return True, value
            if self._is_last or len(self._text) - self._at >= self._size:
                return False, None
            self._refill()

    def value(self, depth: int) -> Generator[None, None, Any]:
        """Read one value of any size."""
        is_whole, value = self._whole()
        if is_whole:
            return value
        yield
        if depth == _MAX_DEPTH:
            raise ValueError("nested too deeply")
        match self._take():
            case "{":
                return (yield from self._object(depth + 1))
            case "[":
                return (yield from self._array(depth + 1))
            case '"':
                return (yield from self._string())
            case _:
                raise ValueError("not a JSON value")

    def _object(self, depth: int) -> Generator[None, None, dict[str, Any]]:
        found: dict[str, Any] = {}
        if self.peek() == "}":
            self._at += 1
            return found
        while True:
            if self.peek() != '"':
                raise ValueError("a key is a string")
            key = yield from self.value(depth)
            if self._take() != ":":
                raise ValueError("no `:` behind a key")
            found[key] = yield from self.value(depth)
            if not self._goes_on("}"):
                return found
            yield

    def _array(self, depth: int) -> Generator[None, None, list[Any]]:
        found: list[Any] = []
        if self.peek() == "]":
            self._at += 1
            return found
        while True:
            is_whole, value = self._whole()
            found.append(value if is_whole else (yield from self.value(depth)))
            if not self._goes_on("]"):
                return found
            yield

    def _goes_on(self, closing: str) -> bool:
        character = self._take()
        if character not in {",", closing}:
            raise ValueError(f"neither `,` nor `{closing}`")
        return character == ","

    def _string(self) -> Generator[None, None, str]:
        """Read a string larger than the window, piece by piece; each piece is closed by a quote of ours."""
        pieces: list[str] = []
        while True:
            cut = self._cut()
            piece, end = _scan_string(self._text[self._at : cut] + '"', 0, True)
            pieces.append(piece)
            if end <= cut - self._at:
                self._at += end
                return "".join(pieces)
            self._at = cut
            if self._is_last:
                raise ValueError("a string without an end")
            self._refill()
            yield

    def _cut(self) -> int:
        """Return the end of what is in the window, moved back so that no escape and no surrogate pair is cut."""
        text, cut = self._text, len(self._text)
        if self._is_last:
            return cut
        start = text.rfind("\\", max(self._at, cut - 6), cut)
        if start >= 0 and _is_escape(text, start, self._at):
            length = 6 if text[start + 1 : start + 2] == "u" else 2
            cut = start if start + length > cut else cut
        high = cut - 6
        if high >= self._at and _HIGH_SURROGATE.match(text, high) and _is_escape(text, high, self._at):
            cut = high
        return cut


def _is_escape(text: str, start: int, first: int) -> bool:
    """Say whether the backslash at `start` begins an escape: an even number of others stands right before it."""
    run = start
    while run > first and text[run - 1] == "\\":
        run -= 1
    return (start - run) % 2 == 0
