"""A session on a real engine: one turn at a time, cancelled at any moment, told to everybody, taken up again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hermitcrab.app import build_engine
from hermitcrab.core import events
from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.messages import AssistantMessage, ResultBlock, UserMessage
from hermitcrab.engine.connection import Connection
from hermitcrab.engine.engine import Engine
from hermitcrab.engine.session import Session
from hermitcrab.providers.profiles import profile_of
from hermitcrab.providers.scripted import ScriptedProvider
from hermitcrab.store.paths import Paths

EDIT = 'call Edit file_path=a.py old_string="x = 1" new_string="x = 2"\n\nsay Done.\n'


class Asker:
    async def ask(self, question: Any) -> Any:
        await asyncio.Event().wait()


class Desk:
    """One engine, one window, one session, and what was heard of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        self.root.mkdir(exist_ok=True)
        self.file = self.root / "a.py"
        self.heard: list[events.Event] = []
        self.connection = Connection(
            "one", Asker(), lambda _, event: self.heard.append(event), command_line={"mode": "bypass"}
        )
        self.engine: Engine
        self.session: Session
        self.provider: ScriptedProvider

    async def open(self, script: str, session: str = "") -> Desk:
        self.provider = ScriptedProvider(script)
        self.engine = build_engine(
            paths=Paths.under(self.folder / "home"), provider=self.provider, profile=profile_of("scripted:x")
        )
        self.engine.connect(self.connection)
        if session:
            self.session, self.past, self.problems = await self.engine.load_session(self.connection, session)
        else:
            self.session = await self.engine.new_session(self.connection, self.root)
        return self

    async def again(self, script: str) -> Desk:
        await self.engine.close()
        return await self.open(script, self.session.id)

    async def say(self, text: str) -> events.TurnFinished:
        self.engine.prompt(self.session, text, self.connection)
        return await self.over()

    async def over(self) -> events.TurnFinished:
        async with asyncio.timeout(10):
            end = await self.session.wait()
        assert end is not None
        return end

    @property
    def log(self) -> Path:
        return next((self.folder / "home").rglob(f"{self.session.id}.jsonl"))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    desk.file.write_text("x = 1\n")
    yield desk
    await desk.engine.close()


async def test_a_second_prompt_and_an_undo_wait_for_the_turn(desk: Desk) -> None:
    await desk.open("wait 0.05\nsay Slow.")
    desk.engine.prompt(desk.session, "hello", desk.connection)
    with pytest.raises(HermitcrabError, match="a turn is running"):
        desk.session.prompt("me too", desk.connection)
    with pytest.raises(HermitcrabError, match="a turn is running"):
        await desk.session.undo(None, desk.connection)
    assert (await desk.over()).reason == "end_turn"


async def test_an_undo_under_way_keeps_prompt_and_second_undo_out(desk: Desk) -> None:
    await desk.open(EDIT)
    await desk.say("edit")
    undo = asyncio.create_task(desk.session.undo(None, desk.connection))
    await asyncio.sleep(0)
    with pytest.raises(HermitcrabError, match="being undone"):
        desk.session.prompt("me too", desk.connection)
    with pytest.raises(HermitcrabError, match="being undone"):
        await desk.session.undo(None, desk.connection)
    await undo
    assert desk.file.read_text() == "x = 1\n"


async def test_a_cancel_right_behind_the_prompt(desk: Desk) -> None:
    await desk.open(EDIT)
    desk.engine.prompt(desk.session, "edit", desk.connection)
    assert await desk.session.cancel()
    assert [event.reason for event in desk.heard if isinstance(event, events.TurnFinished)] == ["cancelled"]
    await asyncio.sleep(0.02)
    assert desk.file.read_text() == "x = 1\n"
    assert not await desk.session.cancel(), "there is nothing left to cancel"


@pytest.mark.parametrize("milliseconds", range(0, 24, 2))
async def test_a_turn_cancelled_at_any_moment_ends_once_and_can_be_undone(desk: Desk, milliseconds: int) -> None:
    await desk.open(EDIT)
    desk.engine.prompt(desk.session, "edit", desk.connection)
    await asyncio.sleep(milliseconds / 1000)
    await desk.session.cancel()
    at_cancel = desk.file.read_text()
    await asyncio.sleep(0.02)
    assert desk.file.read_text() == at_cancel, "nothing takes effect behind a cancel"
    assert len([event for event in desk.heard if isinstance(event, events.TurnFinished)]) == 1
    sure = [event for event in desk.heard if isinstance(event, events.EditConfirmed)]
    if sure:
        await desk.session.undo(None, desk.connection)
        assert desk.file.read_text() == "x = 1\n"
    elif at_cancel != "x = 1\n":
        assert [event for event in desk.heard if "may have run" in getattr(event, "notes", ())]


async def test_a_listener_that_breaks_is_shown_nothing_more_and_ends_no_turn(desk: Desk) -> None:
    await desk.open("say Hello.")
    calls = 0

    def broken(_: str, __: events.Event) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError

    desk.session.listen(broken)
    assert (await desk.say("hello")).reason == "end_turn"
    assert calls == 1


async def test_all_but_deltas_is_told_in_the_order_of_the_log(desk: Desk) -> None:
    await desk.open(f"think Hm.\n{EDIT}")
    await desk.say("edit")
    numbers = [event.seq for event in desk.heard if event.seq]
    assert numbers == sorted(set(numbers))
    assert desk.session.last_seq == numbers[-1]


