"""Cancelling, asking back, and the order of things on one connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import default_converter

from hermitcrab.core.frames import encode_frame
from hermitcrab.lsp import jsonrpc
from hermitcrab.lsp.connection import Connection
from hermitcrab.lsp.questions import ClientGoneError
from hermitcrab.lsp.transport import serve_unix
from wire.raw_client import clients


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "socket"


def server(register: Callable[[Connection], None]) -> Callable[[], Connection]:
    def connect() -> Connection:
        connection = Connection("hermitcrab", "0.1", converter=CONVERTER)
        register(connection)

        @connection.on("hermitcrab/echo")
        def echo(params: Any) -> Any:
            return params

        return connection

    return connect


CONVERTER = default_converter()


def frames(*messages: Any) -> bytes:
    return b"".join(encode_frame(json.dumps({"jsonrpc": "2.0", **message}).encode()) for message in messages)


def cancel(message_id: Any) -> dict[str, Any]:
    return {"method": "$/cancelRequest", "params": {"id": message_id}}


class Work:
    """A handler that can be watched."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.finished = 0

    async def run(self, seconds: float) -> str:
        self.begun += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.finished += 1
        return "done"

    def register(self, connection: Connection) -> None:
        @connection.on("hermitcrab/work")
        async def work(params: Any) -> Any:
            return await self.run(params.get("seconds", 30))

        @connection.on("hermitcrab/quick")
        def quick(_params: Any) -> str:
            self.begun += 1
            return "done"

        @connection.on("hermitcrab/stubborn")
        async def stubborn(_params: Any) -> str:
            try:
                return await self.run(30)
            except asyncio.CancelledError:
                await asyncio.sleep(0.1)
                return "finished anyway"

        @connection.command("work")
        async def command() -> str:
            return await self.run(30)


async def cancelled_once(client: Any, message_id: Any) -> None:
    reply = await client.answer(message_id)
    assert reply["error"]["code"] == jsonrpc.REQUEST_CANCELLED
    assert await client.request("hermitcrab/echo", {"still": "here"}) == {"still": "here"}
    await asyncio.sleep(0.2)
    assert len(client.replies(message_id)) == 1


@pytest.mark.parametrize("method", ["hermitcrab/work", "hermitcrab/quick", "workspace/executeCommand"])
async def test_a_cancel_right_behind_its_request_leaves_nothing_done(socket: Path, method: str) -> None:
    work = Work()
    async with clients(server(work.register), socket) as (client,):
        await client.initialize()
        client.send_bytes(frames({"id": 7, "method": method, "params": {"command": "work"}}, cancel(7)))
        await cancelled_once(client, 7)
    assert work.begun == 0


@pytest.mark.parametrize("method", ["hermitcrab/work", "workspace/executeCommand"])
async def test_a_running_request_is_stopped_to_its_innermost_part(socket: Path, method: str) -> None:
    work = Work()
    async with clients(server(work.register), socket) as (client,):
        await client.initialize()
        asked = client.ask(method, {"command": "work"})
        await client.request("hermitcrab/echo")
        client.notify("$/cancelRequest", {"id": asked})
        await cancelled_once(client, asked)
        assert (work.begun, work.cancelled, work.finished) == (1, 1, 0)


async def test_a_cancel_is_answered_at_once_even_when_the_handler_is_stubborn(socket: Path) -> None:
    work = Work()
    async with clients(server(work.register), socket) as (client,):
        await client.initialize()
        asked = client.ask("hermitcrab/stubborn")
        await client.request("hermitcrab/echo")
        client.notify("$/cancelRequest", {"id": asked})
        await client.answer(asked, timeout=0.09)
        await cancelled_once(client, asked)


async def test_a_cancel_that_comes_too_late_or_for_nobody_changes_nothing(socket: Path) -> None:
    work = Work()
    async with clients(server(work.register), socket) as (client,):
        await client.initialize()
        asked = client.ask("hermitcrab/work", {"seconds": 0})
        assert (await client.answer(asked))["result"] == "done"
        for params in ({"id": asked}, {"id": "nobody"}, {"id": [1]}, {}, []):
            client.notify("$/cancelRequest", params)
        await client.request("hermitcrab/echo")
        assert len(client.replies(asked)) == 1
        client.send_bytes(frames(cancel(70), {"id": 70, "method": "hermitcrab/work", "params": {"seconds": 0}}))
        assert (await client.answer(70))["result"] == "done"


async def test_an_id_is_free_again_once_its_request_is_cancelled(socket: Path) -> None:
    work = Work()
    ask = {"id": 7, "method": "hermitcrab/work", "params": {"seconds": 30}}
    again = {"id": 7, "method": "hermitcrab/work", "params": {"seconds": 0}}
    async with clients(server(work.register), socket) as (client,):
        await client.initialize()
        client.send_bytes(frames(ask, cancel(7), again))
        await client.until(lambda: len(client.replies(7)) == 2)
        assert [("error" in reply) for reply in client.replies(7)] == [True, False]
        assert (work.begun, work.finished) == (1, 1)


