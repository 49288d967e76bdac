"""The ten defects of pygls 2.1.1 that matter to us: one probe each, passed by our door and failed by pygls as it is.

When a probe begins to pass on stock pygls, upstream has mended the defect: look whether what we do about it can go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.io_ import WebSocketWriter
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from hermitcrab.core.text import TextChange
from hermitcrab.lsp.connection import Connection
from hermitcrab.workspace.documents import Documents
from hermitcrab.workspace.files import read_file
from simulator.buffer import split
from wire.raw_client import RawClient, clients
from wire.stock import Register, on_stdio, on_tcp, stock_server

HOVER = {"textDocument": {"uri": "file:///a.py"}, "position": {"line": 3, "character": 0}}
SOON = 0.5  # what has no answer by then, while others are answered, gets none

# Stock pygls leaves transports and coroutines behind; that is not what is looked at here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]


def hovers(server: LanguageServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover:
        return types.Hover(contents=str(params.position.line))


def custom(server: LanguageServer, method: str, handler: Callable[[Any], Any]) -> None:
    (server.on if isinstance(server, Connection) else server.feature)(method)(handler)


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "socket"


@contextlib.asynccontextmanager
async def here(socket: Path, *register: Register):
    def connect() -> Connection:
        connection = Connection("hermitcrab", "0.1")
        for function in (hovers, *register):
            function(connection)
        return connection

    async with clients(connect, socket) as (client,):
        await client.initialize()
        yield client


@contextlib.asynccontextmanager
async def stock(*register: Register):
    async with on_stdio(hovers, *register) as client:
        await client.initialize()
        yield client


async def is_answered(client: RawClient, message_id: int | str | None, within: float = SOON) -> bool:
    try:
        await client.answer(message_id, within)
    except TimeoutError:
        return False
    return True


async def both(probe: Callable[[RawClient], Awaitable[bool]], socket: Path, *register: Register) -> dict[str, bool]:
    """Return how the probe goes here and on stock pygls."""
    found: dict[str, bool] = {}
    async with here(socket, *register) as client:
        found["here"] = await probe(client)
    async with stock(*register) as client:
        found["stock"] = await probe(client)
        assert await client.request("textDocument/hover", HOVER), "it answers others"
    return found


ONLY_HERE = {"here": True, "stock": False}


@pytest.mark.parametrize("char", ["\f", "\v", "\x1c", "\x85", "\u2028"])
def test_p1_a_line_ends_at_cr_and_lf_alone(char: str) -> None:
    text = f"a{char}b\nc\n"
    start = split(text)[1][0]  # where line 1 begins, in the simulated editor
    meant = f"{text[:start]}X{text[start:]}"
    documents = Documents(clock=lambda: 0.0)
    documents.open("one", "file:///w/a.py", Path("/w/a.py"), "python", 1, text)
    documents.change("one", "file:///w/a.py", 2, [TextChange("X", (1, 0), (1, 0))])
    theirs = TextDocument("file:///w/a.py", text)
    place = types.Position(1, 0)
    theirs.apply_change(types.TextDocumentContentChangePartial(range=types.Range(place, place), text="X"))
    assert documents.find("one", "file:///w/a.py").text == meant
    assert theirs.source != meant


async def test_p2_an_invalid_request_is_answered(socket: Path) -> None:
    async def probe(client: RawClient) -> bool:
        return await is_answered(client, client.ask("textDocument/hover", {"position": {"line": "x"}}))

    assert await both(probe, socket) == ONLY_HERE


async def test_p2_what_is_no_json_is_answered(socket: Path) -> None:
    async def probe(client: RawClient) -> bool:
        client.send_bytes(b"Content-Length: 1\r\n\r\n{")
        return await is_answered(client, None)

    assert await both(probe, socket) == ONLY_HERE


async def test_p3_a_message_inside_a_message_is_only_data(socket: Path) -> None:
    def echoes(server: LanguageServer) -> None:
        @server.command("echo")
        def echo(*_: Any) -> str:
            return "heard"

    async def probe(client: RawClient) -> bool:
        inner = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        return await is_answered(
            client, client.ask("workspace/executeCommand", {"command": "echo", "arguments": [inner]})
        )

    assert await both(probe, socket, echoes) == ONLY_HERE


async def test_p4_busy_threads_leave_the_server_hearing(socket: Path) -> None:
    release = threading.Event()

    def threaded(server: LanguageServer) -> None:
        @server.thread()
        @server.feature(types.TEXT_DOCUMENT_DEFINITION)
        def definition(_params: types.DefinitionParams) -> None:
            release.wait(10)

    async def probe(client: RawClient) -> bool:
        release.clear()
        for _ in range(100):
            client.ask("textDocument/definition", HOVER)
        try:
            return await is_answered(client, client.ask("textDocument/hover", HOVER), 1.5)
        finally:
            release.set()

    assert await both(probe, socket, threaded) == ONLY_HERE


async def test_p5_a_client_that_does_not_read_stops_nobody_else(socket: Path) -> None:
    gaps: list[float] = []

    def floods(server: LanguageServer) -> None:
        async def beat() -> None:
            last = time.perf_counter()
            while True:
                await asyncio.sleep(0.005)
                gaps.append(time.perf_counter() - last)
                last = time.perf_counter()

        async def flood(_params: Any) -> str:
            beating = asyncio.create_task(beat())
            await asyncio.sleep(0.05)
            for _ in range(30):
                for _ in range(100):
                    tell = server.notify if isinstance(server, Connection) else server.protocol.notify
                    tell("hermitcrab/text", {"text": "x" * 1000})
                await asyncio.sleep(0.01)
            beating.cancel()
            return "done"

        custom(server, "hermitcrab/flood", flood)

    async def probe(client: RawClient) -> bool:
        gaps.clear()
        client.stop_reading()
        asked = client.ask("hermitcrab/flood")
        await asyncio.sleep(1.5)
        client.read_again()
        assert await is_answered(client, asked, 10)
        return max(gaps) < 0.7

    assert await both(probe, socket, floods) == ONLY_HERE


async def test_p6_a_reply_goes_to_who_asked_and_one_client_leaving_disturbs_nobody(socket: Path) -> None:
    def connect() -> Connection:
        connection = Connection("hermitcrab", "0.1")
        hovers(connection)
        return connection

    async def probe(one: RawClient, two: RawClient) -> tuple[bool, bool]:
        own = await is_answered(one, one.ask("textDocument/hover", HOVER, "of one"))
        assert own or two.replies("of one"), "somebody has it"
        await one.leave()
        await asyncio.sleep(0.1)
        return own, await is_answered(two, two.ask("textDocument/hover", HOVER, "of two"))

    async with clients(connect, socket, count=2) as (one, two):
        await one.initialize()
        await two.initialize()
        assert await probe(one, two) == (True, True)
    async with on_tcp(hovers) as listening:
        one = await listening.connect()
        await one.initialize()
        two = await listening.connect()
        await two.request("textDocument/hover", HOVER)  # the server has taken it in
        assert await probe(one, two) == (False, False)


async def test_p7_a_handler_in_a_thread_answers_where_writing_is_asynchronous(socket: Path) -> None:
    def threaded(server: LanguageServer) -> None:
        @server.thread()
        @server.feature(types.TEXT_DOCUMENT_DEFINITION)
        def definition(_params: types.DefinitionParams) -> None:
            time.sleep(0.1)

    async with here(socket, threaded) as client:
        assert await is_answered(client, client.ask("textDocument/definition", HOVER))

    sent: list[bytes] = []

    class WebSocket:
        async def send(self, data: bytes) -> None:
            sent.append(data)

    server = stock_server(hovers, threaded)
    server.protocol.set_writer(WebSocketWriter(WebSocket()), include_headers=False)  # type: ignore[arg-type]
    try:
        for method in ("textDocument/definition", "textDocument/hover"):
            message = {"jsonrpc": "2.0", "id": method, "method": method, "params": HOVER}
            server.protocol.handle_message(server.protocol.structure_message(message))
            await asyncio.sleep(SOON)
    finally:
        server.shutdown()
    answered = b"".join(sent)
    assert b'"id": "textDocument/hover"' in answered
    assert b'"id": "textDocument/definition"' not in answered


async def test_p8_no_payload_reaches_the_log(socket: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = "sk-0123456789"

    def tells(server: LanguageServer) -> None:
        @server.command("tell")
        def tell(*_: Any) -> str:
            return secret

    async def probe(client: RawClient) -> bool:
        assert await client.request("workspace/executeCommand", {"command": "tell", "arguments": []}) == secret
        return secret not in caplog.text

    caplog.set_level(logging.DEBUG)
    async with here(socket, tells) as client:
        assert await probe(client)
    caplog.set_level(logging.INFO, logger="pygls")  # our door has silenced it
    async with stock(tells) as client:
        assert not await probe(client)


def test_p9_a_closed_file_is_read_in_its_own_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes("# coding: latin-1\nx = 'é'\n".encode("latin-1"))
    assert read_file(path).text.endswith("x = 'é'\n")
    with pytest.raises(UnicodeDecodeError):
        _ = TextDocument(path.as_uri()).source


async def test_p10_their_answers_and_their_requests_do_not_meet(socket: Path) -> None:
    def asks(server: LanguageServer) -> None:
        async def ask(_params: Any) -> Any:
            if isinstance(server, Connection):
                return await server.request("hermitcrab/question", {}, timeout=5)
            return await server.protocol.send_request_async("hermitcrab/question", {})

        async def nap(_params: Any) -> str:
            await asyncio.sleep(0.2)
            return "slept"

        custom(server, "hermitcrab/ask", ask)
        custom(server, "hermitcrab/nap", nap)

    async def probe(client: RawClient) -> bool:
        first = client.ask("hermitcrab/ask")
        question = await client.question("hermitcrab/question")
        client.ask("hermitcrab/nap", {}, question["id"])  # a request of theirs under the id of our question
        client.reply(question["id"], "meant")
        return await is_answered(client, first, 1)

    assert await both(probe, socket, asks) == ONLY_HERE
