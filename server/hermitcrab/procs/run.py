"""Run one program to its end, or stop it together with everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
from asyncio.subprocess import PIPE, STDOUT, Process, SubprocessStreamProtocol
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hermitcrab.core.errors import ToolError
from hermitcrab.procs.output import OnOutput, Output
from hermitcrab.procs.platform import RUN_MARK, ProcessGroup, kill_marked

OUTPUT_LIMIT = 1_000_000
"""Bytes of output kept in memory when the caller does not say."""

KILL_SECONDS = 2.0
"""From the request to end until the kill."""

_DRAIN_SECONDS = 0.25  # for what a finished program's helpers still write, as in `cmd > >(tee log)`
_DRAIN_ROUNDS = 20  # a process that left the group and prints for ever must not hold the result back
_ABORT_SECONDS = 0.04  # so much may a cancel wait for a start to be over, twice
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended; a negative exit code is the signal that ended it, as in `subprocess`."""

    exit_code: int
    output: str
    errors: str = ""  # only with `separate`; else it is part of `output`
    truncated: bool = False
    timed_out: bool = False
    leftovers: bool = False  # it left processes behind, and they were stopped
    total_bytes: int = 0
    seconds: float = 0.0
    spill: Path | None = None


async def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes | None = None,
    timeout: float | None,  # noqa: ASYNC109 - ending a process group is more than leaving a scope
    on_output: OnOutput | None = None,
    output_limit: int = OUTPUT_LIMIT,
    spill: Path | None = None,
    separate: bool = False,
    decode_errors: str = "replace",
) -> Finished:
    """Run `argv` in a group of its own, without a terminal and with `env` as its whole environment.

    Cancelled: the group is asked to end at once and killed two seconds later, behind the caller's back. Out of time:
    the same, but the result waits for it. Raises ToolError when the program cannot be started.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    output = Output(output_limit, on_output, spill)
    errors = Output(output_limit, on_output) if separate else output
    running = await _start([str(part) for part in argv], cwd, env, has_stdin=stdin is not None, separate=separate)
    pumps = running.pump(stdin, output, errors)
    try:
        timed_out = await running.wait(timeout)
        leftovers = timed_out or await running.settle(pumps)
        if timed_out:
            await _stop(running)
        await running.close(pumps, output, errors)
    except BaseException:
        running.stop_later(pumps)
        raise
    output.finish()
    if separate:
        errors.finish()
    return Finished(
        exit_code=running.exit_code,
        output=output.text(decode_errors),
        errors=errors.text(decode_errors) if separate else "",
        truncated=output.is_truncated or errors.is_truncated,
        timed_out=timed_out,
        leftovers=leftovers and not timed_out,
        total_bytes=output.total + (errors.total if separate else 0),
        seconds=clock() - began,
        spill=output.spill,
    )


class _Watch(SubprocessStreamProtocol):
    """Tells of the exit itself: `Process.wait` of some Python versions also waits for whoever still holds the pipe."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_CHUNK, loop=loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


_Starting = asyncio.Future[tuple[asyncio.SubprocessTransport, _Watch]]


@dataclass(slots=True)
class _Running:
    """A started program."""

    process: Process
    transport: asyncio.SubprocessTransport
    exited: asyncio.Event
    group: ProcessGroup

    @property
    def exit_code(self) -> int:
        """Return the exit code; that of a kill for a program that not even a kill has ended yet."""
        code = self.transport.get_returncode()
        return -9 if code is None else code

    def pump(self, stdin: bytes | None, output: Output, errors: Output) -> list[asyncio.Task[None]]:
        """Start to carry bytes both ways."""
        tasks: list[asyncio.Task[None]] = []
        for stream, sink in ((self.process.stdout, output), (self.process.stderr, errors)):
            if stream is not None:
                tasks.append(asyncio.create_task(_read(stream, sink)))
        if self.process.stdin is not None:
            tasks.append(asyncio.create_task(_feed(self.process.stdin, stdin or b"")))
        for task in tasks:
            task.add_done_callback(self._end_on_error)
        return tasks

    def _end_on_error(self, pump: asyncio.Task[None]) -> None:
        if not pump.cancelled() and pump.exception() is not None:
            self.group.kill()  # nobody reads it any more: it would wait for ever

    async def wait(self, timeout: float | None) -> bool:  # noqa: ASYNC109 - as `run`
        """Wait for the exit of the program itself, whatever became of its pipes; True when time ran out."""
        try:
            async with asyncio.timeout(timeout):
                await self.exited.wait()
        except TimeoutError:
            return True
        return False

    async def settle(self, pumps: list[asyncio.Task[None]]) -> bool:
        """Let helpers finish writing, then stop what still lives in the group; True when there was something."""
        await asyncio.wait(pumps, timeout=_DRAIN_SECONDS)
        if await self.is_gone(_DRAIN_SECONDS):  # who has closed its output may still be on its way out
            return False
        await _stop(self, escaped=False)
        return True

    async def collect(self, within: float) -> None:
        """Wait for the exit code; not even a kill ends a process that hangs in the kernel, so not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.exited.wait()

    async def is_gone(self, within: float) -> bool:
        """Say whether the whole group has ended, waiting for it a while."""
        for delay in _delays(within):
            if not await asyncio.to_thread(self.group.is_alive):
                return True
            await asyncio.sleep(delay)
        return not await asyncio.to_thread(self.group.is_alive)

    async def close(self, pumps: list[asyncio.Task[None]], *outputs: Output) -> None:
        """Take the last output and give the pipes back, also when a process that left the group still holds them."""
        for _ in range(_DRAIN_ROUNDS):
            before = sum(output.total for output in outputs)
            _, waiting = await asyncio.wait(pumps, timeout=_DRAIN_SECONDS)
            if not waiting or before == sum(output.total for output in outputs):
                break
        self._abandon(pumps)
        for result in await asyncio.gather(*pumps, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def stop_later(self, pumps: list[asyncio.Task[None]]) -> None:
        """Ask the group to end now and see to it behind the caller's back; from now on no output is shown."""
        self.group.terminate()
        for pump in pumps:
            pump.cancel()
        stopping = asyncio.create_task(_stop(self))  # held by the loop: until its end it waits on timers or threads
        stopping.add_done_callback(lambda task: self._stopped(task, pumps))

    def _stopped(self, stopping: asyncio.Task[None], pumps: list[asyncio.Task[None]]) -> None:
        if stopping.cancelled():  # the loop is closing, perhaps before the first step was made
            self.group.kill()
            self.group.kill_escaped()
        self._abandon(pumps)

    def _abandon(self, pumps: list[asyncio.Task[None]]) -> None:
        for pump in pumps:
            pump.cancel()
        self.transport.close()


