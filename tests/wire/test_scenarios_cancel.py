"""A cancel at any moment, by any way: acknowledged, no effect afterwards, no process left, and the session lives on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hermitcrab.core.messages import Prompt, StreamPart, UserMessage
from hermitcrab.providers.scripted import ScriptedProvider
from wire.lsp_editor import WAIT, EditorClient, House, frames, house, prompt_params, spawned

MARK = "HERMITCRAB_TEST_MARK"
LATE = "(sleep 1; touch late.txt) & setsid sh -c 'sleep 1; touch late.txt; sleep 60' & echo begun; sleep 1; touch late.txt; sleep 60"
BASH = f'call Bash {{"command": "{LATE}"}}\n\nsay Never said.\n'


class Model:
    """Does what its script says when told to go, and answers *Back.* to everything else."""

    wire = "scripted"

    def __init__(self, script: str) -> None:
        self._script = ScriptedProvider(script)
        self._back = ScriptedProvider("say Back.\n\n" * 5)

    def stream(self, prompt: Prompt) -> AsyncIterator[StreamPart]:
        words = [block for message in prompt.messages if isinstance(message, UserMessage) for block in message.blocks]
        is_back = "again" in str(words[-1])
        return (self._back if is_back else self._script).stream(prompt)

    async def close(self) -> None: ...


SCRIPTS = {
    "behind the prompt": BASH,
    "during the stream": f"say-many 200\nwait 60\n{BASH}",
    "during a command": BASH,
    "during a question": BASH,
}


async def reached(editor: EditorClient, moment: str) -> None:
    """Wait until the turn is where the test wants it."""
    match moment:
        case "during the stream":
            await editor.update(lambda update: update["sessionUpdate"] == "agent_message_chunk")
        case "during a command":
            await editor.update(lambda update: "begun" in update.get("appended", ""))
        case "during a question":
            await editor.question("hermitcrab/permission/request", WAIT)


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Mark every process that is started from now on."""
    monkeypatch.setenv(MARK, value := uuid4().hex)
    return value