async def test_shutdown_cancels_what_is_under_way(socket: Path) -> None:
    work = Work()
    async with clients(server(work.register), socket) as (client,):
        await client.initialize()
        asked = [client.ask("hermitcrab/work"), client.ask("workspace/executeCommand", {"command": "work"})]
        assert await client.request("shutdown") is None
        for message_id in asked:
            assert (await client.answer(message_id))["error"]["code"] == jsonrpc.REQUEST_CANCELLED
    assert work.cancelled == 2


# Order.


async def test_a_request_sees_the_text_as_it_was_when_it_came(socket: Path) -> None:
    def register(connection: Connection) -> None:
        version = [0]

        @connection.on("textDocument/didChange")
        def changed(params: Any) -> None:
            version[0] = params["textDocument"]["version"]

        @connection.on("hermitcrab/version")
        async def ask(_params: Any) -> int:
            return version[0]

        @connection.feature(types.TEXT_DOCUMENT_HOVER)
        def hover(_params: types.HoverParams) -> types.Hover:
            return types.Hover(str(version[0]))

    place = {"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0}}
    async with clients(server(register), socket) as (client,):
        result = await client.initialize()
        assert result["capabilities"]["textDocumentSync"]["openClose"] is True
        for number in range(1, 201, 2):
            client.send_bytes(
                frames(
                    {"method": "textDocument/didChange", "params": {"textDocument": {"version": number}}},
                    {"id": number, "method": "hermitcrab/version"},
                    {"method": "textDocument/didChange", "params": {"textDocument": {"version": number + 1}}},
                    {"id": number + 1, "method": "textDocument/hover", "params": place},
                )
            )
        assert [(await client.answer(number))["result"] for number in range(3, 201, 2)] == list(range(3, 201, 2))
        hovers = [(await client.answer(number))["result"]["contents"] for number in range(2, 201, 2)]
        assert hovers == [str(number) for number in range(2, 201, 2)]


async def test_an_ordered_handler_is_done_before_the_next_message_is_begun(socket: Path) -> None:
    seen: list[str] = []

    def register(connection: Connection) -> None:
        @connection.on("textDocument/didOpen", is_ordered=True)
        async def opened(_params: Any) -> None:
            await asyncio.sleep(0.05)
            seen.append("opened")

        @connection.on("textDocument/didChange")
        def changed(_params: Any) -> None:
            seen.append("changed")

    async with clients(server(register), socket) as (client,):
        await client.initialize()
        client.send_bytes(
            frames({"method": "textDocument/didOpen", "params": {}}, {"method": "textDocument/didChange", "params": {}})
        )
        await client.request("hermitcrab/echo")
    assert seen == ["opened", "changed"]


def sessions(connection: Connection) -> None:
    """Handlers whose session speaks before they answer, itself and from elsewhere."""

    def say(session: str, text: str) -> None:
        connection.notify("hermitcrab/session/update", {"sessionId": session, "text": text})

    async def speak(params: Any, session: str) -> Any:
        elsewhere = asyncio.create_task(asyncio.sleep(0))
        elsewhere.add_done_callback(lambda _task: say(session, "from elsewhere"))
        say(session, "from the handler")
        say("another", "of another session")
        await asyncio.sleep(0.02)
        if params.get("fail"):
            raise JsonRpcException("no", 1)
        return {"sessionId": session}

    @connection.on("hermitcrab/session/new", reply="first")
    async def new(params: Any) -> Any:
        return await speak(params, "s1")

    @connection.on("hermitcrab/session/load", reply="last")
    async def load(params: Any) -> Any:
        for number in range(1000):
            say(params["sessionId"], str(number))
        return {}

    @connection.on("hermitcrab/session/prompt", reply="first")
    async def prompt(params: Any) -> Any:
        return await speak(params, params["sessionId"])


def story(client: Any) -> list[str]:
    return [m["params"]["text"] if "method" in m else "reply" for m in client.messages[1:]]


async def test_the_reply_to_a_new_session_comes_before_its_news(socket: Path) -> None:
    async with clients(server(sessions), socket) as (client,):
        await client.initialize()
        await client.request("hermitcrab/session/new")
        await client.until(lambda: len(client.messages) == 5)
        assert story(client)[0] == "reply"
        assert [text for text in story(client) if text.startswith("from")] == ["from the handler", "from elsewhere"]


async def test_the_reply_to_a_prompt_comes_before_its_news_and_others_do_not_wait(socket: Path) -> None:
    async with clients(server(sessions), socket) as (client,):
        await client.initialize()
        await client.request("hermitcrab/session/prompt", {"sessionId": "s1"})
        await client.until(lambda: len(client.messages) == 5)
        assert story(client) == ["of another session", "reply", "from the handler", "from elsewhere"]


async def test_news_held_for_a_reply_is_let_go_by_an_error_too(socket: Path) -> None:
    async with clients(server(sessions), socket) as (client,):
        await client.initialize()
        await client.answer(client.ask("hermitcrab/session/prompt", {"sessionId": "s1", "fail": True}))
        await client.until(lambda: len(client.messages) == 5)
        assert story(client)[1] == "reply"


async def test_the_reply_to_a_replay_can_stand_behind_it(socket: Path) -> None:
    async with clients(server(sessions), socket) as (client,):
        await client.initialize()
        await client.request("hermitcrab/session/load", {"sessionId": "s1"})
        assert story(client) == [*map(str, range(1000)), "reply"]


# Asking back.


async def test_a_question_is_answered_refused_or_withdrawn_in_time(socket: Path) -> None:
    def register(connection: Connection) -> None:
        @connection.on("hermitcrab/ask")
        async def ask(params: Any) -> Any:
            try:
                return await connection.request("hermitcrab/question", params, timeout=params.get("timeout", 5))
            except JsonRpcException as error:
                return f"refused: {error.message} ({error.code})"
            except TimeoutError:
                return "no answer"

    async with clients(server(register), socket) as (client,):
        await client.initialize()
        asked = client.ask("hermitcrab/ask", {"_meta": 1})
        question = await client.question("hermitcrab/question")
        assert question["params"] == {"_meta": 1}
        client.reply(question["id"], {"_meta": 2})
        assert (await client.answer(asked))["result"] == {"_meta": 2}

        for error, said in [
            ({"code": -32601, "message": "what?"}, "refused: what? (-32601)"),
            ({}, "refused: the client answered with an error (-32603)"),
            ("odd", "refused: the client answered with an error that is no object (-32603)"),
        ]:
            client.messages.clear()
            asked = client.ask("hermitcrab/ask", {"x": 1})
            question = await client.question("hermitcrab/question")
            client.send({"jsonrpc": "2.0", "id": question["id"], "error": error})
            assert (await client.answer(asked))["result"] == said

        client.messages.clear()
        asked = client.ask("hermitcrab/ask", {"timeout": 0.05})
        question = await client.question("hermitcrab/question")
        assert (await client.answer(asked))["result"] == "no answer"
        withdrawn = await client.question("$/cancelRequest")
        assert withdrawn["params"] == {"id": question["id"]}
        client.reply(question["id"], "late")
        assert await client.request("hermitcrab/echo", {"a": 1}) == {"a": 1}


async def test_cancelling_a_request_withdraws_the_question_it_waits_for(socket: Path) -> None:
    def register(connection: Connection) -> None:
        @connection.on("hermitcrab/ask")
        async def ask(params: Any) -> Any:
            return await connection.request("hermitcrab/question", params)

    async with clients(server(register), socket) as (client,):
        await client.initialize()
        asked = client.ask("hermitcrab/ask")
        question = await client.question("hermitcrab/question")
        client.notify("$/cancelRequest", {"id": asked})
        assert (await client.question("$/cancelRequest"))["params"] == {"id": question["id"]}
        await cancelled_once(client, asked)


async def test_who_waits_for_a_client_that_leaves_is_told(socket: Path) -> None:
    told: list[Exception] = []
    tasks: list[asyncio.Task[None]] = []

    def register(connection: Connection) -> None:
        async def turn() -> None:
            try:
                await connection.request("hermitcrab/question", {})
            except ClientGoneError as error:
                told.append(error)
            try:
                await connection.request("hermitcrab/question", {})
            except ClientGoneError as error:
                told.append(error)
            connection.notify("hermitcrab/said", {})

        @connection.on("hermitcrab/begin")
        def begin(_params: Any) -> None:
            tasks.append(asyncio.create_task(turn()))

    async with clients(server(register), socket) as (client,):
        await client.initialize()
        await client.request("hermitcrab/begin")
        await client.question("hermitcrab/question")
    await asyncio.wait_for(tasks[0], 1)
    assert [type(error) for error in told] == [ClientGoneError, ClientGoneError]


async def test_pygls_own_calls_work(socket: Path) -> None:
    def register(connection: Connection) -> None:
        @connection.command("go")
        async def go(name: str) -> Any:
            params = types.ShowMessageRequestParams(types.MessageType.Info, name, [types.MessageActionItem("Yes")])
            chosen = await connection.window_show_message_request_async(params)
            token = "t"
            await connection.work_done_progress.create_async(token)
            connection.work_done_progress.begin(token, types.WorkDoneProgressBegin("Fix", cancellable=True))
            connection.work_done_progress.end(token, types.WorkDoneProgressEnd())
            return chosen

    async with clients(server(register), socket) as (client,):
        await client.initialize()
        asked = client.ask("workspace/executeCommand", {"command": "go", "arguments": ["Sure?"]})
        question = await client.question("window/showMessageRequest")
        assert question["params"] == {"type": 3, "message": "Sure?", "actions": [{"title": "Yes"}]}
        client.reply(question["id"], {"title": "Yes"})
        client.reply((await client.question("window/workDoneProgress/create"))["id"], None)
        assert (await client.answer(asked))["result"] == {"title": "Yes"}
        kinds = [m["params"]["value"]["kind"] for m in client.messages if m.get("method") == "$/progress"]
        assert kinds == ["begin", "end"]
        wrong = await client.answer(client.ask("workspace/executeCommand", {"command": "go", "arguments": []}))
        assert wrong["error"]["code"] == jsonrpc.INVALID_PARAMS


async def test_a_large_request_of_a_standard_kind_is_read_off_the_loop_and_in_order(socket: Path) -> None:
    seen: list[str] = []

    def register(connection: Connection) -> None:
        @connection.feature(types.TEXT_DOCUMENT_CODE_ACTION)
        def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
            seen.append("actions")
            return [types.CodeAction(str(len(params.context.diagnostics)))]

        @connection.on("textDocument/didChange")
        def changed(_params: Any) -> None:
            seen.append("changed")

    place = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}}
    problem = {"range": place, "message": "m" * 100, "severity": 2}
    params = {"textDocument": {"uri": "file:///a"}, "range": place, "context": {"diagnostics": [problem] * 3000}}
    async with clients(server(register), socket) as (client,):
        await client.initialize()
        client.send_bytes(
            frames(
                {"id": "big", "method": "textDocument/codeAction", "params": params},
                {"method": "textDocument/didChange", "params": {}},
            )
        )
        assert (await client.answer("big"))["result"] == [{"title": "3000"}]
        await client.request("hermitcrab/echo")
        assert seen == ["actions", "changed"]


