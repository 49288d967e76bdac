"""Content-Length framing without I/O: bytes in any chopping come in, whole bodies and typed errors go out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

HEADER_LIMIT = 8 * 1024
"""A header longer than this is not a header."""

BODY_LIMIT = 64 * 1024 * 1024
"""A longer body is refused, and its bytes are skipped without being kept."""

SKIP_LIMIT = 1024 * 1024 * 1024
"""A length beyond this is taken for nonsense: what follows is searched for the next header instead of skipped."""

_STEP = 128
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_FIELD = re.compile(rb"[!-9;-~]+:[^\x00-\x08\x0a-\x1f\x7f]*")
_LENGTH = re.compile(rb"content-length:[ \t]*([0-9]{1,15})[ \t]*", re.IGNORECASE)
_NAME = b"content-length:"


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole body."""

    body: bytes | bytearray


@dataclass(frozen=True, slots=True)
class FrameError:
    """Bytes that were no frame. `garbage` stood before a good header, `malformed` is a lost header, `oversized` a refused body."""

    kind: Literal["garbage", "malformed", "oversized", "truncated"]
    message: str


def encode_frame(body: bytes) -> bytes:
    """Return the body with its header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class FrameDecoder:
    """Takes a stream apart; it copies each byte a bounded number of times and recovers from anything."""

    def __init__(self, *, body_limit: int = BODY_LIMIT) -> None:
        self._body_limit = body_limit
        self._header = bytearray()
        self._body: bytearray | None = None
        self._missing = 0
        self._to_skip = 0
        self._is_adrift = False

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take the next bytes; return what became whole."""
        found: list[Frame | FrameError] = []
        rest = memoryview(data)
        while rest:
            if self._to_skip:
                rest = self._skip(rest)
            elif self._body is not None:
                rest = self._fill(self._body, rest, found)
            else:
                rest = self._read_header(rest, found)
        return found

    def close(self) -> FrameError | None:
        """Say whether the stream ended inside a frame."""
        if self._body is not None or self._to_skip or self._header.strip():
            return FrameError("truncated", "the stream ended inside a message")
        return None

    def _skip(self, rest: memoryview) -> memoryview:
        count = min(self._to_skip, len(rest))
        self._to_skip -= count
        return rest[count:]

    def _fill(self, body: bytearray, rest: memoryview, found: list[Frame | FrameError]) -> memoryview:
        piece = rest[: self._missing]
        body += piece
        self._missing -= len(piece)
        if not self._missing:
            self._body = None
            found.append(Frame(body))
        return rest[len(piece) :]

    def _read_header(self, rest: memoryview, found: list[Frame | FrameError]) -> memoryview:
        header = self._header
        known = len(header)
        header += rest[: min(_STEP, HEADER_LIMIT - known)]
        end = _HEADER_END.search(header, max(0, known - 3))
        if end is None:
            rest = rest[len(header) - known :]
            if len(header) == HEADER_LIMIT:
                self._drift(found)
            return rest
        block = bytes(header[: end.start()])
        rest = rest[end.end() - known :]
        header.clear()
        return self._begin(block, rest, found)

    def _drift(self, found: list[Frame | FrameError]) -> None:
        """No header in so many bytes: keep only what may be the beginning of one, and say so once."""
        if not self._is_adrift:
            found.append(FrameError("malformed", f"no header in {HEADER_LIMIT} bytes"))
        self._is_adrift = True
        start = self._header.lower().rfind(_NAME)
        keep = start if start > 0 else HEADER_LIMIT - len(_NAME) + 1
        del self._header[:keep]

    def _begin(self, block: bytes, rest: memoryview, found: list[Frame | FrameError]) -> memoryview:
        length, problem = _parse_header(block)
        if problem and not (self._is_adrift and problem.kind == "garbage"):
            found.append(problem)
        if length is None:
            return rest
        self._is_adrift = False
        if length > self._body_limit:
            found.append(FrameError("oversized", f"a message of {length} bytes; {self._body_limit} is the limit"))
            self._to_skip = length
        elif length <= len(rest):
            found.append(Frame(bytes(rest[:length])))
            return rest[length:]
        else:
            self._body, self._missing = bytearray(), length
        return rest


def _parse_header(block: bytes) -> tuple[int | None, FrameError | None]:
    """Return the length a header block gives and what was wrong with the block."""
    if not block.strip():
        return None, None
    lines = _LINE_END.split(block)
    lengths = [_LENGTH.fullmatch(line) for line in lines if line.lower().startswith(_NAME)]
    values = {int(match.group(1)) if match else -1 for match in lengths}
    if len(values) == 1 and all(map(_FIELD.fullmatch, lines)):
        return _sane(values.pop())
    return _salvage(lines)


def _sane(length: int) -> tuple[int | None, FrameError | None]:
    if 0 <= length <= SKIP_LIMIT:
        return length, None
    return None, FrameError("malformed", "`Content-Length` is not a sensible number")


def _salvage(lines: list[bytes]) -> tuple[int | None, FrameError | None]:
    """Find a good header behind garbage: the last `Content-Length`, with nothing but fields after it."""
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        start = line.lower().rfind(_NAME)
        if start >= 0 and (match := _LENGTH.fullmatch(line, start)):
            if index == start == 0 or any(entry.lower().startswith(_NAME) for entry in lines[:index]):
                break  # two lengths that disagree
            length, problem = _sane(int(match.group(1)))
            return length, problem or FrameError("garbage", "bytes before a header were dropped")
        if not _FIELD.fullmatch(line):
            break
    return None, FrameError("malformed", "a header without a usable `Content-Length`")