async def _start(argv: list[str], cwd: Path, env: Mapping[str, str], *, has_stdin: bool, separate: bool) -> _Running:
    """Start a program; when cancelled meanwhile, what was started is killed as soon as its start is over."""
    mark = secrets.token_hex(8)
    loop = asyncio.get_running_loop()
    starting = asyncio.ensure_future(
        loop.subprocess_exec(
            lambda: _Watch(loop),
            *argv,
            cwd=cwd,
            env={**env, RUN_MARK: mark},
            stdin=PIPE if has_stdin else asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE if separate else STDOUT,
            start_new_session=True,  # a group to be stopped together, and no terminal to ask on
        )
    )
    try:
        transport, protocol = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _abort(starting, mark)
        raise
    except (OSError, ValueError) as error:
        raise ToolError(_why_not_started(argv, cwd, error)) from error
    return _running(transport, protocol, mark)


def _running(transport: asyncio.SubprocessTransport, protocol: _Watch, mark: str) -> _Running:
    process = Process(transport, protocol, asyncio.get_running_loop())
    return _Running(process, transport, protocol.exited, ProcessGroup(transport.get_pid(), mark))


async def _abort(starting: _Starting, mark: str) -> None:
    """Kill what has only just begun: here when its start is over soon, as it always is, else whenever it is."""
    starting.add_done_callback(lambda _: _kill_unseen(starting, mark))
    await asyncio.wait([starting], timeout=_ABORT_SECONDS)
    if starting.done() and not starting.cancelled() and starting.exception() is None:
        running = _running(*starting.result(), mark)
        await running.collect(_ABORT_SECONDS)
        running.transport.close()


def _kill_unseen(starting: _Starting, mark: str) -> None:
    if not starting.cancelled() and starting.exception() is None:
        ProcessGroup(starting.result()[0].get_pid(), mark).kill()
    kill_marked(mark)


async def _stop(running: _Running, *, escaped: bool = True) -> None:
    """Ask the group to end; kill what is left after two seconds, or at once when we are hurried ourselves."""
    running.group.terminate()
    try:
        if not await running.is_gone(KILL_SECONDS):
            running.group.kill()
        if escaped:
            await asyncio.to_thread(running.group.kill_escaped)
        await running.collect(KILL_SECONDS)
    except asyncio.CancelledError:
        running.group.kill()
        await running.collect(_DRAIN_SECONDS)
        raise


def _delays(total: float) -> Iterator[float]:
    """Yield pauses that add up to `total`, short ones first."""
    delay = 0.01
    while total > 0:
        yield min(delay, total)
        total -= delay
        delay = min(delay * 2, 0.2)


async def _read(stream: asyncio.StreamReader, sink: Output) -> None:
    while data := await stream.read(_CHUNK):
        await sink.take(data)


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    """Write all of `data`; a program need not read what it is given."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
    stream.close()


def _why_not_started(argv: list[str], cwd: Path, error: OSError | ValueError) -> str:
    program = argv[0] if argv else ""
    if not cwd.is_dir():
        return f"`{cwd}` is not a directory, so `{program}` cannot run there"
    if isinstance(error, FileNotFoundError):
        return f"`{program}` was not found; install it or check PATH"
    if isinstance(error, PermissionError):
        return f"`{program}` cannot be executed: permission denied"
    if isinstance(error, OSError) and error.errno == errno.E2BIG:
        return f"the command line of `{program}` is too long; put the text into a file"
    if isinstance(error, OSError):
        return f"`{program}` could not be started: {os.strerror(error.errno or 0)}"
    return f"`{program}` could not be started: {error}"
