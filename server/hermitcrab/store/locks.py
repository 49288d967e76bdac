"""One writer per file: a lock that dies with its holder and says who that is.

Where the file system knows `flock` the kernel keeps the lock. Elsewhere, and on Windows (not run there), the lock is
the file itself, and it is taken over when the process it names is gone or belongs to an earlier start of the machine.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.store.files import make_private

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class LockedError(HermitcrabError):
    """Somebody else holds the lock; the message names the process."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, named so that its number cannot be mistaken for that of a later one."""

    pid: int
    boot: str
    start: str

    @classmethod
    def current(cls) -> Holder:
        """Return ourselves."""
        return cls(os.getpid(), _boot_id(), _start_of(os.getpid()))

    @classmethod
    def parse(cls, data: bytes) -> Holder | None:
        """Return the holder a lock file names; None when it cannot be read."""
        try:
            found: Any = json.loads(data)
            return cls(int(found["pid"]), str(found["boot"]), str(found["start"]))
        except (ValueError, KeyError, TypeError):
            return None

    def is_alive(self) -> bool:
        """Say whether this very process still runs."""
        if self.boot != _boot_id():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return self.start == _start_of(self.pid)

    def as_bytes(self) -> bytes:
        """Return what a lock file says."""
        return json.dumps({"pid": self.pid, "boot": self.boot, "start": self.start}).encode()


class FileLock:
    """Held from its making until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        make_private(path.parent)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            self._take(path)
        except BaseException:
            self.release()
            raise

    def _take(self, path: Path) -> None:
        kernel_keeps_it = _flock(self._handle, path)
        holder = Holder.parse(os.pread(self._handle, 1000, 0))
        if not kernel_keeps_it and holder is not None and holder != Holder.current() and holder.is_alive():
            raise LockedError(_taken(path, holder))
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, Holder.current().as_bytes(), 0)

    def release(self) -> None:
        """Let the next one have it; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def wait_for_lock(path: Path, seconds: float = 5.0) -> FileLock:
    """Take the lock, waiting for another process that is about to finish its change. Blocks: call it in a thread."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return FileLock(path)
        except LockedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _flock(handle: int, path: Path) -> bool:
    """Take the kernel's lock; False where there is none to take."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError(_taken(path, Holder.parse(os.pread(handle, 1000, 0)))) from None
    except OSError:
        return False
    return True


def _taken(path: Path, holder: Holder | None) -> str:
    who = f"process {holder.pid}" if holder else "another process"
    return f"`{path.stem}` is in use by {who}"


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; empty where that is not told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
