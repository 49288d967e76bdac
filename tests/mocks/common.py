"""What mock servers of every wire share: HTTP on loopback, a script of replies, faults, cuts, and a record of requests.

On top of the language of `hermitcrab.providers.script` every wire knows

    http STATUS [header=value …] [TEXT]   an answer that is no success, once; what follows answers the next try
    reset                                 the connection is reset
    error TYPE [TEXT]                     an error in the stream
    end                                   the body ends properly, but the message does not
    event JSON                            any event
    bytes JSON-STRING                     any text, as it is
    cut-at N                              (first line) the connection ends after N bytes of body
    chop SEED                             (first line) the body comes in random pieces
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from hermitcrab.providers.script import Busy, Fail, Other, Reply, Wait, parse_script

WORDS = frozenset({"http", "reset", "error", "end", "event", "bytes", "cut-at", "chop"})
Problem = tuple[int, dict[str, str], str, str]
"""Status, headers, type and message of a refusal."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    headers: dict[str, str]
    body: bytes
    time: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


RequestT = TypeVar("RequestT", bound=Request)


class HangupError(Exception):
    """The connection ends here; `is_hard` resets it."""

    def __init__(self, *, is_hard: bool = False) -> None:
        self.is_hard = is_hard


class MockServer(Generic[RequestT]):
    """A scripted server; `url` is where it listens."""

    words: ClassVar[frozenset[str]] = WORDS
    request_type: type[RequestT]
    paths: ClassVar[frozenset[str]]
    busy: ClassVar[tuple[int, str]]  # status and type of a server that has no time

    def __init__(self, script: str, *, record: Path | None = None, name: str = "script") -> None:
        self.requests: list[RequestT] = []
        self.dropped = 0  # connections the client closed in the middle of a reply
        self.connections = 0
        self.url = ""
        self._replies = iter(parse_script(script, name=name, also=self.words))
        self._left: Reply = ()
        self._record = record
        self._calls = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def problem_of(self, request: RequestT) -> Problem | None:
        """Return the refusal this request would meet."""
        raise NotImplementedError

    def frames(self, steps: Reply, request: RequestT) -> Iterator[bytes | Wait | HangupError]:
        """Yield what a reply puts on the wire."""
        raise NotImplementedError

    def error_body(self, status: int, kind: str, message: str) -> Any:
        """Return an error as the vendor words it."""
        raise NotImplementedError

    def body(self, model: str = "mock", *, prompt_tokens: int = 10) -> bytes:
        """Return the bytes of the next reply as one body, without a connection."""
        steps = next(self._replies)
        request = self.request_type({}, json.dumps({"model": model}).encode() + b" " * prompt_tokens * 4)
        return b"".join(item for item in self.frames(steps, request) if isinstance(item, bytes))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except HangupError as hangup:
            if hangup.is_hard:
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.dropped += 1
        except asyncio.CancelledError:
            writer.transport.abort()  # the server closes; asyncio would log a task that ends cancelled
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            start = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            return False
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in start[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = self.request_type(headers, body)
        self.requests.append(request)
        if self._record:
            with self._record.open("a") as file:
                file.write(json.dumps({"headers": headers, "body": body.decode()}) + "\n")
        path = start[0].split(" ")[1]
        if path not in self.paths:
            self._answer(writer, 404, {}, "not_found_error", f"no such path: {path}")
        elif problem := self.problem_of(request):
            self._answer(writer, *problem)
        else:
            await self._reply(request, reader, writer)
        await writer.drain()
        return True

    async def _reply(self, request: RequestT, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        steps = self._left or next(self._replies, None)
        self._left = ()
        if steps is None:
            self._answer(writer, 400, {}, "invalid_request_error", "the script has no reply left")
            return
        first = steps[0]
        match first:
            case Busy(text):
                self._left = steps[1:]
                self._answer(writer, self.busy[0], {}, self.busy[1], text)
            case Fail(text):
                self._answer(writer, 400, {}, "invalid_request_error", text)
            case Other("http", rest):
                self._left = steps[1:]
                status, *words = rest.split()
                given = dict(word.split("=", 1) for word in words if "=" in word)
                message = " ".join(word for word in words if "=" not in word)
                self._answer(writer, int(status), given, "api_error", message)
            case Other("reset", _) if len(steps) == 1:
                raise HangupError(is_hard=True)
            case _:
                await self._stream(steps, request, reader, writer)

    async def _stream(
        self, steps: Reply, request: RequestT, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        limit, chop = None, None
        while isinstance(first := steps[0], Other) and first.word in {"cut-at", "chop"}:
            limit = int(first.rest) if first.word == "cut-at" else limit
            chop = random.Random(int(first.rest)) if first.word == "chop" else chop
            steps = steps[1:]
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        sent = 0
        gone = asyncio.create_task(reader.read(1))
        try:
            for count, item in enumerate(self.frames(steps, request)):
                if isinstance(item, Wait):
                    await writer.drain()
                    await asyncio.wait((gone,), timeout=item.seconds)
                elif isinstance(item, HangupError):
                    await writer.drain()
                    raise item
                else:
                    frame = item if limit is None else item[: limit - sent]
                    sent += len(frame)
                    await _write(writer, frame, chop)
                    if limit is not None and sent >= limit:
                        await writer.drain()
                        raise HangupError
                if count % 64 == 0:
                    await writer.drain()
                    await asyncio.sleep(0)
                if gone.done():
                    raise ConnectionResetError
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        writer.write(b"0\r\n\r\n")

    def _answer(
        self, writer: asyncio.StreamWriter, status: int, headers: dict[str, str], kind: str, message: str
    ) -> None:
        body = json.dumps(self.error_body(status, kind, message)).encode()
        lines = [f"HTTP/1.1 {status} Whatever", "content-type: application/json", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)


def demand(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


async def _write(writer: asyncio.StreamWriter, frame: bytes, chop: random.Random | None) -> None:
    if chop is None:
        if frame:
            writer.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        return
    while frame:
        size = chop.choice((1, 2, 3, 7, 30))
        piece, frame = frame[:size], frame[size:]
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if chop.random() < 0.2:
            await writer.drain()
            await asyncio.sleep(0)


async def _main(kind: type[MockServer[Any]], description: str) -> None:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port-file", type=Path, required=True, help="the port is written here once it listens")
    parser.add_argument("--record", type=Path, help="requests are appended here, one JSON object a line")
    args = parser.parse_args()
    script = args.script.read_text()
    async with kind(script, record=args.record, name=args.script.name) as server:
        ready = args.port_file.with_suffix(".new")
        ready.write_text(server.url.rpartition(":")[2])
        ready.rename(args.port_file)
        await asyncio.Event().wait()


def main(kind: type[MockServer[Any]], description: str) -> None:
    """Serve as a program until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(kind, description))