async def test_all_of_a_clients_capabilities_are_known_though_few_are_read_at_once(socket: Path) -> None:
    made: list[Connection] = []
    capabilities = {
        "general": {"positionEncodings": ["utf-8", "utf-16"]},
        "textDocument": {"synchronization": {"didSave": True}, "hover": {"contentFormat": ["markdown"]}},
        "window": {"workDoneProgress": True},
        "experimental": {"hermitcrab": {"version": 1, "save": True, "_meta": {"x-y": 1}}},
    }
    async with clients(server(made.append), socket) as (client,):
        result = await client.initialize(capabilities=capabilities, clientInfo={"name": "Neovim", "version": "0.12"})
        assert result["capabilities"]["positionEncoding"] == "utf-8"
        (connection,) = made
        assert (connection.client_name, connection.client_version) == ("Neovim", "0.12")
        assert (connection.encoding, connection.profile.name) == ("utf-8", "neovim")
        assert connection.capabilities == capabilities
        assert connection.client_experimental == {"version": 1, "save": True, "_meta": {"x-y": 1}}
        window, text = connection.client_capabilities.window, connection.client_capabilities.text_document
        assert window is not None
        assert window.work_done_progress is True
        assert text is not None
        assert text.hover is not None


@pytest.mark.parametrize("capabilities", [7, {"general": 7}])
async def test_capabilities_that_are_none_are_refused(socket: Path, capabilities: Any) -> None:
    async with clients(server(lambda _connection: None), socket) as (client,):
        reply = await client.answer(client.ask("initialize", {"capabilities": capabilities}))
        assert reply["error"]["code"] == jsonrpc.INVALID_PARAMS


@pytest.mark.parametrize("size", range(1_000_000, 1_300_000, 10_000))
async def test_the_last_words_are_written_before_the_end(socket: Path, size: int) -> None:
    left = 300_000

    def register(connection: Connection) -> None:
        connection.on("hermitcrab/big")(lambda _params: "x" * size)

    listener = await serve_unix(server(register), socket)
    reader, writer = await asyncio.open_unix_connection(socket, limit=1000)
    initialize = {"id": 1, "method": "initialize", "params": {"capabilities": {}}}
    writer.write(frames(initialize, {"id": "big", "method": "hermitcrab/big"}, {"method": "exit"}))
    await reader.readexactly(size - left)
    await asyncio.sleep(0.01)  # what is left is about as much as lies between us
    rest = await reader.read()
    assert rest.endswith(b'xxx"}')
    assert len(rest) > left
    writer.close()
    listener.close()
