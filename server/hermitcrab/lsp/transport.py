"""Bytes between a client and its connection: stdio or a Unix socket, reading and writing without ever waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from hermitcrab.core.frames import Frame, FrameDecoder, FrameError
from hermitcrab.lsp import jsonrpc
from hermitcrab.lsp.connection import Connection
from hermitcrab.lsp.decoding import decode_in_slices

_log = logging.getLogger("hermitcrab.lsp")

_CHUNK: Final = 64 * 1024
_FLUSH_SECONDS: Final = 1.0


class Reader(Protocol):
    """The part of asyncio.StreamReader that a transport needs."""

    async def read(self, n: int, /) -> bytes:
        """Return some bytes, none at the end."""
        ...


class StreamWriter(Protocol):
    """The part of asyncio.StreamWriter that a transport needs."""

    def write(self, data: bytes, /) -> None:
        """Take bytes to be sent."""
        ...

    async def drain(self) -> None:
        """Return when there is room for more; raise OSError when the client is gone."""
        ...

    def close(self) -> None:
        """Send what was taken, then hang up."""
        ...


async def serve(connection: Connection, reader: Reader, writer: StreamWriter) -> None:
    """Serve one client until it leaves, says `exit` or no longer reads; `connection.on_close` is called at the end."""
    protocol = connection.protocol
    protocol.attach()
    protocol.outbox.on_full = connection.closed.set
    transport = getattr(writer, "transport", None)
    if isinstance(transport, asyncio.WriteTransport):
        transport.set_write_buffer_limits(0)  # what waits, waits in the outbox, where a reply can still go first
    reading = asyncio.create_task(_read(connection, reader))
    handling = asyncio.create_task(protocol.dispatch())
    writing = asyncio.create_task(protocol.outbox.run(writer))
    leaving = asyncio.create_task(connection.closed.wait())
    try:
        await asyncio.wait([handling, writing, leaving], return_when=asyncio.FIRST_COMPLETED)
        protocol.outbox.close()
        await asyncio.wait([writing], timeout=_FLUSH_SECONDS)
    finally:
        await _stop(reading, handling, writing, leaving)
        await connection.end()
        _hang_up(writer)
        connection.ended.set()


async def _read(connection: Connection, reader: Reader) -> None:
    """Hand every message of the stream to the protocol, in order."""
    frames = FrameDecoder()
    protocol = connection.protocol
    try:
        while data := await reader.read(_CHUNK):
            for frame in frames.feed(data):
                await _take(connection, frame)
            await protocol.has_space()
    except OSError as error:
        _log.info("Reading from the client failed: %s", error.strerror)
    finally:
        protocol.finish()
    if (problem := frames.close()) is not None:
        _log.warning("%s", problem.message)


async def _take(connection: Connection, frame: Frame | FrameError) -> None:
    protocol = connection.protocol
    if isinstance(frame, FrameError):
        _log.warning("%s", frame.message)
        if frame.kind != "garbage":
            code = jsonrpc.INVALID_REQUEST if frame.kind == "oversized" else jsonrpc.PARSE_ERROR
            protocol.refuse(None, code, frame.message)
        return
    try:
        message = await decode_in_slices(frame.body)
    except ValueError:
        protocol.refuse(None, jsonrpc.PARSE_ERROR, "the body is not JSON in UTF-8")
        return
    protocol.receive(message, len(frame.body))


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, OSError):
            _log.error("A connection failed", exc_info=result)


def _hang_up(writer: StreamWriter) -> None:
    """Close; a client that does not read is not waited for."""
    with contextlib.suppress(OSError):
        writer.close()
    transport = getattr(writer, "transport", None)
    if isinstance(transport, asyncio.WriteTransport) and transport.get_write_buffer_size():
        transport.abort()


# A Unix socket: one connection per client.


async def serve_unix(connect: Callable[[], Connection], path: Path) -> asyncio.Server:
    """Listen on a socket that only this user can open; each client gets a connection of its own from `connect`."""

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(connect(), reader, writer)

    server = await asyncio.start_unix_server(welcome, path, limit=4 * _CHUNK, start_serving=False)
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)  # noqa: ASYNC240 - one call at the start
    await server.start_serving()
    return server


# Standard input and output: one client, and the process is its own.


async def serve_stdio(connect: Callable[[], Connection]) -> int:
    """Serve the client that started this process; return the exit code it is owed."""
    gc.freeze()  # what is loaded stays: a full collection takes 0 instead of 27 ms, leaving 10 instead of 180
    source, target = _claim(0, os.O_RDONLY), _claim(1, os.O_WRONLY)
    connection = connect()
    if _can_be_polled(source, target):
        await _serve_pipes(connection, source, target)
    else:
        await _serve_threads(connection, source, target)
    return 1 if connection.exit_code is None else connection.exit_code


def _claim(descriptor: int, mode: int) -> int:
    """Take a standard stream for ourselves: nothing printed and no child process can get into the conversation."""
    own = os.dup(descriptor)
    if descriptor == 1:
        sys.stdout.flush()
        os.dup2(2, 1)
    else:
        null = os.open(os.devnull, mode)
        os.dup2(null, descriptor)
        os.close(null)
    return own


def _can_be_polled(source: int, target: int) -> bool:
    """Tell whether the event loop can wait for both: two pipes, sockets or terminals; not files, nothing on Windows."""
    if sys.platform == "win32" or os.path.sameopenfile(source, target):
        return False
    return all(_is_stream(descriptor) for descriptor in (source, target))


def _is_stream(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)  # /dev/null is a device, and no stream


async def _serve_pipes(connection: Connection, source: int, target: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=4 * _CHUNK)
    with os.fdopen(source, "rb", buffering=0) as stdin, os.fdopen(target, "wb", buffering=0) as stdout:
        incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stdin)
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), stdout
        )
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        try:
            await serve(connection, reader, writer)
        finally:
            _let_block(source, target)
            incoming.close()


def _let_block(*descriptors: int) -> None:
    """Give terminals back the way they were found."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.set_blocking(descriptor, True)


