"""Server-sent events out of bytes that arrive in any pieces (https://html.spec.whatwg.org/#event-stream-interpretation)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"
_CR, _LF = 13, 10
_LIMIT = 16 * 1024 * 1024


class SseError(ValueError):
    """The stream is no event stream, or its bytes were damaged on the way."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its name (empty when the stream gave none) and its data lines joined."""

    name: str
    data: str


class SseDecoder:
    """Turns chunks into events. Each byte is looked at once or twice, however small the chunks are.

    Damaged UTF-8 is an error, not a replacement character: what arrives here may become a tool call.
    """

    def __init__(self, *, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []  # of a line that has not ended
        self._pieces_size = 0
        self._size = 0  # of the data lines of the event that has not ended
        self._name = b""
        self._data: list[bytes] = []
        self._ended_in_cr = False
        self._is_first_line = True

    def feed(self, chunk: bytes) -> Iterator[SseEvent]:
        """Yield the events that `chunk` completes; to be run to its end, or to its SseError."""
        if self._ended_in_cr and chunk:
            self._ended_in_cr = False
            if chunk[0] == _LF:
                chunk = chunk[1:]
        if not chunk:
            return
        lines = chunk.splitlines()
        last = chunk[-1]
        self._ended_in_cr = last == _CR
        tail = b"" if last in {_CR, _LF} else lines.pop()
        if lines and self._pieces:
            self._pieces.append(lines[0])
            lines[0] = b"".join(self._pieces)
            self._pieces.clear()
            self._pieces_size = 0
        for line in lines:
            event = self._line(line)
            if event is not None:
                yield event
        if tail:
            self._pieces.append(tail)
            self._pieces_size += len(tail)
            self._check(self._pieces_size)

    def _line(self, line: bytes) -> SseEvent | None:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
            self._check(self._size)
        elif field == b"event":
            self._name = value
        return None

    def _dispatch(self) -> SseEvent | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = b"", [], 0
        if not data:
            return None
        try:
            return SseEvent(name.decode(), b"\n".join(data).decode())
        except UnicodeDecodeError as error:
            raise SseError("an event's bytes are not UTF-8") from error

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise SseError(f"an event is larger than {self._limit} bytes")