def marked(mark: str) -> list[str]:
    """Return the command lines of the processes that carry our mark."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


async def until(holds: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def assert_nothing_follows(place: House, session: str, mark: str) -> None:
    """The end is logged, no process is left, and so nothing can come any more; what would have come did not."""
    await until(lambda: ends(place, session), "the turn has no end in the log")
    await until(lambda: not marked(mark), f"processes are left: {marked(mark)}")
    assert ends(place, session) == ["cancelled"]
    assert place.log(session)[-1]["kind"] == "turn_end"
    assert not (place.root / "late.txt").exists()


def ends(place: House, session: str) -> list[str]:
    return [record["reason"] for record in place.log(session) if record["kind"] == "turn_end"]


async def assert_it_lives_on(editor: EditorClient, session: str) -> None:
    end = await editor.say(session, "again")
    assert end["stopReason"] == "end_turn"
    assert editor.updates(session)[-1] == end or "usage" in editor.updates(session)[-1]
    chunks = [u for u in editor.updates(session) if u["sessionUpdate"] == "agent_message_chunk"]
    assert chunks[-1]["content"]["text"] == "Back."


async def settled(editor: EditorClient, moment: str, mark: str) -> None:
    """Wait until what is asked for before a cancel is there."""
    if moment == "during a command":
        await until(lambda: len(marked(mark)) >= 3, "the command did not start its children")


async def by_request(editor: EditorClient, session: str, turn: str) -> None:
    answer = await editor.request("hermitcrab/session/cancel", {"sessionId": session}, WAIT)
    assert answer == {"cancelled": True}
    last = [u for u in editor.updates(session) if "stopReason" in u]
    assert [update["turnId"] for update in last] == [turn], "the end comes before the answer"


async def by_notification(editor: EditorClient, session: str, _turn: str) -> None:
    editor.notify("hermitcrab/session/cancel", {"sessionId": session})


async def by_progress(editor: EditorClient, _session: str, turn: str) -> None:
    await editor.until(lambda: {"token": turn} in editor.news("window/workDoneProgress/create"), WAIT)
    editor.notify("window/workDoneProgress/cancel", {"token": turn})


async def by_command(editor: EditorClient, session: str, _turn: str) -> None:
    params = {"command": "hermitcrab.cancel", "arguments": [{"sessionId": session}]}
    assert (await editor.request("workspace/executeCommand", params, WAIT))["cancelled"] is True


Way = Callable[[EditorClient, str, str], Awaitable[None]]
WAYS: list[Way] = [by_request, by_notification, by_progress, by_command]
MOMENTS = ["during the stream", "during a command", "during a question"]


def mode(moment: str) -> dict[str, Any]:
    return {"modeId": "default" if moment == "during a question" else "bypass"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_turn_is_stopped(tmp_path: Path, mark: str, moment: str, way: Way) -> None:
    async with house(tmp_path / "project", Model(SCRIPTS[moment]), trusted=True) as place:
        editor = await place.editor()
        session = await editor.new_session(place.root)
        await editor.request("hermitcrab/session/setMode", {"sessionId": session, **mode(moment)})
        turn = await editor.prompt(session, "go")
        await reached(editor, moment)
        await settled(editor, moment, mark)
        await way(editor, session, turn)
        end = await editor.end_of(turn)
        assert end["stopReason"] == "cancelled"
        await assert_nothing_follows(place, session, mark)
        assert editor.updates(session)[-1] == end
        await assert_it_lives_on(editor, session)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_client_that_dies_takes_its_turn_with_it(tmp_path: Path, mark: str, moment: str) -> None:
    async with house(tmp_path / "project", Model(SCRIPTS[moment]), trusted=True) as place:
        editor = await place.editor()
        session = await editor.new_session(place.root)
        await editor.request("hermitcrab/session/setMode", {"sessionId": session, **mode(moment)})
        await editor.prompt(session, "go")
        await reached(editor, moment)
        await settled(editor, moment, mark)
        await editor.leave()
        await assert_nothing_follows(place, session, mark)
        other = await place.editor()
        await other.request("hermitcrab/session/load", {"sessionId": session})
        await assert_it_lives_on(other, session)


BEHIND = {
    "session/cancel": {"id": "c", "method": "hermitcrab/session/cancel", "params": {}},
    "session/cancel, unasked": {"method": "hermitcrab/session/cancel", "params": {}},
    "the command": {
        "id": "c",
        "method": "workspace/executeCommand",
        "params": {"command": "hermitcrab.cancel", "arguments": [{}]},
    },
}


@pytest.mark.parametrize("way", BEHIND)
async def test_a_cancel_right_behind_the_prompt_in_one_write(tmp_path: Path, mark: str, way: str) -> None:
    async with house(tmp_path / "project", Model(BASH), trusted=True) as place:
        editor = await place.editor()
        session = await editor.new_session(place.root)
        await editor.request("hermitcrab/session/setMode", {"sessionId": session, "modeId": "bypass"})
        cancel = {**BEHIND[way]}
        cancel["params"] = {**cancel["params"], "sessionId": session}
        if "command" in cancel["params"]:
            cancel["params"]["arguments"] = [{"sessionId": session}]
        prompt = {"id": "p", "method": "hermitcrab/session/prompt", "params": prompt_params(session, "go")}
        editor.send_bytes(frames(prompt, cancel))
        turn = (await editor.answer("p", WAIT))["result"]["turnId"]
        if "id" in cancel:
            assert (await editor.answer("c", WAIT))["result"]["cancelled"] is True
        assert (await editor.end_of(turn))["stopReason"] == "cancelled"
        await assert_nothing_follows(place, session, mark)
        assert [record["kind"] for record in place.log(session) if record["kind"].startswith("tool")] == []
        await assert_it_lives_on(editor, session)


async def test_a_prompt_cancelled_as_a_request_in_the_same_write_never_begins(tmp_path: Path, mark: str) -> None:
    async with house(tmp_path / "project", Model(BASH), trusted=True) as place:
        editor = await place.editor()
        session = await editor.new_session(place.root)
        prompt = {"id": "p", "method": "hermitcrab/session/prompt", "params": prompt_params(session, "go")}
        editor.send_bytes(frames(prompt, {"method": "$/cancelRequest", "params": {"id": "p"}}))
        assert (await editor.answer("p", WAIT))["error"]["code"] == -32800
        await editor.heard()
        assert [record["kind"] for record in place.log(session)] == ["session"]
        assert marked(mark) == []
        await assert_it_lives_on(editor, session)


async def test_a_client_that_dies_right_behind_its_prompt(tmp_path: Path, mark: str) -> None:
    async with house(tmp_path / "project", Model(BASH), trusted=True) as place:
        editor = await place.editor()
        session = await editor.new_session(place.root)
        await editor.request("hermitcrab/session/setMode", {"sessionId": session, "modeId": "bypass"})
        editor.send_bytes(
            frames({"id": "p", "method": "hermitcrab/session/prompt", "params": prompt_params(session, "go")})
        )
        await editor.writer.drain()
        await editor.leave()
        await until(place.connections[0].ended.is_set, "the connection does not end")
        await until(lambda: not marked(mark), f"processes are left: {marked(mark)}")
        assert ends(place, session) in ([], ["cancelled"])
        assert not (place.root / "late.txt").exists()
        other = await place.editor()
        await other.request("hermitcrab/session/load", {"sessionId": session})
        await assert_it_lives_on(other, session)


async def test_a_withdrawn_question_is_taken_from_the_screen_and_answers_to_it_count_for_nothing(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "project", Model(BASH), trusted=True) as place:
        editor = await place.editor()
        session = await editor.new_session(place.root)
        turn = await editor.prompt(session, "go")
        asked = await editor.question("hermitcrab/permission/request", WAIT)
        await by_request(editor, session, turn)
        await editor.until(lambda: {"id": asked["id"]} in editor.news("$/cancelRequest"), WAIT)
        editor.reply(asked["id"], {"outcome": {"outcome": "selected", "optionId": "allow_once"}})
        await editor.heard()
        assert ends(place, session) == ["cancelled"]
        (settled_as,) = [record["outcome"] for record in place.log(session) if record["kind"] == "permission"]
        assert settled_as == "cancelled"
        assert not [record for record in place.log(session) if record["kind"] == "tool_intent"]


async def test_what_was_running_is_logged_as_may_have_run(tmp_path: Path, mark: str) -> None:
    async with house(tmp_path / "project", Model(BASH), trusted=True) as place:
        editor = await place.editor()
        session = await editor.new_session(place.root)
        await editor.request("hermitcrab/session/setMode", {"sessionId": session, "modeId": "bypass"})
        turn = await editor.prompt(session, "go")
        await reached(editor, "during a command")
        await by_request(editor, session, turn)
        (result,) = [record for record in place.log(session) if record["kind"] == "tool_result"]
        assert (result["status"], result["notes"]) == ("cancelled", ["may have run"])
        await until(lambda: not marked(mark), "processes are left")


async def test_cancelling_when_nothing_runs_says_so(tmp_path: Path) -> None:
    async with house(tmp_path / "project", Model("say Hello.\n")) as place:
        editor = await place.editor()
        session = await editor.new_session(place.root)
        assert await editor.request("hermitcrab/session/cancel", {"sessionId": session}) == {"cancelled": False}
        await editor.say(session, "again")
        assert await editor.request("hermitcrab/session/cancel", {"sessionId": session}) == {"cancelled": False}


async def test_an_editor_that_closes_the_pipe_leaves_no_process_of_ours(tmp_path: Path) -> None:
    root, value = tmp_path / "project", uuid4().hex
    async with spawned(root, BASH, answers=["trust"], env={MARK: value}) as editor:
        session = await editor.new_session(root)
        await editor.prompt(session, "go")
        await reached(editor, "during a command")
        await editor.leave()
        await until(lambda: not marked(value), f"processes are left: {marked(value)}")
        assert not (root / "late.txt").exists()
    assert editor.process is not None
    assert editor.process.returncode == 1
