"""A mock of Anthropic's Messages endpoint on loopback, scripted in the language of `hermitcrab.providers.script`.

In a test:      async with MockAnthropic("say Hi.") as server: … server.url … server.requests …
As a program:   python tests/mocks/anthropic_server.py --script FILE --port-file FILE [--record FILE]

It refuses, in the vendor's words, what the vendor refuses: unpaired calls and results, empty texts, too many cache marks,
unsigned thoughts. On top of the language of scripts it knows

    http STATUS [header=value …] [TEXT]   an answer that is no success, once; what follows answers the next try
    reset                                 the connection is reset
    error TYPE [TEXT]                     an error event in the stream
    end                                   the body ends properly, but the message does not
    redact DATA                           a redacted thought
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
import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hermitcrab.providers.script import (
    Busy,
    Call,
    Cut,
    Fail,
    Other,
    Reply,
    Say,
    Step,
    Stop,
    Think,
    Wait,
    parse_script,
    pieces_of,
)

WORDS = frozenset({"http", "reset", "error", "end", "redact", "event", "bytes", "cut-at", "chop"})
VERSIONS = ("2023-06-01", "2026-10-21")
_ID = re.compile(r"[a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it arrived."""

    headers: dict[str, str]
    body: bytes
    time: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def canonical(self) -> str:
        """The prompt in the order the vendor renders it, without cache marks: what must only ever grow."""
        body = self.json
        content = [[message["role"], block] for message in body["messages"] for block in message["content"]]
        parts = [*body.get("tools", ()), *body.get("system", ()), *content]
        return "\n".join(json.dumps(_unmarked(part), ensure_ascii=False) for part in parts)


class HangupError(Exception):
    """The connection ends here; `is_hard` resets it."""

    def __init__(self, *, is_hard: bool = False) -> None:
        self.is_hard = is_hard


