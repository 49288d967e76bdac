"""An editor for the demo: it keeps buffers, applies what the server asks, and answers its questions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.frames import Frame, FrameDecoder, encode_frame
from hermitcrab.core.text import LineText, TextChange
from hermitcrab.procs.converse import Conversation

_CHUNK = 64 * 1024
_PATIENCE = 60.0

CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {"workDoneProgress": True, "showMessage": {}, "showDocument": {"support": True}},
    "workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}},
    "textDocument": {
        "synchronization": {"didSave": True},
        "publishDiagnostics": {"versionSupport": True},
        "codeAction": {
            "dataSupport": True,
            "disabledSupport": True,
            "resolveSupport": {"properties": ["command", "edit"]},
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix", "refactor", "source"]}},
        },
    },
    "experimental": {"hermitcrab": {"version": 1, "permission": True, "save": True}},
}


@dataclass(slots=True)
class Buffer:
    """One open document."""

    path: Path
    lines: LineText
    version: int = 1
    is_dirty: bool = False
    diagnostics: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    checked_version: int | None = None


class DemoEditor:
    """Speaks LSP to a server process as an editor with our plugin would; everything it saw is kept for display."""

    def __init__(self, conversation: Conversation, *, answer: Callable[[dict[str, Any]], str]) -> None:
        self._talk = conversation
        self._answer = answer
        self._next_id = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())
        self._news = asyncio.Condition()
        self.buffers: dict[str, Buffer] = {}
        self.updates: list[dict[str, Any]] = []
        self.on_update: Callable[[dict[str, Any]], None] = lambda _update: None

    async def begin(self, root: Path, options: dict[str, Any]) -> dict[str, Any]:
        """Say hello; return the server's capabilities."""
        result = await self.request(
            "initialize",
            {
                "processId": None,
                "clientInfo": {"name": "Hermitcrab demo"},
                "rootUri": root.as_uri(),
                "workspaceFolders": [{"uri": root.as_uri(), "name": root.name}],
                "capabilities": CAPABILITIES,
                "initializationOptions": options,
            },
        )
        self._notify("initialized", {})
        return result["capabilities"]

    async def end(self) -> None:
        """Say goodbye."""
        await self.request("shutdown", None)
        self._notify("exit", None)
        self._reading.cancel()

    def open(self, path: Path) -> str:
        """Open a file; return its URI."""
        uri = path.as_uri()
        text = path.read_bytes().decode()
        self.buffers[uri] = Buffer(path, LineText(text))
        item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def type_at_end(self, uri: str, text: str) -> None:
        """Type at the end of a buffer and leave it unsaved."""
        buffer = self.buffers[uri]
        end = buffer.lines.to_client(buffer.lines.end, "utf-16")
        self._change(uri, [{"range": {"start": _place(end), "end": _place(end)}, "text": text}])

    async def checked(self, uri: str) -> list[dict[str, Any]]:
        """Return the diagnostics of a buffer's present version, waiting for them."""
        buffer = self.buffers[uri]
        async with asyncio.timeout(_PATIENCE), self._news:
            await self._news.wait_for(lambda: buffer.checked_version == buffer.version)
        return buffer.diagnostics

    async def idle(self) -> dict[str, Any]:
        """Wait for the running turn's end; return its last update."""
        async with asyncio.timeout(_PATIENCE), self._news:
            await self._news.wait_for(lambda: bool(self.updates) and _is_end(self.updates[-1]))
        return self.updates[-1]

    async def request(self, method: str, params: Any) -> Any:
        """Ask the server something."""
        self._next_id += 1
        future = self._waiting[self._next_id] = asyncio.get_running_loop().create_future()
        self._send({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params})
        async with asyncio.timeout(_PATIENCE):
            return await future

    def _notify(self, method: str, params: Any) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        self._talk.writer.write(encode_frame(json.dumps(message).encode()))

    async def _read(self) -> None:
        decoder = FrameDecoder()
        while data := await self._talk.reader.read(_CHUNK):
            for frame in decoder.feed(data):
                if isinstance(frame, Frame):
                    await self._take(json.loads(frame.body))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(HermitcrabError("the server ended before it answered"))

    async def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            self._take_answer(message)
            return
        result = await self._handle(message["method"], message.get("params"))
        if "id" in message:
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": result})
            if message["method"] == "workspace/applyEdit":
                self._apply(message["params"]["edit"])
        async with self._news:
            self._news.notify_all()

    def _take_answer(self, message: dict[str, Any]) -> None:
        future = self._waiting.pop(message["id"], None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(HermitcrabError(message["error"]["message"]))
        else:
            future.set_result(message["result"])

    async def _handle(self, method: str, params: Any) -> Any:
        match method:
            case "workspace/applyEdit":
                change = params["edit"]["documentChanges"][0]["textDocument"]
                return {"applied": self.buffers[change["uri"]].version == change["version"]}
            case "hermitcrab/permission/request":
                return {"outcome": {"outcome": "selected", "optionId": self._answer(params)}}
            case "hermitcrab/editor/save":
                return {"saved": await self._save(params["uri"])}
            case "hermitcrab/session/update":
                self.updates.append(params["update"])
                self.on_update(params["update"])
            case "textDocument/publishDiagnostics":
                if (buffer := self.buffers.get(params["uri"])) is not None:
                    buffer.diagnostics = params["diagnostics"]
                    buffer.checked_version = params.get("version")
            case _:
                pass
        return None

    def _apply(self, edit: dict[str, Any]) -> None:
        for change in edit["documentChanges"]:
            uri, version = change["textDocument"]["uri"], change["textDocument"]["version"]
            if self.buffers[uri].version == version:
                backwards = sorted(change["edits"], key=lambda item: _key(item["range"]["start"]), reverse=True)
                self._change(uri, [{"range": item["range"], "text": item["newText"]} for item in backwards])

    def _change(self, uri: str, changes: list[dict[str, Any]]) -> None:
        buffer = self.buffers[uri]
        for change in changes:
            start, end = _key(change["range"]["start"]), _key(change["range"]["end"])
            buffer.lines.change(TextChange(change["text"], start, end, "utf-16"))
        buffer.version += 1
        buffer.is_dirty = True
        document = {"uri": uri, "version": buffer.version}
        self._notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})

    async def _save(self, uri: str) -> bool:
        buffer = self.buffers.get(uri)
        if buffer is None:
            return False
        await asyncio.to_thread(buffer.path.write_bytes, buffer.lines.text.encode())
        buffer.is_dirty = False
        self._notify("textDocument/didSave", {"textDocument": {"uri": uri}})
        return True


def _key(place: dict[str, int]) -> tuple[int, int]:
    return place["line"], place["character"]


def _place(position: tuple[int, int]) -> dict[str, int]:
    return {"line": position[0], "character": position[1]}


def _is_end(update: dict[str, Any]) -> bool:
    return update["sessionUpdate"] == "state_update" and "stopReason" in update
