"""A program to talk to over its standard input and output, such as a language server."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.procs.platform import RUN_MARK, ProcessGroup

_PATIENCE: Final = 3.0  # seconds for a program to leave after its input ended, and again after TERM


@dataclass(frozen=True, slots=True)
class Conversation:
    """The two ends of a running program; its standard error goes where ours goes."""

    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@asynccontextmanager
async def converse(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> AsyncGenerator[Conversation]:
    """Start a program in a group of its own; at the end its input is closed, and it is stopped if it does not leave."""
    mark = secrets.token_hex(8)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env={**env, RUN_MARK: mark},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=1024 * 1024,
        )
    except OSError as error:
        raise HermitcrabError(f"`{argv[0]}` cannot be started: {error.strerror}") from error
    if process.stdin is None or process.stdout is None:
        raise HermitcrabError(f"`{argv[0]}` was started without its streams")
    try:
        yield Conversation(process.pid, process.stdout, process.stdin)
    finally:
        process.stdin.close()
        await _leave(process, ProcessGroup(process.pid, mark))


async def _leave(process: asyncio.subprocess.Process, group: ProcessGroup) -> None:
    for stop in (None, group.terminate, group.kill):
        if stop is not None:
            stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _PATIENCE)
            return
