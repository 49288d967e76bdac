"""Bad input over the real door: a clear error to the right listener, the server answers on, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from simulator.clock import run
from simulator.editor import Manners
from wire.lsp_editor import WAIT, EditorClient, House, frames, house, prompt_params, spawned

TEXT = "x = 1\n"


def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text(TEXT)
    return root


async def still_works(editor: EditorClient) -> None:
    """The server answers, and what the user had typed is as it was."""
    status = await editor.request("hermitcrab/status", {}, WAIT)
    assert status["running"] == 0


def error_of(reply: dict[str, Any]) -> tuple[int, str]:
    return reply["error"]["code"], reply["error"]["message"]


# What is no message.

NOISE = {
    "garbage": (b"hello?\r\n\r\n", -32700),
    "no length": (b"Content-Type: text/plain\r\n\r\n{}", -32700),
    "a negative length": (b"Content-Length: -5\r\n\r\n", -32700),
    "a length that is none": (b"Content-Length: many\r\n\r\n", -32700),
    "no JSON": (b'Content-Length: 9\r\n\r\n{"id": 1,', -32700),
    "no UTF-8": (b"Content-Length: 4\r\n\r\n\xff\xfe\xfd\xfc", -32700),
    "a batch": (b"Content-Length: 2\r\n\r\n[]", -32600),
    "a number": (b"Content-Length: 2\r\n\r\n42", -32600),
    "deep": (b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000, -32700),
}


@pytest.mark.parametrize("kind", NOISE)
async def test_noise_on_the_line_is_named_and_the_next_message_is_heard(tmp_path: Path, kind: str) -> None:
    async with house(root := project(tmp_path), "say Hello.\n") as place:
        editor = await place.editor()
        editor.sim.open((root / "a.py").as_uri(), TEXT)
        noise, code = NOISE[kind]
        editor.send_bytes(noise)
        await still_works(editor)
        codes = [reply["error"]["code"] for reply in editor.replies(None)]
        assert codes == [code], editor.replies(None)
        assert (await editor.say(await editor.new_session(root), "hi"))["stopReason"] == "end_turn"


async def test_a_hundred_megabytes_are_refused_and_skipped_by_the_real_process(tmp_path: Path) -> None:
    root = project(tmp_path)
    async with spawned(root, "say Hello.\n") as editor:
        size = 100 * 1024 * 1024
        editor.send_bytes(b"Content-Length: %d\r\n\r\n" % size)
        piece = b" " * (1 << 20)
        for _ in range(size // len(piece)):
            editor.send_bytes(piece)
            await editor.writer.drain()
        await still_works(editor)
        ((code, message),) = [error_of(reply) for reply in editor.replies(None)]
        assert code == -32600
        assert f"{size} bytes" in message
        assert editor.process is not None
        peak = Path(f"/proc/{editor.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
        assert int(peak) < 250_000, f"{peak} kB: what is refused is not kept"


async def test_a_length_that_never_comes_holds_up_nobody_else(tmp_path: Path) -> None:
    async with house(project(tmp_path), "say Hello.\n") as place:
        silent, other = await place.editor(), await place.editor()
        silent.send_bytes(b"Content-Length: 1000000\r\n\r\n{")
        await still_works(other)
        await silent.leave()
        await still_works(other)


# What is no request of ours.

SESSION = {"sessionId": "ses_nobody"}
REFUSED: dict[str, tuple[str, Any, int, str]] = {
    "an unknown method": ("textDocument/nonsense", {}, -32601, "textDocument/nonsense"),
    "an unknown method of ours": ("hermitcrab/session/sing", {}, -32601, "hermitcrab/session/sing"),
    "a prompt into no session": ("hermitcrab/session/prompt", prompt_params("ses_nobody", "hi"), -32803, "ses_nobody"),
    "a load of no session": ("hermitcrab/session/load", SESSION, -32803, "ses_nobody"),
    "a path for a session": ("hermitcrab/session/load", {"sessionId": "../../etc/passwd"}, -32803, "no session"),
    "a cancel in no session": ("hermitcrab/session/cancel", SESSION, -32803, "ses_nobody"),
    "an undo in no session": ("hermitcrab/review/undo", SESSION, -32803, "ses_nobody"),
    "a prompt of the wrong shape": ("hermitcrab/session/prompt", {**SESSION, "prompt": "hi"}, -32602, "prompt"),
    "a prompt without a session": ("hermitcrab/session/prompt", {"prompt": []}, -32602, "sessionId"),
    "a mode that is none": ("hermitcrab/session/setMode", {**SESSION, "modeId": "yolo"}, -32602, "modeId"),
    "a session in no folder": ("hermitcrab/session/new", {"cwd": "/no/such/folder"}, -32803, "/no/such/folder"),
    "a session in a file": ("hermitcrab/session/new", {"cwd": "/etc/hostname"}, -32803, "/etc/hostname"),
    "a model that is none": ("hermitcrab/session/new", {"model": "gpt9"}, -32803, "gpt9"),
    "trust in nothing": ("hermitcrab/trust/set", {}, -32602, "trusted"),
    "params that are a list": ("hermitcrab/session/prompt", [1, 2], -32602, ""),
    "an unknown command": ("workspace/executeCommand", {"command": "rm -rf"}, -32602, "hermitcrab.fix"),
    "a command of no name": ("workspace/executeCommand", {}, -32602, "command"),
    "a fix of nothing": ("workspace/executeCommand", {"command": "hermitcrab.fix"}, -32602, "uri"),
    "a fix of a number": ("workspace/executeCommand", {"command": "hermitcrab.fix", "arguments": [7]}, -32602, "uri"),
    "a fix of a stranger": (
        "workspace/executeCommand",
        {"command": "hermitcrab.fix", "arguments": [{"uri": "file:///nowhere.py"}]},
        -32803,
        "not open",
    ),
    "a cancel before anything": ("workspace/executeCommand", {"command": "hermitcrab.cancel"}, -32803, "nothing"),
    "an undo before anything": ("workspace/executeCommand", {"command": "hermitcrab.undoTurn"}, -32803, "nothing"),
    "code actions of no document": ("textDocument/codeAction", {}, -32602, ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_request_that_makes_no_sense_is_answered_with_what_would(tmp_path: Path, what: str) -> None:
    async def story() -> None:
        async with house(project(tmp_path), "offline") as place:
            editor = await place.editor()
            method, params, code, helpful = REFUSED[what]
            editor.send({"jsonrpc": "2.0", "id": "odd", "method": method, "params": params})
            found, message = error_of(await editor.answer("odd", WAIT))
            assert (found, "Traceback" in message) == (code, False), message
            assert helpful in message
            await still_works(editor)

    run(story())


def test_a_wrong_range_is_answered_and_the_document_stands(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(root := project(tmp_path), "say Done.\n\n" * 9) as place:
            editor = await place.editor()
            uri = (root / "a.py").as_uri()
            editor.sim.open(uri, TEXT)
            for area in ("here", {"start": 1}, {"start": {"line": "a", "character": 0}, "end": {}}):
                params = {"command": "hermitcrab.fix", "arguments": [{"uri": uri, "range": area}]}
                message_id = editor.ask("workspace/executeCommand", params)
                assert (await editor.answer(message_id, WAIT))["error"]["code"] == -32602
            far = {"start": {"line": 10**9, "character": 5}, "end": {"line": 10**9, "character": 10**9}}
            place_ = {"textDocument": {"uri": uri}, "range": far, "context": {"diagnostics": []}}
            assert await editor.request("textDocument/codeAction", place_)
            await still_works(editor)

    run(story())


async def test_changes_of_a_document_that_was_never_opened_are_dropped(tmp_path: Path) -> None:
    async with house(root := project(tmp_path), "say Hello.\n") as place:
        editor = await place.editor()
        strange = {"uri": (root / "b.py").as_uri(), "version": 2}
        editor.notify("textDocument/didChange", {"textDocument": strange, "contentChanges": [{"text": "x"}]})
        editor.notify("textDocument/didClose", {"textDocument": strange})
        editor.notify("textDocument/didChange", {"nonsense": True})
        editor.notify("textDocument/didOpen", {"textDocument": {"uri": "untitled:1", "text": "", "version": 1}})
        await still_works(editor)


# Files.


def test_a_file_that_vanishes_between_the_offer_and_its_command(tmp_path: Path) -> None:
    async def story() -> None:
        script = "call Read file_path=a.py\n\ncall Edit file_path=a.py old_string=1 new_string=2\n\nsay Done.\n"
        async with house(root := project(tmp_path), script) as place:
            editor = await place.editor()
            uri = (root / "a.py").as_uri()
            editor.sim.open(uri, TEXT)
            area = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 5}}
            params = {"textDocument": {"uri": uri}, "range": area, "context": {"diagnostics": []}}
            offer = (await editor.request("textDocument/codeAction", params))[0]
            (root / "a.py").unlink()
            offer = offer if "command" in offer else await editor.request("codeAction/resolve", offer)
            began = await editor.request("workspace/executeCommand", offer["command"])
            await editor.end_of(began["turnId"])
            assert editor.sim.buffers[uri].text == "x = 2\n", "the buffer is what the user sees, and it is edited"
            assert not (root / "a.py").exists(), "and nothing is written behind their back"
            await still_works(editor)

    run(story())


def test_a_document_closed_between_the_offer_and_its_command(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(root := project(tmp_path), "say Hello.\n") as place:
            editor = await place.editor()
            uri = (root / "a.py").as_uri()
            editor.sim.open(uri, TEXT)
            editor.sim.close(uri)
            params = {"command": "hermitcrab.explain", "arguments": [{"uri": uri}]}
            code, message = error_of(await editor.answer(editor.ask("workspace/executeCommand", params), WAIT))
            assert (code, "not open" in message) == (-32803, True)
            await still_works(editor)

    run(story())


FILES = {
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "binary"),
    "undecodable": (b"caf\xe9 = 1\n" + b"\xff\xfe\xfa" * 20, ""),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_no_text_are_refused_and_keep_every_byte(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        script = "call Read file_path=b\n\ncall Edit file_path=b old_string=1 new_string=2\n\nsay Done.\n"
        async with house(root := project(tmp_path), script) as place:
            content, word = FILES[kind]
            (root / "b").write_bytes(content)
            editor = await place.editor()
            await editor.say(await editor.new_session(root), "change it")
            assert [result["status"] for result in editor.results()] == ["failed", "failed"]
            assert "b`" in editor.results()[0]["text"]
            assert word in editor.results()[0]["text"]
            assert (root / "b").read_bytes() == content

    run(story())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_utf_16_and_byte_order_marks_are_read_and_kept(tmp_path: Path, encoding: str) -> None:
    async def story() -> None:
        script = "call Read file_path=b.txt\n\ncall Edit file_path=b.txt old_string=one new_string=蟹\n\nsay Done.\n"
        async with house(root := project(tmp_path), script) as place:
            (root / "b.txt").write_bytes("one\r\ntwo\r\n".encode(encoding))
            editor = await place.editor()
            await editor.say(await editor.new_session(root), "change it")
            assert [result["status"] for result in editor.results()] == ["completed", "completed"]
            assert (root / "b.txt").read_bytes() == "蟹\r\ntwo\r\n".encode(encoding)

    run(story())


async def test_twenty_megabytes_are_opened_and_typed_into(tmp_path: Path) -> None:
    script = (
        "call Read file_path=big.txt offset:=200000 limit:=2\n\n"
        'call Edit {"file_path": "big.txt", "old_string": "line 0300000 蟹", "new_string": "line 0300000 🦀"}\n\n'
        "say Done.\n"
    )
    async with house(root := project(tmp_path), script) as place:
        lines = [f"line {number:07d} 蟹 ....................................\n" for number in range(380_000)]
        text = "".join(lines)
        assert len(text.encode()) > 20_000_000
        (root / "big.txt").write_bytes(text.encode())
        big, other = Plain(await place.editor()), await place.editor()
        uri = (root / "big.txt").as_uri()
        big.client.notify(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": "text", "version": 1, "text": text}},
        )
        for number in range(200):
            line = number * 1500
            place_ = {"line": line, "character": 0}
            change = {"range": {"start": place_, "end": place_}, "text": "✎"}
            big.client.notify(
                "textDocument/didChange",
                {"textDocument": {"uri": uri, "version": number + 2}, "contentChanges": [change]},
            )
            lines[line] = "✎" + lines[line]
        await still_works(other)
        await still_works(big.client)
        document = place.host.documents.find(place.connections[0].id, uri)
        assert (document.version, document.text == "".join(lines)) == (201, True)
        end = await big.client.say(await big.client.new_session(root), "read and edit", 4 * WAIT)
        assert end["stopReason"] == "end_turn"
        read, refused = big.client.results()
        assert "0199999" in read["text"]
        assert refused["status"] == "failed", "this editor refuses every edit"
        assert (root / "big.txt").read_bytes() == text.encode()


class Plain:
    """An editor that keeps no text of its own, for files too large for the simulator, and refuses edits."""

    def __init__(self, client: EditorClient) -> None:
        self.client = client
        client.sim.manners = Manners(refuses="read-only")


# Models.

MODELS: dict[str, tuple[str, str, str]] = {
    "broken JSON": ('broken Bash {"command": "touch ran\n\nsay I see.\n', "end_turn", "not valid JSON"),
    "no object": ("broken Read [1, 2]\n\nsay I see.\n", "end_turn", ""),
    "an unknown tool": ("call Sing song=x\n\nsay I see.\n", "end_turn", "there is no tool `Sing`"),
    "an unknown key": ("call Read file_path=a.py volume=11\n\nsay I see.\n", "end_turn", "volume"),
    "a missing key": ("call Edit file_path=a.py\n\nsay I see.\n", "end_turn", "old_string"),
    "a wrong type": ("call Read file_path=a.py limit=many\n\nsay I see.\n", "end_turn", "limit"),
    "a path outside": ("call Read file_path=../../../../etc/passwd\n\nsay I see.\n", "end_turn", ""),
    "a name with control characters": ('call Read {"file_path": "a\\u0000.py"}\n\nsay I see.\n', "end_turn", "control"),
    "a stream that breaks inside a call": ('cut-call Bash {"command": "touch ra\n\nsay I see.\n', "error", ""),
}


@pytest.mark.parametrize("what", MODELS)
def test_a_model_that_makes_no_sense_is_told_and_nothing_runs(tmp_path: Path, what: str) -> None:
    async def story() -> None:
        script, end, helpful = MODELS[what]
        async with house(root := project(tmp_path), script, trusted=True) as place:
            editor = await place.editor(answers=["reject"])
            session = await editor.new_session(root)
            await editor.request("hermitcrab/session/setMode", {"sessionId": session, "modeId": "default"})
            found = await editor.say(session, "go on")
            assert found["stopReason"] == end
            assert [result["status"] for result in editor.results() if result["status"] == "completed"] == []
            assert helpful in "".join(result["text"] for result in editor.results())
            assert not (root / "ran").exists()
            assert (root / "a.py").read_text() == TEXT
            await still_works(editor)

    run(story())


def test_a_model_that_loops_for_ever_is_stopped_and_the_user_told(tmp_path: Path) -> None:
    async def story() -> None:
        loop = "".join(f"call Read file_path=a.py offset={line}\n\n" for line in range(1, 101))
        async with house(root := project(tmp_path), loop, command_line={"max_turns": 7}) as place:
            editor = await place.editor()
            end = await editor.say(await editor.new_session(root), "read")
            assert end["stopReason"] == "max_turn_requests"
            assert "7 model requests" in end["message"]
            assert len(editor.results()) == 7

    run(story())


async def test_a_model_that_cannot_be_reached_is_told_to_the_user_not_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-dummy")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    command_line = {"model": "anthropic/claude-mock"}
    async with house(root := project(tmp_path), "offline", command_line=command_line) as place:
        plain, ours = await place.editor(plugin=False), await place.editor()
        session = await ours.new_session(root)
        end = await ours.say(session, "hello")
        assert end["stopReason"] == "error"
        assert "127.0.0.1:9" in end["message"]
        assert "ANTHROPIC_BASE_URL" in end["message"]
        assert "sk-dummy" not in json.dumps(ours.messages)
        uri = (root / "a.py").as_uri()
        plain.sim.open(uri, TEXT)
        await plain.request("workspace/executeCommand", {"command": "hermitcrab.explain", "arguments": [{"uri": uri}]})
        (said,) = await plain.until(lambda: plain.news("window/showMessage"), WAIT)
        assert (said["type"], "127.0.0.1:9" in said["message"]) == (1, True)
        await still_works(plain)


def test_a_prompt_while_a_turn_runs_and_an_empty_one_are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(root := project(tmp_path), "say-many 10\nwait 60\nsay late\n") as place:
            editor = await place.editor()
            session = await editor.new_session(root)
            code, message = error_of(
                await editor.answer(editor.ask("hermitcrab/session/prompt", prompt_params(session, "  \n ")), WAIT)
            )
            assert (code, message) == (-32803, "the prompt is empty")
            await editor.prompt(session, "talk")
            asked = editor.ask("hermitcrab/session/prompt", prompt_params(session, "and?"))
            code, message = error_of(await editor.answer(asked, WAIT))
            assert (code, "a turn is running" in message) == (-32803, True)
            await editor.request("hermitcrab/session/cancel", {"sessionId": session})

    run(story())


async def test_a_hail_of_requests_is_answered_one_by_one(tmp_path: Path) -> None:
    async with house(project(tmp_path), "offline") as place:
        editor = await place.editor()
        hail = [{"id": f"hail {n}", "method": REFUSED[what][0], "params": REFUSED[what][1]} for n, what in _many()]
        editor.send_bytes(frames(*hail))
        for n, what in _many():
            assert (await editor.answer(f"hail {n}", WAIT))["error"]["code"] == REFUSED[what][2]
        await still_works(editor)


def _many() -> list[tuple[int, str]]:
    return list(enumerate(list(REFUSED) * 10))


def test_a_log_that_cannot_be_written_ends_the_turn_and_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        script = "call Write file_path=new.py content=x\n\nsay Done.\n"
        async with house(root := project(tmp_path), script) as place:
            editor = await place.editor()
            session = await editor.new_session(root)
            break_log(place, session)
            end = await editor.say(session, "write")
            assert end["stopReason"] == "error"
            assert "log" in end["message"]
            assert not (root / "new.py").exists(), "nothing has effects that is not on record"
            await still_works(editor)

    run(story())


def break_log(place: House, session: str) -> None:
    """Let writing the log fail as a full disk does."""

    async def append(*_args: Any, **_options: Any) -> int:
        await asyncio.sleep(0)
        raise OSError(28, "No space left on device")

    assert place.host.built is not None
    place.host.built.session(session)._journal._log.append = append  # type: ignore[method-assign]
