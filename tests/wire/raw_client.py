"""A client made of bytes: it sees every frame, and can misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from hermitcrab.core.frames import Frame, FrameDecoder, encode_frame
from hermitcrab.lsp.connection import Connection
from hermitcrab.lsp.transport import serve_unix


class RawClient:
    """Speaks to a server over a pair of streams; what it reads is kept in order of arrival."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.messages: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._decoder = FrameDecoder()
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())
        self.is_ended = False

    async def _read(self) -> None:
        while data := await self.reader.read(65536):
            async with self._news:
                for frame in self._decoder.feed(data):
                    assert isinstance(frame, Frame), frame
                    self.messages.append(json.loads(frame.body))
                self._news.notify_all()
        async with self._news:
            self.is_ended = True
            self._news.notify_all()

    def stop_reading(self) -> None:
        """Leave everything that comes from now on in the pipe."""
        self.reader._transport.pause_reading()  # type: ignore[attr-defined]
        self._reading.cancel()

    def read_again(self) -> None:
        self.reader._transport.resume_reading()  # type: ignore[attr-defined]
        self._reading = asyncio.create_task(self._read())

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    def send(self, message: Any) -> None:
        self.send_bytes(encode_frame(json.dumps(message).encode()))

    def notify(self, method: str, params: Any = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params or {}})

    def ask(self, method: str, params: Any = None, message_id: int | str | None = None) -> int | str:
        """Send a request and return its id."""
        message_id = next(self._numbers) if message_id is None else message_id
        self.send({"jsonrpc": "2.0", "id": message_id, "method": method, "params": params or {}})
        return message_id

    def reply(self, message_id: int | str, result: Any) -> None:
        self.send({"jsonrpc": "2.0", "id": message_id, "result": result})

    def replies(self, message_id: int | str | None) -> list[dict[str, Any]]:
        return [m for m in self.messages if "method" not in m and m["id"] == message_id]

    async def until(self, found: Callable[[], Any], timeout: float = 5) -> Any:
        """Wait until `found` finds something among the messages; return it."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(found)
            return found()

    async def answer(self, message_id: int | str | None, timeout: float = 5) -> dict[str, Any]:
        """Wait for the reply with this id; there must be but one."""
        await self.until(lambda: self.replies(message_id), timeout)
        (reply,) = self.replies(message_id)
        return reply

    async def request(self, method: str, params: Any = None, timeout: float = 5) -> Any:
        """Ask, and return the result."""
        reply = await self.answer(self.ask(method, params), timeout)
        assert "error" not in reply, reply
        return reply["result"]

    async def question(self, method: str, timeout: float = 5) -> dict[str, Any]:
        """Wait for a request of the server."""
        return await self.until(lambda: next((m for m in self.messages if m.get("method") == method), None), timeout)

    async def initialize(self, **params: Any) -> dict[str, Any]:
        result = await self.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}, **params})
        self.notify("initialized")
        return result

    async def leave(self) -> None:
        self._reading.cancel()
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def clients(make: Callable[[], Connection], path: Path, count: int = 1) -> AsyncIterator[list[RawClient]]:
    """Serve on a socket, with so many clients attached."""
    connections: list[Connection] = []

    def connect() -> Connection:
        connections.append(make())
        return connections[-1]

    server = await serve_unix(connect, path)
    raw = [RawClient(*await asyncio.open_unix_connection(path)) for _ in range(count)]
    try:
        yield raw
    finally:
        server.close()
        for client in raw:
            await client.leave()
        for connection in connections:
            await asyncio.wait_for(connection.ended.wait(), 10)
