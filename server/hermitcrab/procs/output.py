"""What a process says, kept within bounds: the first and the last part in memory, the whole in a file if wanted."""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from collections.abc import Callable
from pathlib import Path

OnOutput = Callable[[str], None]
"""Hears output as it comes: decoded, never more than the output limit in all."""

SPILL_LIMIT = 256_000_000
"""The most that is written to a spill file; a command that prints for ever must not fill the disk."""


class Output:
    """One stream of bytes: shown as it comes, and kept as its first and last part."""

    def __init__(self, limit: int, on_output: OnOutput | None = None, spill: Path | None = None) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._head_limit = limit // 2
        self._tail_limit = limit - limit // 2
        self._on_output = on_output
        self._unshown = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._spill = spill
        self._spilled = 0
        self.total = 0

    @property
    def is_truncated(self) -> bool:
        """Say whether something between the first and the last part was left out."""
        return self.total > len(self._head) + self._tail_size

    @property
    def spill(self) -> Path | None:
        """Return the file that holds what did not fit in memory too; None when there is none."""
        return self._spill if self._spilled else None

    async def take(self, data: bytes) -> None:
        """Keep and show a piece; awaits the spill file, so that a quick writer is held back by a slow disk."""
        self._show(data)
        if self._spill and (self._spilled or self.total + len(data) > self._head_limit + self._tail_limit):
            await self._write_spill(data)
        self._keep(data)

    def text(self, errors: str = "replace") -> str:
        """Return what was kept; where something is left out a line says how much."""
        if not self.is_truncated:
            return (bytes(self._head) + b"".join(self._tail)).decode("utf-8", errors)
        head = codecs.getincrementaldecoder("utf-8")(errors).decode(bytes(self._head))
        tail = b"".join(self._tail)
        start = next((i for i in range(min(4, len(tail))) if tail[i] & 0xC0 != 0x80), 0)
        left_out = self.total - len(self._head) - self._tail_size
        return f"{head}\n[… {left_out:,} bytes left out …]\n{tail[start:].decode('utf-8', errors)}"

    def finish(self) -> None:
        """Show what the decoder still holds."""
        self._show(b"", is_last=True)

    def _show(self, data: bytes, *, is_last: bool = False) -> None:
        if self._on_output is None or self._unshown <= 0:
            return
        piece = data[: self._unshown]
        self._unshown -= len(piece)
        text = self._decoder.decode(piece, final=is_last or self._unshown <= 0)
        if text:
            self._on_output(text)
        if self._unshown <= 0:
            self._on_output("\n[… more output, not shown while it runs …]\n")

    def _keep(self, data: bytes) -> None:
        self.total += len(data)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size > self._tail_limit:
            excess = self._tail_size - self._tail_limit
            first = self._tail.popleft()
            if len(first) > excess:
                self._tail.appendleft(first[excess:])
            self._tail_size -= min(len(first), excess)

    async def _write_spill(self, data: bytes) -> None:
        if self._spill is None or self._spilled >= SPILL_LIMIT:
            return
        before = b"" if self._spilled else bytes(self._head) + b"".join(self._tail)
        piece = (before + data)[: SPILL_LIMIT - self._spilled]
        try:
            await asyncio.to_thread(_append, self._spill, piece, is_new=not self._spilled)
        except OSError:  # A full disk costs the rest of the spill file, not the run.
            self._spill = self._spill if self._spilled else None
            self._spilled = SPILL_LIMIT if self._spilled else 0
        else:
            self._spilled += len(piece)


def _append(path: Path, data: bytes, *, is_new: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("xb" if is_new else "ab") as file:
        if is_new:
            path.chmod(0o600)
        file.write(data)