async def test_a_log_that_cannot_be_written_ends_the_turn_before_anything_ran(desk: Desk) -> None:
    await desk.open(EDIT + "\nsay Here again.")

    async def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    log = desk.session._journal._log
    append = log.append
    log.append = full  # type: ignore[method-assign]
    end = await desk.say("edit")
    assert (end.reason, end.message) == (
        "error",
        "the session log cannot be written (No space left on device); nothing more was run",
    )
    assert desk.file.read_text() == "x = 1\n"
    log.append = append  # type: ignore[method-assign]
    assert (await desk.say("edit")).reason == "end_turn", "there is space again"


async def test_a_session_held_by_another_process_is_read_only(desk: Desk) -> None:
    await desk.open(EDIT)
    await desk.say("edit")
    other = Desk(desk.folder)
    await other.open("say Never.", desk.session.id)
    assert any("it can be read here" in problem for problem in other.problems)
    end = await other.say("go on")
    assert end.reason == "error"
    assert "cannot be written" in end.message
    await other.engine.close()


@pytest.mark.parametrize("keep", ["user", "assistant_raw", "tool_intent", "edit"])
async def test_a_log_cut_anywhere_goes_on_with_every_call_answered(desk: Desk, keep: str) -> None:
    await desk.open(EDIT)
    await desk.say("edit")
    log = desk.log
    await desk.engine.close()
    lines = log.read_bytes().splitlines(keepends=True)
    last = max(index for index, line in enumerate(lines) if f'"kind":"{keep}"'.encode() in line)
    log.write_bytes(b"".join(lines[: last + 1]) + lines[-1][:20])
    await desk.again("say On.")
    assert any("no whole record" in problem for problem in desk.problems)
    assert (await desk.say("go on")).reason == "end_turn"
    messages = desk.session._history.messages()
    for message, answer in itertools.pairwise(messages):
        if isinstance(message, AssistantMessage) and message.calls:
            assert isinstance(answer, UserMessage)
            results = [block for block in answer.blocks if isinstance(block, ResultBlock)]
            assert [block.call_id for block in results] == [call.id for call in message.calls]
            assert all("may have run" in block.text for block in results if block.is_error)


async def test_a_lost_prompt_record_does_not_keep_a_session_from_loading(desk: Desk) -> None:
    await desk.open(EDIT)
    await desk.say("edit")
    log = desk.log
    await desk.engine.close()
    log.write_bytes(
        b"".join(b"?" + line if b'"kind":"user"' in line else line for line in log.read_bytes().splitlines(True))
    )
    await desk.again("say On.")
    assert any("was skipped" in problem for problem in desk.problems)
    await desk.session.undo(None, desk.connection)
    assert desk.file.read_text() == "x = 1\n"


async def test_a_turn_is_undone_after_a_restart_once(desk: Desk) -> None:
    await desk.open(EDIT)
    await desk.say("edit")
    await desk.again("")
    await desk.session.undo(None, desk.connection)
    assert desk.file.read_text() == "x = 1\n"
    await desk.again("")
    with pytest.raises(HermitcrabError, match="no turn to undo"):
        await desk.session.undo(None, desk.connection)


async def test_an_undo_that_found_nothing_may_be_tried_again_by_name(desk: Desk) -> None:
    await desk.open(EDIT)
    turn = (await desk.say("edit")).turn
    desk.file.write_text("x = 99\n")
    assert (await desk.session.undo(turn, desk.connection)).reverted == ()
    desk.file.write_text("x = 2\n")
    assert (await desk.session.undo(turn, desk.connection)).reverted == (desk.file.resolve(),)
    assert desk.file.read_text() == "x = 1\n"
    with pytest.raises(HermitcrabError, match="undone already"):
        await desk.session.undo(turn, desk.connection)


async def test_an_answer_behind_an_edit_leaves_the_edit_the_one_to_undo(desk: Desk) -> None:
    await desk.open(EDIT + "\nsay Because.")
    edit = (await desk.say("edit")).turn
    await desk.say("why?")
    assert desk.session.last_turn == edit
    assert desk.session.undoable == {desk.file.resolve()}


async def test_the_empty_prompt(desk: Desk) -> None:
    await desk.open("")
    with pytest.raises(HermitcrabError, match="empty"):
        desk.session.prompt(" \n", desk.connection)
    assert await desk.session.wait() is None


async def test_a_stop_while_the_end_is_being_logged_leaves_one_end(desk: Desk) -> None:
    await desk.open("say Done.")
    log, writing = desk.session._journal._log, asyncio.Event()
    append = log.append

    async def slowly(kind: str, payload: dict[str, Any], *, sync: bool = False) -> int:
        if kind == "turn_end":
            writing.set()
            await asyncio.sleep(0.02)
        return await append(kind, payload, sync=sync)

    log.append = slowly  # type: ignore[method-assign]
    desk.engine.prompt(desk.session, "hello", desk.connection)
    await writing.wait()
    await desk.session.cancel()
    assert (await desk.over()).reason == "end_turn"
    assert len([event for event in desk.heard if isinstance(event, events.TurnFinished)]) == 1
    assert desk.log.read_text().count('"kind":"turn_end"') == 1
