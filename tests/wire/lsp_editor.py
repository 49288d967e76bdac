"""A simulated editor behind a real connection: LSP bytes to an engine of ours, in this process or in one of its own.

`house` builds the engine and listens on a Unix socket; each `editor` of it is one more client. `spawned` starts
`python -m hermitcrab lsp` and is its one client, over stdio. Whatever a test does, at its end every update that was sent
fits the models of `wire`, and every request had exactly one reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest_lsp
from pydantic import BaseModel
from pygls.protocol import default_converter

from hermitcrab.app import build_engine
from hermitcrab.core.frames import encode_frame
from hermitcrab.core.ports import Provider
from hermitcrab.lsp.connection import Connection
from hermitcrab.lsp.host import Host
from hermitcrab.lsp.server import connection
from hermitcrab.lsp.transport import serve_unix
from hermitcrab.providers.profiles import profile_of
from hermitcrab.providers.scripted import ScriptedProvider
from hermitcrab.store.paths import Paths
from hermitcrab.store.sessions import SessionStore
from hermitcrab.wire.updates import SessionNotification
from simulator.buffer import Change
from simulator.editor import Manners, SimulatedEditor
from wire.raw_client import RawClient

WAIT = 30.0  # seconds; a bound for a loaded machine, never a measure
PLUGIN = {"version": 1, "permission": True}

WHO = {"reject": "vscode", "drop": "neovim", "ignore": "lsp4ij"}
"""A client that treats a stale edit like this; its profile is what the server knows of its name."""

_RECORDED = {
    "vscode": "visual_studio_code_v1.65.2",
    "neovim": "neovim_v0.11.0",
    "emacs": "emacs_v29.1",
    "old neovim": "neovim_v0.6.1",
}
_TITLES = {
    "Allow once": "allow_once",
    "Allow for this session": "allow_session",
    "Trust this folder and run": "trust",
    "No": "reject",
}


def capabilities(client: str) -> dict[str, Any]:
    """Return `clientInfo` and `capabilities` of a client: recorded by pytest-lsp, or from our own folder."""
    if client in _RECORDED:
        file = Path(pytest_lsp.__file__).parent / "clients" / f"{_RECORDED[client]}.json"
    else:
        (file,) = (Path(__file__).parent / "capabilities").glob(f"{client}*.json")
    found = json.loads(file.read_text("utf-8"))
    return {"clientInfo": found["clientInfo"], "capabilities": found["capabilities"]}


class EditorClient(RawClient):
    """One editor: a user who types, buffers, and answers to what the server asks."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        manners: Manners,
        *,
        client: str = "",
        plugin: bool = True,
        answers: Sequence[str] = (),
        settings: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(reader, writer)
        self.sim = SimulatedEditor(manners, self)
        self.params = capabilities(client or WHO[manners.stale])
        self.params["initializationOptions"] = {"diagnostics": "off", **(settings or {})}
        if plugin:
            ours = {**PLUGIN, "save": manners.saves}
            self.params["capabilities"]["experimental"] = {"hermitcrab": ours}
        self.answers = list(answers)  # to permission questions, in order; `wait` and none left: no answer
        self.asked: list[dict[str, Any]] = []  # the questions' messages
        self.open_questions: set[Any] = set()
        self.most_open_questions = 0
        self.shown: list[dict[str, Any]] = []  # what `showDocument` named
        self.told: set[str] = set()  # every character the server ever heard of
        self.process: asyncio.subprocess.Process | None = None
        self._seen = 0
        self._has_left = False
        self._answering: set[asyncio.Task[None]] = set()
        self._following = asyncio.create_task(self._follow())

    # What the editor tells, as a `simulator.editor.Wire`.

    def did_open(self, uri: str, version: int, text: str) -> None:
        item = {"uri": uri, "languageId": "python", "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def did_change(self, uri: str, version: int, changes: Sequence[Change]) -> None:
        self.told.update(*(change.text for change in changes))
        told = [_change(change) for change in changes]
        self.notify(
            "textDocument/didChange", {"textDocument": {"uri": uri, "version": version}, "contentChanges": told}
        )

    def did_save(self, uri: str) -> None:
        self.notify("textDocument/didSave", {"textDocument": {"uri": uri}})

    def did_close(self, uri: str) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    # What the server asks for.

    async def _follow(self) -> None:
        while not self.is_ended:
            await self.until(lambda: len(self.messages) > self._seen or self.is_ended, None)
            for message in self.messages[self._seen :]:
                self._seen += 1
                if "method" in message and "id" in message:
                    task = asyncio.create_task(self._take(message))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)
                elif message.get("method") == "$/cancelRequest":
                    self.open_questions.discard(message["params"]["id"])

    async def _take(self, message: dict[str, Any]) -> None:
        await self._answer(message)
        async with self._news:
            self._news.notify_all()  # who waits for what the editor shows looks again

    async def _answer(self, message: dict[str, Any]) -> None:
        params: dict[str, Any] = message.get("params") or {}
        match message["method"]:
            case "workspace/applyEdit":
                result = await self._apply(params["edit"]["documentChanges"])
                if result is None:
                    return
            case "hermitcrab/editor/save":
                result = {"saved": await self.sim.save_on_request(params["uri"])}
            case "hermitcrab/permission/request" | "window/showMessageRequest":
                chosen = self._choose(message)
                if chosen is None:
                    return
                result = chosen
            case "window/showDocument":
                result = {"success": self._show(params)}
            case "window/workDoneProgress/create":
                result = None
            case method:
                error = {"code": -32601, "message": f"no {method} here"}
                self.send({"jsonrpc": "2.0", "id": message["id"], "error": error})
                return
        self.reply(message["id"], result)

    async def _apply(self, changes: list[dict[str, Any]]) -> dict[str, Any] | None:
        (change,) = changes  # one file an edit: DESIGN, law 2
        edits = [
            ((_place(edit["range"]["start"]), _place(edit["range"]["end"])), edit["newText"])
            for edit in change["edits"]
        ]
        target = change["textDocument"]
        reply = await self.sim.apply(target["uri"], target["version"], edits)
        return None if reply is None else {"applied": reply[0], "failureReason": reply[1]}

    def _choose(self, message: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.append(message)
        self.open_questions.add(message["id"])
        self.most_open_questions = max(self.most_open_questions, len(self.open_questions))
        answer = self.answers.pop(0) if self.answers else "wait"
        if answer == "wait":
            return None
        self.open_questions.discard(message["id"])
        if message["method"] == "hermitcrab/permission/request":
            assert answer in [option["optionId"] for option in message["params"]["options"]]
            return {"outcome": {"outcome": "selected", "optionId": answer}}
        (title,) = (item["title"] for item in message["params"]["actions"] if _TITLES[item["title"]] == answer)
        return {"title": title}

    def _show(self, params: dict[str, Any]) -> bool:
        path = Path(unquote(urlsplit(params["uri"]).path))
        if not path.is_file():
            return False
        self.shown.append(params)
        if params["uri"] not in self.sim.buffers:
            self.sim.open(params["uri"], path.read_text("utf-8"))
        return True

    # What a test says and looks at.

    async def begin(self, root: Path | None, **params: Any) -> dict[str, Any]:
        """Introduce ourselves; from here on positions are in the encoding the server chose."""
        uri = None if root is None else root.as_uri()
        result = await self.request("initialize", {"processId": None, "rootUri": uri, **self.params, **params}, WAIT)
        self.notify("initialized")
        encoding = result["capabilities"].get("positionEncoding", "utf-16")
        self.sim.manners = replace(self.sim.manners, encoding=encoding)
        return result

    async def new_session(self, root: Path) -> str:
        """Begin a session."""
        return (await self.request("hermitcrab/session/new", {"cwd": str(root)}, WAIT))["sessionId"]

    async def prompt(self, session: str, text: str) -> str:
        """Begin a turn; return its id."""
        return (await self.request("hermitcrab/session/prompt", prompt_params(session, text), WAIT))["turnId"]

    async def say(self, session: str, text: str, timeout: float = WAIT) -> dict[str, Any]:
        """Begin a turn and return its end."""
        return await self.end_of(await self.prompt(session, text), timeout)

    async def end_of(self, turn: str, timeout: float = WAIT) -> dict[str, Any]:
        """Wait for a turn's end."""
        return await self.update(lambda update: update.get("turnId") == turn and "stopReason" in update, timeout)

    async def update(self, is_meant: Any, timeout: float = WAIT) -> dict[str, Any]:
        """Wait for an update."""
        return await self.until(lambda: next(filter(is_meant, self.updates()), None), timeout)

    def updates(self, session: str = "") -> list[dict[str, Any]]:
        """Return the updates so far, of one session or of all."""
        news = [message["params"] for message in self.messages if message.get("method") == "hermitcrab/session/update"]
        return [params["update"] for params in news if session in ("", params["sessionId"])]

    def results(self) -> list[dict[str, Any]]:
        """Return the ends of tool calls: status and text."""
        ends = [update for update in self.updates() if update.get("status") in {"completed", "failed"}]
        return [
            {"status": update["rawOutput"]["status"], "text": update["content"][0]["content"]["text"]}
            for update in ends
        ]

    def news(self, method: str) -> list[dict[str, Any]]:
        """Return the params of what came by this method so far."""
        return [message.get("params") for message in self.messages if message.get("method") == method]

    async def heard(self) -> None:
        """Wait until the server has taken in everything sent so far."""
        await self.request("hermitcrab/status", {}, WAIT)

    async def leave(self) -> None:
        if self._has_left:
            return
        self._has_left = True
        self._following.cancel()
        for task in self._answering:
            task.cancel()
        self._reading.cancel()
        if not self.writer.transport.is_closing():
            self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def check(self) -> None:
        """Every update fits its model and nothing else; every edit names a version; no request had two replies."""
        for message in self.messages:
            if message.get("method") == "hermitcrab/session/update":
                assert_fits(message["params"])
            if message.get("method") == "workspace/applyEdit":
                (change,) = message["params"]["edit"]["documentChanges"]
                assert isinstance(change["textDocument"]["version"], int), message
        replies = Counter(message["id"] for message in self.messages if "method" not in message)
        assert [key for key, count in replies.items() if count > 1 and key is not None] == []


def assert_fits(params: dict[str, Any]) -> None:
    """The one assertion about updates: nothing is missing, nothing is unknown, and nothing is changed by reading it."""
    model = SessionNotification.model_validate(params)
    assert list(_unknown(model)) == [], params
    assert model.to_json() == params


def _unknown(value: Any) -> Any:
    """Yield the keys that no model knows."""
    if isinstance(value, BaseModel):
        yield from value.model_extra or {}
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from _unknown(item)


def prompt_params(session: str, text: str) -> dict[str, Any]:
    return {"sessionId": session, "prompt": [{"type": "text", "text": text}]}


def frames(*messages: dict[str, Any]) -> bytes:
    """Return messages as bytes to be written at once."""
    return b"".join(encode_frame(json.dumps({"jsonrpc": "2.0", **message}).encode()) for message in messages)


def _place(position: dict[str, int]) -> tuple[int, int]:
    return position["line"], position["character"]


def _change(change: Change) -> dict[str, Any]:
    if change.start is None or change.end is None:
        return {"text": change.text}
    (line, column), (last, end) = change.start, change.end
    area = {"start": {"line": line, "character": column}, "end": {"line": last, "character": end}}
    return {"range": area, "text": change.text}


class House:
    """An engine in this process, and a socket for editors."""

    def __init__(self, root: Path, home: Path, provider: Provider | None, command_line: dict[str, Any]) -> None:
        self.root, self.paths = root, Paths.under(home)
        self.clients: list[EditorClient] = []
        self.connections: list[Connection] = []
        self.host = Host(
            lambda documents: (
                build_engine(paths=self.paths, documents=documents, provider=provider, profile=profile_of("offline"))
                if provider
                else build_engine(paths=self.paths, documents=documents)
            ),
            command_line,
        )
        self.host.documents.clock = asyncio.get_running_loop().time
        self.socket = home / "socket"

    async def editor(self, manners: Manners | None = None, *, begins: bool = True, **kind: Any) -> EditorClient:
        """Attach one more editor."""
        streams = await asyncio.open_unix_connection(self.socket)
        client = EditorClient(*streams, manners or Manners(), **kind)
        self.clients.append(client)
        if begins:
            await client.begin(self.root)
        return client

    def log(self, session: str) -> list[dict[str, Any]]:
        """Return the records of a session's log, as they are on disk."""
        return list(SessionStore(self.paths).read(session).records)

    def connect(self) -> Connection:
        self.connections.append(connection(self.host, CONVERTER))
        return self.connections[-1]


CONVERTER = default_converter()


@contextlib.asynccontextmanager
async def house(
    root: Path, model: str | Provider, *, trusted: bool = False, command_line: dict[str, Any] | None = None
) -> AsyncIterator[House]:
    """Serve an engine whose model says what a script tells it to (`offline` is the real one)."""
    home = root.parent / "home"
    home.mkdir(exist_ok=True)
    root.mkdir(exist_ok=True)
    scripted = ScriptedProvider(model) if isinstance(model, str) and model != "offline" else None
    provider = scripted if isinstance(model, str) else model
    built = House(root, home, provider, {**({"model": "scripted:house"} if provider else {}), **(command_line or {})})
    if trusted:
        (await built.host.engine()).services.trust.trust(root.resolve())
    server = await serve_unix(built.connect, built.socket)
    try:
        yield built
        for client in built.clients:
            client.check()
    finally:
        server.close()
        for client in built.clients:
            await client.leave()
        for attached in built.connections:
            await asyncio.wait_for(attached.ended.wait(), WAIT)
        await built.host.close()


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment that leads nowhere but to `home`: no keys, no settings, no proxies."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(home), "HERMITCRAB_HOME": str(home / "hermitcrab"), **more}


@contextlib.asynccontextmanager
async def spawned(
    root: Path, script: str, manners: Manners | None = None, *, env: dict[str, str] | None = None, **kind: Any
) -> AsyncIterator[EditorClient]:
    """Start the server as an editor does, with a scripted model, and be its client."""
    home = root.parent / "home"
    home.mkdir(exist_ok=True)
    root.mkdir(exist_ok=True)
    told = home / "script.txt"
    told.write_text(script, "utf-8")
    errors = (home / "stderr.txt").open("wb")
    argv = [sys.executable, "-m", "hermitcrab", "lsp", "--model", f"scripted:{told}"]
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=root,
        env=environment(home, **(env or {})),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    client = EditorClient(process.stdout, process.stdin, manners or Manners(), **kind)
    client.process = process
    try:
        await client.begin(root)
        yield client
        client.check()
    finally:
        await client.leave()
        errors.close()
        try:
            await asyncio.wait_for(process.wait(), WAIT)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
