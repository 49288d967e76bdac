"""What differs between systems about groups of processes.

POSIX is the one that is run and tested. On Windows there are no process groups of this kind: there the process itself
is killed and what it started may live on; that branch has not been run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

RUN_MARK = "HERMITCRAB_RUN"
"""An environment variable that marks everything one run started, so that what left its process group is found too."""

_PROC = Path("/proc")


class ProcessGroup:
    """A process and what it started, to be stopped together."""

    def __init__(self, pid: int, mark: str) -> None:
        self._pid = pid
        self._mark = mark

    def terminate(self) -> None:
        """Ask all members to end."""
        _send(self._pid, signal.SIGTERM)

    def kill(self) -> None:
        """End all members."""
        _send(self._pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    def is_alive(self) -> bool:
        """Say whether any member still runs; zombies do not (reads `/proc` when in doubt, so call it in a thread)."""
        if sys.platform == "win32":
            return False
        try:
            os.killpg(self._pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not _PROC.is_dir() or any(_runs_in(entry, self._pid) for entry in _processes())

    def kill_escaped(self) -> int:
        """End what left the group but still carries our mark, and return how many; Linux only (slow, for a thread)."""
        return kill_marked(self._mark)


def kill_marked(mark: str) -> int:
    """End every process of one run by its mark and return how many; Linux only (slow, for a thread)."""
    if sys.platform != "linux":
        return 0
    entry_of_it = f"{RUN_MARK}={mark}".encode()
    return sum(_kill_marked(entry, entry_of_it) for entry in _processes())


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, number)
        else:
            os.killpg(pid, number)


def _processes() -> list[Path]:
    try:
        return [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _runs_in(entry: Path, group: int) -> bool:
    try:
        stat = (entry / "stat").read_bytes()
    except OSError:
        return False
    state, _, its_group = stat[stat.rindex(b")") + 2 :].split(b" ", 3)[:3]
    return int(its_group) == group and state not in {b"Z", b"X"}


def _kill_marked(entry: Path, mark: bytes) -> bool:
    """Kill one process by a handle opened before its mark was read, so that no other can take its number meanwhile."""
    if sys.platform != "linux":
        return False
    try:
        handle = os.pidfd_open(int(entry.name))
    except OSError:
        return False
    try:
        if mark not in (entry / "environ").read_bytes().split(b"\0"):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
