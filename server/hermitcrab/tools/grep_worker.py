"""Searches files in a process of its own, so that no pattern can hold up the engine: standard library alone.

A search comes in on stdin as one JSON object; a JSON line goes out per file with hits, and one at the end.
A file on which the pattern takes too long is named and passed over.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import signal
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

LINE_WIDTH = 400
"""Code points shown of a line with a hit, around the hit."""

_NEEDS_LINES = re.compile(r"\(\?(?:[=!<>]|[a-zA-Z]*-)|\\[AZ]|[*+?}]\+")
"""Looks around, anchors and possessive parts mean something else in a whole text than on a line of it."""

_SPECIAL = re.compile(r"[^\w \-:=,;/\"'<>@%&!`~]|\n")
"""Characters that may mean more than themselves in a pattern."""

_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"),
         (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))  # fmt: skip


@dataclass(frozen=True)
class Search:
    """What to look for, and where."""

    pattern: str
    root: str
    files: list[str]  # relative to `root`, in the order of the answer
    buffers: dict[str, str]  # unsaved texts, which hold instead of the files
    ignore_case: bool = False
    multiline: bool = False
    lines: bool = True  # False: only count
    first_only: bool = False
    before: int = 0
    after: int = 0
    most: int = 1000  # rows (lines or files) after which the search ends
    most_bytes: int = 10_000_000
    seconds: float = 30.0
    seconds_per_file: float = 2.0


@dataclass
class Summary:
    """What the search came to."""

    searched: int = 0
    binary: int = 0
    large: int = 0
    unreadable: int = 0
    slow: list[str] = field(default_factory=list[str])
    stopped: str = ""  # "full", "time" or "slow": why files behind the last one were not searched
    error: str = ""


class TooSlowError(Exception):
    """The pattern takes too long on this text."""


class Matcher:
    """Finds the lines of a text that a pattern matches."""

    def __init__(self, search: Search) -> None:
        flags = re.MULTILINE | (re.IGNORECASE if search.ignore_case else 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._regex = re.compile(search.pattern, flags | (re.DOTALL if search.multiline else 0))
        self._multiline = search.multiline
        self._by_line = not search.multiline and bool(_NEEDS_LINES.search(search.pattern))
        self._seconds = search.seconds_per_file
        self._most = 1 if search.first_only else None
        is_plain = search.pattern.isascii() and not search.ignore_case and not _SPECIAL.search(search.pattern)
        self._needle = search.pattern.encode() if is_plain else b""

    def may_match(self, data: bytes) -> bool:
        """Say whether a closer look at a file's bytes is worth it; cheap, and True when in doubt."""
        return self._needle in data or data.startswith(_WIDE)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where hits begin and end, one per line (several lines with `multiline`); raise TooSlowError."""
        if self._multiline:
            return self._timed(self._whole, text, self._seconds)
        if not self._by_line:
            try:
                return self._timed(self._quick, text, self._seconds / 4)
            except TooSlowError:
                self._by_line = True  # such as `[^x]*y`, which is harmless on lines and squares on texts
        return self._timed(self._each_line, text, self._seconds)

    def _timed(
        self, find: Callable[[str], Iterator[tuple[int, int]]], text: str, seconds: float
    ) -> list[tuple[int, int]]:
        if not hasattr(signal, "setitimer"):
            return list(islice(find(text), self._most))
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return list(islice(find(text), self._most))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _whole(self, text: str) -> Iterator[tuple[int, int]]:
        return (match.span() for match in self._regex.finditer(text))

    def _each_line(self, text: str) -> Iterator[tuple[int, int]]:
        start = 0
        for line in _lines(text):
            if match := self._regex.search(line):
                yield start + match.start(), start + match.end()
            start += len(line) + 1

    def _quick(self, text: str) -> Iterator[tuple[int, int]]:
        """Search the whole text, then the lines where something begins: any line with a match is among them."""
        start, size = 0, len(text)
        while start < size and (match := self._regex.search(text, start)):
            first = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.start())
            end = size if end < 0 else end
            if first < size and (on_line := self._regex.search(text[first:end])):
                yield first + on_line.start(), first + on_line.end()
            start = end + 1


def find_rows(text: str, spans: list[tuple[int, int]], search: Search) -> list[tuple[int, bool, str]]:
    """Return the rows to show as (1-based line, has a hit, text), lines around hits included."""
    lines = _lines(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    hits = dict(_hit_lines(starts, spans))
    shown = {n for hit in hits for n in range(hit - search.before, hit + search.after + 1) if 0 <= n < len(lines)}
    return [(n + 1, n in hits, _cut(lines[n], hits.get(n, 0))) for n in sorted(shown)]


def _hit_lines(starts: list[int], spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield each line touched by a hit, with the column where the hit begins on it."""
    line = 0
    for start, end in spans:
        while line + 2 < len(starts) and starts[line + 1] <= start:
            line += 1
        yield line, start - starts[line]
        below = line + 1
        while below + 1 < len(starts) and starts[below] < end:
            yield below, 0
            below += 1


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _cut(line: str, column: int) -> str:
    if len(line) <= LINE_WIDTH:
        return line
    start = max(0, min(column - LINE_WIDTH // 4, len(line) - LINE_WIDTH))
    return ("…" if start else "") + line[start : start + LINE_WIDTH] + ("…" if start + LINE_WIDTH < len(line) else "")


def read_data(path: str, most_bytes: int) -> tuple[bytes | None, str]:
    """Return the bytes of a regular file, or None and why: `large` or `unreadable`; never waits on a FIFO."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        return None, "link" if error.errno == errno.ELOOP else "unreadable"
    except ValueError:
        return None, "unreadable"
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None, "link"
        if status.st_size > most_bytes:
            return None, "large"
        return _read(handle, most_bytes), ""
    except OSError:
        return None, "unreadable"
    finally:
        os.close(handle)


def _read(handle: int, most_bytes: int) -> bytes:
    with io.FileIO(handle, closefd=False) as file:
        return file.read(most_bytes) or b""


def decode(data: bytes) -> str | None:
    """Return the text of a file, line ends all alike; None when it is none."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            text = data[len(bom) :].decode(encoding, "replace")
            break
    else:
        if is_binary(data):
            return None
        text = data.decode("utf-8", "replace")
    return _unix(text)


def is_binary(data: bytes) -> bool:
    """Say whether a file without a byte order mark looks like anything but text."""
    return b"\0" in data[:8192]


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def run(search: Search, emit: Callable[[dict[str, Any]], None]) -> Summary:
    """Search every file in turn, telling `emit` of each one with hits."""
    summary = Summary()
    try:
        matcher = Matcher(search)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        summary.error = str(error) or type(error).__name__
        return summary
    deadline = time.monotonic() + search.seconds
    rows = 0
    for path in search.files:
        if rows >= search.most or time.monotonic() > deadline or len(summary.slow) >= 3:
            summary.stopped = "full" if rows >= search.most else "slow" if len(summary.slow) >= 3 else "time"
            break
        rows += _search_file(path, search, matcher, summary, emit, search.most - rows)
    return summary


def _search_file(
    path: str, search: Search, matcher: Matcher, summary: Summary, emit: Callable[[dict[str, Any]], None], room: int
) -> int:
    """Search one file and return how many rows it gave, `room` at most."""
    text = _text_of(path, search, matcher, summary)
    if text is None:
        return 0
    try:
        spans = matcher.spans(text)
    except (TooSlowError, RecursionError, MemoryError):
        summary.slow.append(path)
        return 0
    if not spans:
        return 0
    rows = find_rows(text, spans[: room + 1], search) if search.lines else []
    if len(rows) > room:
        summary.stopped = "full"
    emit({"path": path, "hits": len(spans), "rows": rows[:room]})
    return max(1, min(room, len(rows)))


def _text_of(path: str, search: Search, matcher: Matcher, summary: Summary) -> str | None:
    """Return a text worth searching; None when there is none, which is counted."""
    if path in search.buffers:
        summary.searched += 1
        return _unix(search.buffers[path])
    data, why = read_data(os.path.join(search.root, path), search.most_bytes)  # noqa: PTH118 - quick, per file
    if data is None:
        if why != "link":
            setattr(summary, why, getattr(summary, why) + 1)
        return None
    text = decode(data) if matcher.may_match(data) else None if is_binary(data) else ""
    if text is None:
        summary.binary += 1
    else:
        summary.searched += 1
    return text


def _too_slow(*_: object) -> None:
    raise TooSlowError


def _limit_memory(most: int = 2_000_000_000) -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    """Do the search that stands on stdin."""
    _limit_memory()
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, _too_slow)
    search = Search(**json.loads(sys.stdin.buffer.read()))

    def emit(record: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()

    summary = run(search, emit)
    emit({"end": asdict(summary)})


if __name__ == "__main__":
    main()
