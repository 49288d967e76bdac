"""A session's log: records appended one after the other, and read back whatever happened to the file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.messages import JsonObject
from hermitcrab.store import records
from hermitcrab.store.blobs import BlobStore
from hermitcrab.store.files import sync_folder, write_all, write_whole
from hermitcrab.store.locks import FileLock, LockedError


class LogReadOnlyError(OSError):
    """The log may be read but not written: another process holds it, or a newer version wrote it."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EROFS, reason)


@dataclass(frozen=True, slots=True)
class LogContent:
    """What a log holds: its good records in order, and a sentence for everything that could not be read."""

    records: tuple[JsonObject, ...]
    problems: tuple[str, ...] = ()
    last_seq: int = 0
    good_size: int = 0  # bytes up to the end of the last good record
    size: int = 0
    is_newer: bool = False  # written by a newer version, so not ours to write on
    root: str = ""  # the folder the session was begun in


def read_log(path: Path, blobs: BlobStore) -> LogContent:
    """Read what can be read, and change nothing; blocks, so call it in a thread."""
    return _Reader(blobs).read(path.read_bytes())


class _Reader:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._records: list[JsonObject] = []
        self._problems: list[str] = []
        self._last_seq = 0
        self._newest = records.VERSION

    def read(self, data: bytes) -> LogContent:
        good_size = start = 0
        bad_lines: list[tuple[int, str]] = []
        number = 0
        while (end := data.find(b"\n", start)) >= 0:
            number += 1
            problem = self._take(data[start:end], number)
            start = end + 1
            if problem:
                bad_lines.append((number, problem))
                continue
            self._problems += [f"record {at} was skipped: {why}" for at, why in bad_lines]
            bad_lines.clear()
            good_size = start
        return self._content(data, good_size, bad_lines)

    def _take(self, line: bytes, number: int) -> str:
        """Keep the record of one line; return why there is none."""
        record = records.decode(line)
        if isinstance(record, records.Bad):
            return record.reason
        if record["seq"] <= self._last_seq:
            return f"its number {record['seq']} is not above that of the record before"
        self._last_seq = record["seq"]
        self._newest = max(self._newest, record["v"])
        whole, problem = records.restore(record, self._blobs)
        if problem:
            how = "was skipped" if whole is None else "lost a part"
            self._problems.append(f"record {number} {how}: {problem}")
        if whole is not None:
            self._records.append(whole)
        return ""

    def _content(self, data: bytes, good_size: int, bad_lines: list[tuple[int, str]]) -> LogContent:
        is_newer = self._newest > records.VERSION
        if is_newer:
            self._problems.append(f"a newer version wrote this session (format {self._newest}); it is read only here")
        if good_size < len(data):
            lines = f" with {len(bad_lines)} unreadable lines" if bad_lines else ""
            self._problems.append(f"the last {len(data) - good_size} bytes{lines} are no whole record")
        return LogContent(
            tuple(self._records),
            tuple(self._problems),
            self._last_seq,
            good_size,
            len(data),
            is_newer,
            next((str(record.get("root", "")) for record in self._records if record["kind"] == "session"), ""),
        )


class SessionLog:
    """The one writer of one log. Made by `SessionStore`; `append` keeps the order in which it was called."""

    def __init__(self, session: str, path: Path, blobs: BlobStore) -> None:
        self.id = session
        self.path = path
        self.read_only = ""  # why nothing can be written, when that is so
        self._blobs = blobs
        self._order = asyncio.Lock()
        self._writing = threading.Lock()
        self._lock: FileLock | None = None
        self._handle = -1
        self._size = 0
        self._last_seq = 0

    @property
    def last_seq(self) -> int:
        """Return the number of the newest record."""
        return self._last_seq

    def open(self) -> LogContent:
        """Take the lock, read the log, mend its end and be ready to append; blocks, so call it in a thread."""
        try:
            self._lock = FileLock(self.path.with_suffix(".lock"))
        except LockedError as error:
            self.read_only = f"{error}; it can be read here, not continued"
        except OSError as error:
            self.read_only = f"`{self.path}` cannot be written here: {error.strerror}"
        content = read_log(self.path, self._blobs) if self.path.exists() else LogContent(())
        if content.is_newer:
            self.read_only = self.read_only or "a newer version wrote this session; it is read only here"
        if not self.read_only:
            self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size, self._last_seq = content.good_size, content.last_seq
            self._cut_back(content)
        return content

    async def append(self, kind: str, payload: JsonObject, *, sync: bool = False) -> int:
        """Write one record and return its number; with `sync` it is on disk then.

        Raises OSError when it cannot be written: the log is then as it was. A cancelled caller leaves a whole record.
        """
        return await asyncio.shield(asyncio.ensure_future(self._append_in_order(kind, payload, sync=sync)))

    def append_now(self, kind: str, payload: JsonObject, *, sync: bool = False) -> int:
        """Do as `append`, in this thread."""
        with self._writing:
            if self.read_only or self._handle < 0:
                raise LogReadOnlyError(self.read_only or "the session is closed")
            line = records.encode(self._last_seq + 1, kind, payload, self._blobs, sync=sync)
            try:
                write_all(self._handle, line)
                if sync:
                    _fdatasync(self._handle)
            except OSError:
                self._take_back()
                raise
            self._size += len(line)
            self._last_seq += 1
            return self._last_seq

    def read(self) -> LogContent:
        """Return what the log holds between two appends; blocks."""
        with self._writing:
            return read_log(self.path, self._blobs)

    def close(self) -> None:
        """Give back file and lock; a second call does nothing."""
        with self._writing:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    async def _append_in_order(self, kind: str, payload: JsonObject, *, sync: bool) -> int:
        async with self._order:
            return await asyncio.to_thread(self.append_now, kind, payload, sync=sync)

    def _take_back(self) -> None:
        """Cut the log back to its last good record after a write that failed half-way."""
        try:
            os.ftruncate(self._handle, self._size)
        except OSError as error:
            self.read_only = f"the log could not be mended after a failed write ({error.strerror})"

    def _cut_back(self, content: LogContent) -> None:
        """Set aside what follows the last good record and cut it off."""
        if content.good_size < content.size:
            with self.path.open("rb") as file:
                file.seek(content.good_size)
                rest = file.read()
            write_whole(_unused(self.path), rest)
            os.ftruncate(self._handle, content.good_size)
            os.fsync(self._handle)
        elif not content.size:
            with contextlib.suppress(OSError):
                sync_folder(self.path.parent)


def _unused(log: Path) -> Path:
    """Return a name beside the log for what was cut off."""
    for number in range(1, 10_000):
        path = log.with_suffix(f".torn-{number}")
        if not path.exists():
            return path
    raise HermitcrabError(f"`{log.parent}` is full of torn logs; look at them and delete them")


def _fdatasync(handle: int) -> None:
    sync = getattr(os, "fdatasync", os.fsync)  # macOS and Windows have only the stronger one
    sync(handle)