async def _serve_threads(connection: Connection, source: int, target: int) -> None:
    """Serve where the event loop cannot wait for the streams: files, and Windows (where this has not been run)."""
    reader, writer = _ThreadReader(source), _ThreadWriter(target)
    await serve(connection, reader, writer)
    await writer.finished()


class _ThreadReader:
    """Reads blocking, in a thread that dies with the process; never more than one piece ahead."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._wanted = threading.Semaphore(1)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="lsp-read", daemon=True).start()

    async def read(self, n: int, /) -> bytes:
        del n
        piece = await self._pieces.get()
        self._wanted.release()
        return piece

    def _run(self) -> None:
        piece = b"-"
        while piece:
            self._wanted.acquire()
            try:
                piece = os.read(self._source, _CHUNK)
            except OSError:
                piece = b""
            with contextlib.suppress(RuntimeError):  # the loop may be gone
                self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)


class _ThreadWriter:
    """Writes blocking, in a thread that dies with the process; `drain` waits until it has written."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._ready = threading.Condition()
        self._idle = asyncio.Event()
        self._done = asyncio.Event()
        self._error: OSError | None = None
        self._is_closing = False
        self._idle.set()
        threading.Thread(target=self._run, name="lsp-write", daemon=True).start()

    def write(self, data: bytes, /) -> None:
        self._idle.clear()
        with self._ready:
            self._pieces.append(data)
            self._ready.notify()

    async def drain(self) -> None:
        await self._idle.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        with self._ready:
            self._is_closing = True
            self._ready.notify()

    async def finished(self) -> None:
        """Return when all is written, or soon when the client does not read."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), _FLUSH_SECONDS)

    def _run(self) -> None:
        while (data := self._next()) is not None:
            try:
                while data:
                    data = data[os.write(self._target, data) :]
            except OSError as error:
                self._error = error
            self._tell(self._idle)
        self._tell(self._done)

    def _next(self) -> bytes | None:
        with self._ready:
            self._ready.wait_for(lambda: self._pieces or self._is_closing)
            pieces, self._pieces = self._pieces, []
            return b"".join(pieces) if pieces else None

    def _tell(self, event: asyncio.Event) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(event.set)