class MockAnthropic:
    """The server; `url` is what `ANTHROPIC_BASE_URL` is to be set to."""

    def __init__(self, script: str, *, record: Path | None = None, name: str = "script") -> None:
        self.requests: list[Recorded] = []
        self.dropped = 0  # connections the client closed in the middle of a reply
        self.connections = 0
        self.url = ""
        self._replies = iter(parse_script(script, name=name, also=WORDS))
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
        request = Recorded(headers, body)
        self.requests.append(request)
        if self._record:
            with self._record.open("a") as file:
                file.write(json.dumps({"headers": headers, "body": body.decode()}) + "\n")
        path = start[0].split(" ")[1]
        if path != "/v1/messages":
            _answer(writer, 404, {}, "not_found_error", f"no such path: {path}")
        elif problem := problem_of(request):
            _answer(writer, *problem)
        else:
            await self._reply(request, reader, writer)
        await writer.drain()
        return True

    async def _reply(self, request: Recorded, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        steps = self._left or next(self._replies, None)
        self._left = ()
        if steps is None:
            _answer(writer, 400, {}, "invalid_request_error", "the script has no reply left")
            return
        first = steps[0]
        match first:
            case Busy(text):
                self._left = steps[1:]
                _answer(writer, 529, {}, "overloaded_error", text)
            case Fail(text):
                _answer(writer, 400, {}, "invalid_request_error", text)
            case Other("http", rest):
                self._left = steps[1:]
                status, *words = rest.split()
                given = dict(word.split("=", 1) for word in words if "=" in word)
                _answer(writer, int(status), given, "api_error", " ".join(word for word in words if "=" not in word))
            case Other("reset", _) if len(steps) == 1:
                raise HangupError(is_hard=True)
            case _:
                await self._stream(steps, request, reader, writer)

    async def _stream(
        self, steps: Reply, request: Recorded, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
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

    def body(self, model: str = "claude-mock", *, prompt_tokens: int = 10) -> bytes:
        """Return the bytes of the next reply as one body, without a connection."""
        steps = next(self._replies)
        request = Recorded({}, json.dumps({"model": model}).encode() + b" " * prompt_tokens * 4)
        return b"".join(item for item in self.frames(steps, request) if isinstance(item, bytes))

    def frames(self, steps: Reply, request: Recorded) -> Iterator[bytes | Wait | HangupError]:
        """Yield what a reply puts on the wire."""
        usage = {
            "input_tokens": len(request.body) // 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
        }
        message = {"id": f"msg_{len(self.requests)}", "type": "message", "role": "assistant", "content": []}
        message |= {"model": json.loads(request.body)["model"], "stop_reason": None, "stop_sequence": None}
        yield _frame("message_start", message={**message, "usage": usage})
        yield _frame("ping")
        index, stop, output, has_call = 0, None, 1, False
        for step in steps:
            match step:
                case Wait():
                    yield step
                case Stop(reason):
                    stop = reason
                case Busy(text):
                    yield _frame("error", error={"type": "overloaded_error", "message": text})
                    return
                case Other("error", rest):
                    kind, _, text = rest.partition(" ")
                    yield _frame("error", error={"type": kind, "message": text})
                    return
                case Other("reset", _):
                    yield HangupError(is_hard=True)
                case Other("end", _):
                    return
                case Other("event", rest):
                    value = json.loads(rest)
                    yield f"event: {value.get('type')}\ndata: {rest}\n\n".encode()
                case Other("bytes", rest):
                    yield json.loads(rest).encode("utf-8", "surrogateescape")
                case Cut(None):
                    yield HangupError()
                case _:
                    yield from self._block(index, step)
                    if isinstance(step, Cut):
                        yield HangupError()
                    index += 1
                    output += 10
                    has_call = has_call or isinstance(step, Call)
        stop = stop or ("tool_use" if has_call else "end_turn")
        delta = {"stop_reason": stop, "stop_sequence": None}
        yield _frame("message_delta", delta=delta, usage={"output_tokens": output})
        yield _frame("message_stop")

    def _block(self, index: int, step: Step) -> Iterator[bytes]:
        match step:
            case Say(text, size):
                yield _frame("content_block_start", index=index, content_block={"type": "text", "text": ""})
                yield from _deltas(index, "text_delta", "text", text, size)
            case Think(text, size):
                block = {"type": "thinking", "thinking": "", "signature": ""}
                yield _frame("content_block_start", index=index, content_block=block)
                yield from _deltas(index, "thinking_delta", "thinking", text, size)
                yield from _deltas(index, "signature_delta", "signature", f"signed:{text}", 0)
            case Other("redact", data):
                block = {"type": "redacted_thinking", "data": data}
                yield _frame("content_block_start", index=index, content_block=block)
            case Call() | Cut(Call()):
                call = step if isinstance(step, Call) else step.call
                assert call is not None
                self._calls += 1
                block = {"type": "tool_use", "id": f"toolu_{self._calls:02d}", "name": call.name, "input": {}}
                yield _frame("content_block_start", index=index, content_block=block)
                yield from _deltas(index, "input_json_delta", "partial_json", "", 0)
                yield from _deltas(index, "input_json_delta", "partial_json", call.arguments, call.size)
            case _:
                raise AssertionError(step)
        if not isinstance(step, Cut):
            yield _frame("content_block_stop", index=index)


def problem_of(request: Recorded) -> tuple[int, dict[str, str], str, str] | None:
    """Return status, headers, type and message of the refusal this request would meet."""
    if not (request.headers.get("x-api-key") or request.headers.get("authorization")):
        return 401, {}, "authentication_error", "x-api-key header is required"
    if "bad" in request.headers.get("x-api-key", "") + request.headers.get("authorization", ""):
        return 401, {}, "authentication_error", "invalid x-api-key"
    if request.headers.get("anthropic-version") not in VERSIONS:
        return 400, {}, "invalid_request_error", "anthropic-version: header is required"
    try:
        _check(request.json)
    except (ValueError, KeyError, TypeError) as error:
        return 400, {}, "invalid_request_error", str(error)
    return None


def _check(body: dict[str, Any]) -> None:
    unknown = set(body) - {"model", "max_tokens", "stream", "system", "tools", "messages", "thinking", "tool_choice"}
    _demand(not unknown, f"{', '.join(unknown)}: Extra inputs are not permitted")
    _demand(isinstance(body["model"], str) and body["max_tokens"] > 0, "max_tokens: must be positive")
    _demand(json.dumps(body).count('"cache_control"') <= 4, "A maximum of 4 blocks with cache_control may be provided")
    messages = body["messages"]
    _demand(bool(messages) and messages[0]["role"] == "user", "messages: first message must use the `user` role")
    _demand(messages[-1]["role"] == "user", "messages: this model does not support assistant message prefill")
    ids: set[str] = set()
    due: set[str] = set()
    for number, message in enumerate(messages):
        place = f"messages.{number}"
        _demand(bool(message["content"]), f"{place}: all messages must have non-empty content")
        given = [b["tool_use_id"] for b in message["content"] if b["type"] == "tool_result"]
        _demand(len(given) == len(set(given)), f"{place}: each tool_use must have a single result")
        missing = f"{place}: `tool_use` ids were found without `tool_result` blocks immediately after"
        _demand(due <= set(given), missing)
        _demand(set(given) <= due, f"{place}: unexpected `tool_use_id` found in `tool_result` blocks")
        due = set()
        for index, block in enumerate(message["content"]):
            _check_block(f"{place}.content.{index}", message["role"], block)
            if block["type"] == "tool_use":
                _demand(block["id"] not in ids, f"{place}.content.{index}: `tool_use` ids must be unique")
                ids.add(block["id"])
                due.add(block["id"])
    _demand(not due, "messages: `tool_use` ids were found without `tool_result` blocks immediately after")


def _check_block(place: str, role: str, block: dict[str, Any]) -> None:
    match block["type"]:
        case "text":
            _demand(bool(block["text"].strip()), f"{place}: text content blocks must contain non-whitespace text")
        case "tool_use":
            _demand(role == "assistant" and isinstance(block["input"], dict), f"{place}.input: must be an object")
            _demand(_ID.fullmatch(block["name"]) is not None, f"{place}.name: String should match pattern")
            _demand(_ID.fullmatch(block["id"]) is not None, f"{place}.id: String should match pattern")
        case "tool_result":
            _demand(role == "user", f"{place}: tool_result in an assistant message")
            empty = f"{place}: content cannot be empty if `is_error` is true"
            _demand(bool(block["content"]) or not block.get("is_error"), empty)
        case "thinking":
            signed = block["signature"] == f"signed:{block['thinking']}"
            _demand(role == "assistant" and signed, f"{place}: Invalid `signature` in `thinking` block")
        case "redacted_thinking":
            _demand(role == "assistant" and bool(block["data"]), f"{place}: Invalid `data`")
        case kind:
            raise ValueError(f"{place}: Input tag '{kind}' does not match any of the expected tags")


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _answer(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], kind: str, message: str) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    lines = [f"HTTP/1.1 {status} Whatever", "content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)


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


def _frame(kind: str, **members: Any) -> bytes:
    data = json.dumps({"type": kind, **members}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _deltas(index: int, kind: str, key: str, text: str, size: int) -> Iterator[bytes]:
    for piece in pieces_of(text, size) if text else ("",):
        yield _frame("content_block_delta", index=index, delta={"type": kind, key: piece})


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmarked(item) for key, item in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return value


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port-file", type=Path, required=True, help="the port is written here once it listens")
    parser.add_argument("--record", type=Path, help="requests are appended here, one JSON object a line")
    args = parser.parse_args()
    script = args.script.read_text()
    async with MockAnthropic(script, record=args.record, name=args.script.name) as server:
        ready = args.port_file.with_suffix(".new")
        ready.write_text(server.url.rpartition(":")[2])
        ready.rename(args.port_file)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
