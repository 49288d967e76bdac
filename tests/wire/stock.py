"""pygls as it is delivered, in a thread of its own, and raw clients that talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from pygls.lsp.server import LanguageServer

from wire.raw_client import RawClient

Register = Callable[[LanguageServer], None]


def stock_server(*register: Register) -> LanguageServer:
    server = LanguageServer("stock", "0")
    for function in register:
        function(server)
    return server


@contextlib.asynccontextmanager
async def on_stdio(*register: Register) -> AsyncIterator[RawClient]:
    """Serve one client as an editor starts us: standard input and output, here a pair of sockets."""
    server = stock_server(*register)
    theirs, ours = socket.socketpair()
    stdout = theirs.makefile("wb")
    with theirs, theirs.makefile("rb") as stdin:
        thread = _running(lambda: server.start_io(stdin, stdout))
        client = RawClient(*await asyncio.open_connection(sock=ours))
        try:
            yield client
        finally:
            await client.leave()
            await _end(thread)
            with contextlib.suppress(BrokenPipeError):  # what it still had to say
                stdout.close()


class Listening:
    """A server on a port of this machine."""

    def __init__(self, server: LanguageServer, thread: threading.Thread) -> None:
        self._server, self.thread = server, thread
        self.clients: list[RawClient] = []

    async def connect(self) -> RawClient:
        port = _port(self._server)
        self.clients.append(RawClient(*await asyncio.open_connection("127.0.0.1", port)))
        return self.clients[-1]


@contextlib.asynccontextmanager
async def on_tcp(*register: Register) -> AsyncIterator[Listening]:
    """Serve clients on a port."""
    server = stock_server(*register)
    thread = _running(lambda: server.start_tcp("127.0.0.1", 0))
    async with asyncio.timeout(5):
        while not _port(server):
            await asyncio.sleep(0.01)
    listening = Listening(server, thread)
    try:
        yield listening
    finally:
        for client in listening.clients or [await listening.connect()]:
            await client.leave()
        await _end(thread)


def _port(server: LanguageServer) -> int:
    listener: Any = server._server
    return listener.sockets[0].getsockname()[1] if listener is not None and listener.sockets else 0


def _running(serve: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


async def _end(thread: threading.Thread) -> None:
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive(), "the stock server did not end with its client"
