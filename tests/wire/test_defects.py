"""Each defect of pygls 2.1.1 that matters to us, by the name it has in our notes: here it does not happen.

P1 and P9 (line ends, files read anew) are held by our own document store: `tests/unit/test_documents.py`. That pygls as it is
still fails each of them is shown in `test_stock_defects.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcInternalError
from pygls.protocol import default_converter

from hermitcrab.core.errors import ToolError
from hermitcrab.core.frames import encode_frame
from hermitcrab.lsp import jsonrpc
from hermitcrab.lsp.connection import Connection
from hermitcrab.lsp.outbox import Policy
from wire.raw_client import clients

HOVER = {"textDocument": {"uri": "file:///a.py"}, "position": {"line": 3, "character": 0}}


def server(
    *register: Callable[[Connection], None], policy: Policy | None = None, made: list[Connection] | None = None
) -> Callable[[], Connection]:
    converter = default_converter()

    def connect() -> Connection:
        connection = Connection("hermitcrab", "0.1", converter=converter, policy=policy)
        for function in (basics, *register):
            function(connection)
        if made is not None:
            made.append(connection)
        return connection

    return connect


def basics(connection: Connection) -> None:
    @connection.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover:
        return types.Hover(contents=str(params.position.line))

    @connection.on("hermitcrab/echo")
    def echo(params: Any) -> Any:
        return params

    @connection.on("hermitcrab/sleep")
    async def sleep(params: Any) -> Any:
        await asyncio.sleep(params["seconds"])
        return "slept"


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "socket"


# P2: every request gets exactly one reply.


async def test_p2_invalid_params_are_answered_and_named_without_their_values(socket: Path) -> None:
    async with clients(server(), socket) as (client,):
        await client.initialize()
        reply = await client.answer(client.ask("textDocument/hover", {"position": {"line": "secret", "character": 0}}))
        assert reply["error"]["code"] == jsonrpc.INVALID_PARAMS
        assert "$.position.line" in reply["error"]["message"]
        assert "secret" not in reply["error"]["message"]
        assert (await client.request("textDocument/hover", HOVER))["contents"] == "3"


@pytest.mark.parametrize(
    ("body", "message_id", "code"),
    [
        (b"{", None, jsonrpc.PARSE_ERROR),
        (b"", None, jsonrpc.PARSE_ERROR),
        (b'{"jsonrpc":"2.0","id":9,"method":"hermitcrab/echo","params":NaN}', None, jsonrpc.PARSE_ERROR),
        (b"\xff\xfe", None, jsonrpc.PARSE_ERROR),
        (b"[" * 100_000, None, jsonrpc.PARSE_ERROR),
        (b"[]", None, jsonrpc.INVALID_REQUEST),
        (b'[{"jsonrpc":"2.0","id":9,"method":"x"}]', None, jsonrpc.INVALID_REQUEST),
        (b"7", None, jsonrpc.INVALID_REQUEST),
        (b"null", None, jsonrpc.INVALID_REQUEST),
        (b"{}", None, jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0"}', None, jsonrpc.INVALID_REQUEST),
        (b'{"id":9,"method":"hermitcrab/echo"}', 9, jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"1.0","id":"x","method":"hermitcrab/echo"}', "x", jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":9,"method":7}', 9, jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":true,"method":"hermitcrab/echo"}', None, jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":[1],"method":"hermitcrab/echo"}', None, jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":null,"method":"hermitcrab/echo"}', None, jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"hermitcrab/echo"}', 1.5, jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":9}', 9, jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":9,"method":"hermitcrab/echo","params":7}', 9, jsonrpc.INVALID_PARAMS),
        (b'{"jsonrpc":"2.0","id":9,"method":"hermitcrab/nothing"}', 9, jsonrpc.METHOD_NOT_FOUND),
        (b'{"jsonrpc":"2.0","id":9,"method":"$/nothing"}', 9, jsonrpc.METHOD_NOT_FOUND),
        (b'{"jsonrpc":"2.0","id":9,"method":"initialize","params":{}}', 9, jsonrpc.INVALID_REQUEST),
    ],
)
async def test_p2_whatever_is_no_request_is_refused(socket: Path, body: bytes, message_id: Any, code: int) -> None:
    async with clients(server(), socket) as (client,):
        await client.initialize()
        client.send_bytes(encode_frame(body))
        assert (await client.answer(message_id))["error"]["code"] == code
        assert await client.request("hermitcrab/echo", {"still": "here"}) == {"still": "here"}
        assert len(client.messages) == 3


async def test_p2_frames_that_are_none_are_refused_and_the_next_is_heard(socket: Path) -> None:
    async with clients(server(), socket) as (client,):
        await client.initialize()
        client.send_bytes(b"Content-Length: abc\r\n\r\n")
        client.send_bytes(b"Content-Length: %d\r\n\r\n" % (65 * 1024 * 1024))
        for _ in range(65):
            client.send_bytes(b" " * 1024 * 1024)
            await client.writer.drain()
        assert await client.request("hermitcrab/echo", {"a": 1}, timeout=20) == {"a": 1}
        assert [m["error"]["code"] for m in client.replies(None)] == [jsonrpc.PARSE_ERROR, jsonrpc.INVALID_REQUEST]
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1024 * 1024


async def test_p2_requests_before_initialize_and_after_shutdown_are_refused(socket: Path) -> None:
    async with clients(server(), socket) as (client,):
        early = await client.answer(client.ask("hermitcrab/echo"))
        assert early["error"]["code"] == jsonrpc.NOT_INITIALIZED
        await client.initialize()
        assert await client.request("shutdown") is None
        late = await client.answer(client.ask("hermitcrab/echo"))
        assert late["error"]["code"] == jsonrpc.INVALID_REQUEST
        client.notify("exit")
        await client.until(lambda: client.is_ended)


async def test_p2_an_acp_client_at_the_wrong_door_is_told(socket: Path) -> None:
    async with clients(server(), socket) as (client,):
        reply = await client.answer(client.ask("initialize", {"protocolVersion": 1, "clientCapabilities": {}}))
        assert reply["error"]["code"] == jsonrpc.INVALID_PARAMS
        await client.initialize()  # it may still turn out to be an editor


async def test_p2_an_id_in_use_is_refused_and_a_used_one_is_free_again(socket: Path) -> None:
    async with clients(server(), socket) as (client,):
        await client.initialize()
        client.ask("hermitcrab/sleep", {"seconds": 0.2}, "a")
        client.ask("hermitcrab/echo", {}, "a")
        await client.until(lambda: len(client.replies("a")) == 2)
        refused, slept = client.replies("a")
        assert refused["error"]["code"] == jsonrpc.INVALID_REQUEST
        assert slept["result"] == "slept"
        client.ask("hermitcrab/echo", {"x": 1}, "a")
        await client.until(lambda: len(client.replies("a")) == 3)
        assert client.replies("a")[2]["result"] == {"x": 1}


async def test_p2_a_bug_in_a_handler_is_answered_without_its_insides(
    socket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(connection: Connection) -> None:
        @connection.on("hermitcrab/broken")
        async def fail(_params: Any) -> Any:
            raise KeyError("/home/ann/.secret")

        @connection.on("hermitcrab/unserialisable")
        def make(_params: Any) -> Any:
            return {"value": object()}

        @connection.on("hermitcrab/traced")
        def traced(_params: Any) -> Any:
            try:
                raise KeyError("/home/ann/.secret")
            except KeyError:
                raise JsonRpcInternalError.of(sys.exc_info()) from None

        @connection.on("hermitcrab/tool")
        def tool(_params: Any) -> Any:
            raise ToolError("`x` is not there; try `y`")

        @connection.on("hermitcrab/news")
        def news(_params: Any) -> None:
            raise KeyError("news")

        @connection.feature(types.TEXT_DOCUMENT_DEFINITION)
        def definition(_params: types.DefinitionParams) -> None:
            raise RuntimeError("/home/ann/.secret")

    async with clients(server(broken), socket) as (client,):
        await client.initialize()
        for method, params in {
            "hermitcrab/broken": {},
            "hermitcrab/unserialisable": {},
            "hermitcrab/traced": {},
            "textDocument/definition": HOVER,
        }.items():
            reply = await client.answer(client.ask(method, params))
            assert reply["error"]["code"] == jsonrpc.INTERNAL_ERROR
            assert method in reply["error"]["message"]
            assert "data" not in reply["error"]
            assert "secret" not in json.dumps(reply)
            assert "Traceback" not in json.dumps(reply)
        client.notify("hermitcrab/news")
        reply = await client.answer(client.ask("hermitcrab/tool"))
        assert reply["error"] == {"code": jsonrpc.REQUEST_FAILED, "message": "`x` is not there; try `y`"}
    assert sum("failed" in record.message for record in caplog.records) == 5
    assert "/home/ann/.secret" in caplog.text  # the log has it whole


def mangled(chance: random.Random, message: dict[str, Any]) -> tuple[bytes, bool | None]:
    """Return a request with some bytes damaged, and whether its id can still be read and is to be answered."""
    body = bytearray(json.dumps(message).encode())
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(body))
        body[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return bytes(body), False
    if not isinstance(found, dict) or found.get("id") != message["id"] or not isinstance(found.get("method"), str):
        return bytes(body), None  # another message, or none: not asked about here
    if found["method"] == "shutdown":
        return bytes(body), None
    return bytes(body), True


async def test_p2_under_fire_every_id_gets_one_reply(socket: Path) -> None:
    chance = random.Random(20261122)
    methods = ["hermitcrab/echo", "textDocument/hover", "hermitcrab/nothing", "textDocument/didOpen", "shutdown2", ""]
    asked: set[str] = set()
    nameless = frames = 0  # frames without an id that could be read: answered with `null`
    async with clients(server(), socket) as (client,):
        await client.initialize()
        while frames < 12_000:
            name, kind = f"r{frames}", chance.randrange(12)
            params: Any = chance.choice([{}, [], HOVER, {"jsonrpc": "2.0", "id": frames}, 7, "x", None])
            message: dict[str, Any] = {"jsonrpc": "2.0", "id": name, "method": chance.choice(methods)}
            if kind == 0:
                client.send_bytes(encode_frame(b"\xff" + chance.randbytes(chance.randrange(50))))
                nameless += 1
            elif kind == 1:
                client.send({**message, "jsonrpc": chance.choice([None, 2, "1.0"])})
                asked.add(name)
            elif kind == 2:
                client.notify(chance.choice(methods), params)
            elif kind == 3:
                client.send({"jsonrpc": "2.0", "id": f"x{frames}", "result": params})
            elif kind <= 5:
                body, is_asked = mangled(chance, {**message, "params": params})
                if is_asked is None:
                    continue
                client.send_bytes(encode_frame(body))
                nameless += not is_asked
                asked.update({name} if is_asked else ())
            else:
                client.send({**message, "params": params})
                asked.add(name)
            frames += 1
            if frames % 100 == 0:
                await client.writer.drain()
                await asyncio.sleep(0)
        assert await client.request("hermitcrab/echo", {"the": "end"}, timeout=60) == {"the": "end"}
        await client.until(lambda: len(client.messages) >= 2 + len(asked) + nameless)
        await asyncio.sleep(0.1)  # for replies that nobody is owed
        seen = Counter(message["id"] for message in client.messages if "method" not in message)
        assert seen.pop(None) == nameless
        assert {name: count for name, count in seen.items() if isinstance(name, str)} == dict.fromkeys(asked, 1)
        assert len(asked) > 7_000


# P3: only the top of a message is looked at.


async def test_p3_a_message_inside_a_message_is_only_data(socket: Path) -> None:
    tunnelled = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"_meta": {"a.b": 1, "class": None}}}

    def echo_command(connection: Connection) -> None:
        @connection.command("echo")
        def run(*args: Any) -> Any:
            return list(args)

    async with clients(server(echo_command), socket) as (client,):
        await client.initialize()
        assert await client.request("hermitcrab/echo", {"log": [tunnelled], "_meta": 1}) == {
            "log": [tunnelled],
            "_meta": 1,
        }
        arguments = [tunnelled, {"type_name": "x"}]
        assert (
            await client.request("workspace/executeCommand", {"command": "echo", "arguments": arguments}) == arguments
        )


# P4: busy threads do not make the server deaf.


async def test_p4_busy_threads_leave_the_server_hearing(socket: Path) -> None:
    release = threading.Event()

    def threaded(connection: Connection) -> None:
        @connection.thread()
        @connection.feature(types.TEXT_DOCUMENT_DEFINITION)
        def definition(_params: types.DefinitionParams) -> None:
            release.wait(10)

    async with clients(server(threaded), socket) as (client,):
        await client.initialize()
        asked = [client.ask("textDocument/definition", HOVER) for _ in range(100)]
        start = time.perf_counter()
        assert await client.request("hermitcrab/echo", {"a": 1}) == {"a": 1}
        client.notify("$/cancelRequest", {"id": asked[0]})
        assert (await client.answer(asked[0]))["error"]["code"] == jsonrpc.REQUEST_CANCELLED
        assert time.perf_counter() - start < 2
        release.set()
        for message_id in asked[1:]:
            assert (await client.answer(message_id))["result"] is None


# P5: a client that does not read holds nobody up, and costs a bounded heap.


async def test_p5_a_client_that_stops_reading_holds_nobody_up(socket: Path) -> None:
    made: list[Connection] = []
    policy = Policy(weigh=lambda news: "text" if news.method == "hermitcrab/text" else "keep")
    lost: list[frozenset[str]] = []
    async with clients(server(policy=policy, made=made), socket, count=2) as (asleep, awake):
        await asleep.initialize(clientInfo={"name": "asleep"})
        await awake.initialize()
        (slow,) = (connection for connection in made if connection.client_name == "asleep")
        slow.on_lost = lost.append
        asleep.stop_reading()
        waits: list[float] = []
        for _ in range(100):
            for _ in range(500):
                slow.notify("hermitcrab/text", {"sessionId": "s", "text": "x" * 1000})
            start = time.perf_counter()
            await awake.request("hermitcrab/echo", {})
            waits.append(time.perf_counter() - start)
        assert slow.protocol.outbox.size < 8 * 1024 * 1024  # of 50 MB said
        assert sorted(waits)[98] < 0.25
        assert not lost
        asleep.read_again()
        assert await asleep.request("hermitcrab/echo", {"back": 1}) == {"back": 1}
        await asyncio.sleep(0.2)
        assert lost == [frozenset({"s"})]


async def test_p5_a_client_that_asks_and_never_reads_is_not_listened_to_for_ever(socket: Path) -> None:
    made: list[Connection] = []
    async with clients(server(made=made), socket, count=2) as (asleep, awake):
        await asleep.initialize()
        await awake.initialize()
        asleep.stop_reading()

        async def flood() -> None:
            while True:
                asleep.ask("hermitcrab/echo", {"x": "y" * 10_000})
                await asleep.writer.drain()

        with pytest.raises(TimeoutError):  # the pipe fills, for we stop reading too
            await asyncio.wait_for(flood(), 2)
        assert await awake.request("hermitcrab/echo", {}) == {}
        assert max(connection.protocol.outbox.size for connection in made) < 8 * 1024 * 1024


# P6: clients come and go; the engine and the others stay.


async def test_p6_one_client_leaving_disturbs_nobody(socket: Path) -> None:
    gone: list[str] = []
    cancelled: list[str] = []

    def watch(connection: Connection) -> None:
        async def note(closing: Connection) -> None:
            gone.append(closing.client_name)

        connection.on_close = note

        @connection.on("hermitcrab/work")
        async def work(_params: Any) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(connection.client_name)
                raise

    async with clients(server(watch), socket, count=3) as (one, two, three):
        for name, client in {"one": one, "two": two, "three": three}.items():
            await client.initialize(clientInfo={"name": name})
            client.ask("hermitcrab/work")
            await client.request("hermitcrab/echo")
        one.writer.transport.abort()
        two.notify("exit")
        await two.until(lambda: two.is_ended)
        await asyncio.sleep(0.05)
        assert sorted(gone) == ["one", "two"]
        assert sorted(cancelled) == ["one", "two"]
        assert await three.request("hermitcrab/echo", {"a": 1}) == {"a": 1}
        assert two.replies(2) == []  # nothing is sent to who has left
    assert sorted(gone) == ["one", "three", "two"]


# P7: a handler in a thread answers, and may speak from there.


async def test_p7_threads_answer_and_speak(socket: Path) -> None:
    def threaded(connection: Connection) -> None:
        @connection.thread()
        @connection.feature(types.TEXT_DOCUMENT_DEFINITION)
        def definition(_params: types.DefinitionParams) -> list[types.Location]:
            for number in range(100):
                connection.notify("hermitcrab/n", {"number": number})
            place = types.Position(1, 2)
            return [types.Location("file:///b.py", types.Range(place, place))]

    async with clients(server(threaded), socket) as (client,):
        await client.initialize()
        found = await client.request("textDocument/definition", HOVER)
        assert found[0]["uri"] == "file:///b.py"
        await client.until(lambda: len(client.messages) >= 102)
        numbers = [m["params"]["number"] for m in client.messages if m.get("method") == "hermitcrab/n"]
        assert numbers == list(range(100))


# P8: payloads are not logged.


async def test_p8_no_payload_reaches_the_log(socket: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = "sk-0123456789"
    caplog.set_level(logging.DEBUG)

    def ask_back(connection: Connection) -> None:
        @connection.on("hermitcrab/ask")
        async def ask(params: Any) -> Any:
            connection.notify("hermitcrab/said", params)
            return await connection.request("hermitcrab/question", params, timeout=5)

        @connection.on("textDocument/didOpen")
        def opened(_params: Any) -> None:
            pass

    async with clients(server(ask_back), socket) as (client,):
        await client.initialize(
            initializationOptions={"key": secret}, workspaceFolders=[{"uri": secret, "name": secret}]
        )
        client.notify("textDocument/didOpen", {"textDocument": {"text": secret}})
        client.notify(
            "workspace/didChangeWorkspaceFolders",
            {"event": {"added": [{"uri": secret, "name": secret}], "removed": []}},
        )
        client.send_bytes(encode_frame(b"{" + secret.encode()))
        client.ask("textDocument/hover", {"position": secret})
        asked = client.ask("hermitcrab/ask", {"key": secret})
        question = await client.question("hermitcrab/question")
        client.reply(question["id"], {"key": secret})
        assert (await client.answer(asked))["result"] == {"key": secret}
    assert secret not in caplog.text
    assert secret not in "".join(str(record.args) + str(record.exc_info) for record in caplog.records)


# P10: their ids and ours are strangers to each other.


async def test_p10_their_answers_and_their_requests_do_not_meet(socket: Path) -> None:
    def asks(connection: Connection) -> None:
        @connection.on("hermitcrab/ask")
        async def ask(_params: Any) -> Any:
            return await connection.request("hermitcrab/question", {}, timeout=5)

    async with clients(server(asks), socket) as (client,):
        await client.initialize()
        first = client.ask("hermitcrab/ask")
        question = await client.question("hermitcrab/question")
        # A request of theirs under the id of our question, and an answer under the id of theirs.
        assert (await client.answer(client.ask("hermitcrab/echo", {"a": 1}, question["id"])))["result"] == {"a": 1}
        client.reply(first, "stray")
        client.reply("nobody", "stray")
        client.reply(question["id"], "meant")
        assert (await client.answer(first))["result"] == "meant"
        client.reply(question["id"], "twice")
        assert await client.request("hermitcrab/echo", {"b": 1}) == {"b": 1}
