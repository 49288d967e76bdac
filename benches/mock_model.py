"""A model on Anthropic's wire that costs next to nothing: what it says is named in the last prompt, as `@read 200`.

    @read N     N times a Read of 20 lines, then a word
    @edit N     a Read, N times an Edit of one line, then a word
    @say N      words in N pieces of eight characters
    @paced N    the same, a piece each millisecond, so that none can be joined with its neighbour
    @args N     one Write whose content comes in N pieces of eight characters, then a word
    @mixed N    N rounds of thoughts, reads side by side, edits, mistakes; then a word

It is a program of its own and imports nothing of ours, so that what it uses of the machine is not counted as ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MARK = re.compile(rb"@(read|edit|say|paced|args|mixed) (\d+)")
_CHUNK = 16_384
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
FILE = "work.py"


class Model:
    """One conversation: the replies still to be given."""

    def __init__(self, record: Path | None) -> None:
        self._replies: deque[list[bytes]] = deque()
        self.pause = 0.0
        self._calls = 0
        self._edits = 0
        self._record = record.open("ab", buffering=0) if record else None

    def answer(self, body: bytes) -> list[bytes]:
        """Return the frames that answer a request."""
        if self._record:
            self._record.write(body + b"\n")
        if not self._replies:
            found = _MARK.findall(body)
            kind, count = found[-1] if found else (b"say", b"1")
            self.pause = 0.001 if kind == b"paced" else 0.0
            self._replies.extend(self._plan(kind.decode(), int(count)))
        return self._replies.popleft()

    def _plan(self, kind: str, count: int) -> Iterator[list[bytes]]:
        match kind:
            case "say" | "paced":
                yield self._reply([self._text("".join(f"{n:07d} " for n in range(count)), 8)])
                return
            case "args":
                content = "".join(f"{n:07d} " for n in range(count))
                yield self._reply([self._call("Write", {"file_path": f"big-{self._calls}.txt", "content": content}, 8)])
            case "read":
                for number in range(count):
                    yield self._reply([self._read(number)])
            case "edit":
                yield self._reply([self._call("Read", {"file_path": FILE})])
                for _ in range(count):
                    yield self._reply([self._edit()])
            case _:
                for number in range(count):
                    yield from self._round(number)
        yield self._reply([self._text("Done. ✓")])

    def _round(self, number: int) -> Iterator[list[bytes]]:
        """Yield four replies of a life like any other."""
        thought = _thought(f"Round {number}: what is in there?")
        yield self._reply([thought, self._text("Let me look… 🦀\n"), self._read(number), self._read(number + 1)])
        yield self._reply([self._edit()])
        missing = {"file_path": FILE, "old_string": "not in there", "new_string": "é"}
        yield self._reply([self._call("Edit", missing), self._call("NoSuchTool", {"a": {"b": [1, 2.50, None]}})])
        todos = [{"content": f"round {number}", "status": "in_progress"}]
        yield self._reply(
            [self._call("Todo", {"todos": todos}), self._call("Glob", {"pattern": f"*{self._calls}*.py"})]
        )

    def _read(self, number: int) -> list[dict[str, Any]]:
        return self._call("Read", {"file_path": FILE, "offset": 1 + (self._calls + number) % 220, "limit": 20})

    def _edit(self) -> list[dict[str, Any]]:
        old, new = f"step = {self._edits}\n", f"step = {self._edits + 1}\n"
        self._edits += 1
        return self._call("Edit", {"file_path": FILE, "old_string": old, "new_string": new})

    def _call(self, name: str, arguments: dict[str, Any], size: int = 0) -> list[dict[str, Any]]:
        self._calls += 1
        block: dict[str, Any] = {"type": "tool_use", "id": f"toolu_{self._calls:05d}", "name": name, "input": {}}
        return [block, *({"type": "input_json_delta", "partial_json": p} for p in _pieces(json.dumps(arguments), size))]

    def _text(self, text: str, size: int = 0) -> list[dict[str, Any]]:
        return [{"type": "text", "text": ""}, *({"type": "text_delta", "text": p} for p in _pieces(text, size))]

    def _reply(self, blocks: list[list[dict[str, Any]]]) -> list[bytes]:
        usage = {"input_tokens": 10, "output_tokens": 1}
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "bench",
            "content": [],
        }
        frames = [_frame("message_start", message={**message, "stop_reason": None, "usage": usage})]
        for index, (start, *deltas) in enumerate(blocks):
            frames.append(_frame("content_block_start", index=index, content_block=start))
            frames += [_frame("content_block_delta", index=index, delta=delta) for delta in deltas]
            frames.append(_frame("content_block_stop", index=index))
        stop = "tool_use" if any(block[0]["type"] == "tool_use" for block in blocks) else "end_turn"
        frames.append(_frame("message_delta", delta={"stop_reason": stop}, usage={"output_tokens": 10}))
        return [*frames, _frame("message_stop")]


def _thought(text: str) -> list[dict[str, Any]]:
    signature = {"type": "signature_delta", "signature": f"signed:{text}"}
    return [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": text},
        signature,
    ]


def _pieces(text: str, size: int) -> Iterator[str]:
    step = size or len(text)
    for start in range(0, len(text), step):
        yield text[start : start + step]


def _frame(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members}, ensure_ascii=False)}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._data = bytearray()
        self._need = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._need:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._data[:end]).lower()
            length = re.search(rb"content-length: *(\d+)", head)
            del self._data[: end + 4]
            self._need = int(length[1]) if length else 0
        if self._need and len(self._data) >= self._need:
            body = bytes(self._data[: self._need])
            del self._data[: self._need]
            self._need = 0
            frames = self._model.answer(body)
            if self._model.pause:
                self._pacing = asyncio.ensure_future(self._pace(frames, self._model.pause))
                return
            data = b"".join(frames)
            parts = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
            self._transport.write(b"".join((_HEAD, *map(_chunk, parts), _END)))

    async def _pace(self, frames: list[bytes], pause: float) -> None:
        """Send frame by frame, each at its time."""
        clock = asyncio.get_running_loop().time
        start = clock()
        self._transport.write(_HEAD)
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, start + number * pause - clock()))
            self._transport.write(_chunk(frame))
        self._transport.write(_END)


async def main(port_file: Path, record: Path | None) -> None:
    """Serve until killed."""
    model = Model(record)
    server = await asyncio.get_running_loop().create_server(lambda: Line(model), "127.0.0.1", 0)
    port_file.write_text(f"{server.sockets[0].getsockname()[1]}\n")  # noqa: ASYNC240
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--record", type=Path)
    asyncio.run(main(**vars(parser.parse_args())))
