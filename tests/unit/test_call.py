"""Calls of one reply: reads side by side, effects in order, one result each, whatever stops them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent_case import Answers, Case, Rights, call, reply, say
from hermitcrab.agent.journal import UnloggedError
from hermitcrab.core import events
from hermitcrab.core.errors import ProviderError
from hermitcrab.core.messages import CallStartPart
from hermitcrab.permissions.rules import Rule

ASKS = Rights((Rule("ask", "Do"),))


def case(tmp_path: Path, *parts: object, **more: object) -> Case:
    return Case(tmp_path, [reply(*parts), reply(say("done"))], **more)  # type: ignore[arg-type]


async def test_reads_run_side_by_side(tmp_path: Path) -> None:
    meeting = asyncio.Barrier(3)

    async def meet(word: str) -> str:
        async with asyncio.timeout(5):
            await meeting.wait()  # nobody gets through alone
        return word

    one = case(tmp_path, *(call(word, "Look", word=word) for word in "abc"))
    one.tool("Look", meet, is_effectful=False)
    await one.turn()
    assert sorted(result.text for result in one.results()) == ["a", "b", "c"]


async def test_effects_run_one_after_the_other_in_order(tmp_path: Path) -> None:
    under_way = 0

    async def alone(word: str) -> str:
        nonlocal under_way
        assert under_way == 0
        under_way += 1
        await asyncio.sleep(0.002 if word == "a" else 0)
        under_way -= 1
        one.did.append(word)
        return word

    one = case(tmp_path, *(call(word, "Do", word=word) for word in "abc"))
    one.tool("Do", alone)
    await one.turn()
    assert one.did == ["a", "b", "c"]


async def test_a_read_starts_while_the_reply_still_streams(tmp_path: Path) -> None:
    async def until_it_ran() -> None:
        async with asyncio.timeout(5):
            while one.did != ["early"]:
                await asyncio.sleep(0.001)

    one = case(tmp_path, call("1", "Look", word="early"), [until_it_ran], say("and now"))
    await one.turn()
    assert one.did == ["early"]


async def test_an_effect_waits_for_the_end_of_the_message(tmp_path: Path) -> None:
    async def wait() -> None:
        await asyncio.sleep(0.01)
        assert one.did == []

    one = case(tmp_path, call("1", "Do", word="late"), [wait], say("and now"))
    await one.turn()
    assert one.did == ["late"]


async def test_a_read_behind_an_effect_waits_for_it(tmp_path: Path) -> None:
    one = case(tmp_path, call("1", "Do", word="first"), call("2", "Look", word="second"))
    await one.turn()
    assert one.did == ["first", "second"]


async def test_an_intent_is_logged_before_and_a_result_behind(tmp_path: Path) -> None:
    async def look(_: str) -> str:
        assert [record["call"] for record in one.logged("tool_intent")] == ["1"]
        assert one.logged("tool_result") == []
        return ""

    one = case(tmp_path, call("1", "Do"))
    one.tool("Do", look)
    await one.turn()
    assert one.results()[0].status == "completed"
    assert len(one.logged("tool_result")) == 1


async def test_a_bug_in_a_tool_is_one_failed_call(tmp_path: Path) -> None:
    async def bug(_: str) -> str:
        raise ZeroDivisionError

    one = case(tmp_path, call("1", "Do"), call("2", "Look", word="on"))
    one.tool("Do", bug)
    await one.turn()
    assert [(result.status, "ZeroDivisionError" in result.text) for result in one.results()] == [
        ("failed", True),
        ("completed", False),
    ]
    assert one.end.reason == "end_turn"


@pytest.mark.parametrize("kind", ["edit", "none"])
async def test_a_disk_error_of_a_tool_is_not_taken_for_the_logs(tmp_path: Path, kind: str) -> None:
    async def broken(_: str) -> str:
        raise OSError(5, "Input/output error")

    one = case(tmp_path, call("1", "Do" if kind == "edit" else "Look"))
    one.tool("Do", broken)
    one.tool("Look", broken, is_effectful=False)
    await one.turn()
    assert [result.status for result in one.results()] == ["failed"]
    assert one.end.reason == "end_turn"


# Cancelled at each point.


async def test_cancelled_while_the_question_is_open(tmp_path: Path) -> None:
    one = case(tmp_path, call("1", "Do", word="x"), call("2", "Do", word="y"), rights=ASKS)
    results = await one.stop(await one.until(lambda: bool(one.asker.asked)))
    assert one.did == []
    assert [(result.call, result.status, result.notes) for result in results] == [
        ("1", "cancelled", ()),
        ("2", "cancelled", ()),
    ]
    assert [record["outcome"] for record in one.logged("permission")] == ["cancelled"]


async def test_cancelled_during_an_effect(tmp_path: Path) -> None:
    async def hang(word: str) -> str:
        one.did.append(word)
        await asyncio.Event().wait()
        return ""

    one = case(tmp_path, call("1", "Do", word="x"), call("2", "Do", word="y"))
    one.tool("Do", hang)
    results = await one.stop(await one.until(lambda: bool(one.did)))
    assert one.did == ["x"]
    assert [(result.status, result.notes) for result in results] == [
        ("cancelled", ("may have run",)),
        ("cancelled", ()),
    ]
    assert len(one.logged("tool_result")) == 2


async def test_cancelled_during_a_read_says_that_nothing_ran(tmp_path: Path) -> None:
    async def hang(word: str) -> str:
        one.did.append(word)
        await asyncio.Event().wait()
        return ""

    one = case(tmp_path, call("1", "Look", word="x"))
    one.tool("Look", hang, is_effectful=False)
    results = await one.stop(await one.until(lambda: bool(one.did)))
    assert [(result.status, result.notes) for result in results] == [("cancelled", ())]


async def test_cancelled_between_two_effects(tmp_path: Path) -> None:
    one = case(tmp_path, call("1", "Do", word="x"), call("2", "Do", word="y"))
    task: asyncio.Task[object]

    async def do(word: str) -> str:
        one.did.append(word)
        return word

    one.tool("Do", do)
    task = await one.until(lambda: bool(one.results()))
    results = await one.stop(task)
    assert len(results) == len(one.logged("tool_result")), "each result is logged once and shown once"
    assert {result.call for result in results} == {"1", "2"}


@pytest.mark.parametrize("ticks", range(0, 60, 3))
async def test_cancelled_at_any_moment_each_call_has_one_result(tmp_path: Path, ticks: int) -> None:
    one = case(tmp_path, say("hm"), call("1", "Look", word="a"), call("2", "Do", word="b"), call("3", "Do", word="c"))
    task = asyncio.create_task(one.turn())
    for _ in range(ticks):
        await asyncio.sleep(0.0003 if ticks > 20 else 0)
    results = await one.stop(task)
    shown = [result.call for result in results]
    logged = [record["call"] for record in one.logged("tool_result")]
    assert sorted(shown) == sorted(logged), "what is logged is shown"
    assert len(shown) == len(set(shown)), "each call has one result"
    announced = {event.call for event in one.events if isinstance(event, events.CallAnnounced)}
    assert set(shown) >= announced, "every call that was shown has its end"
    intents = {record["call"] for record in one.logged("tool_intent")}
    assert {"b": "2", "c": "3"}.keys() >= {word for word in one.did if word != "a"}
    assert {"2" if word == "b" else "3" for word in one.did if word != "a"} <= intents, "nothing runs unlogged"


async def test_a_stop_while_a_result_is_being_logged_keeps_that_result(tmp_path: Path) -> None:
    one = case(tmp_path, call("1", "Do", word="x"))
    writing = asyncio.Event()
    append = one.log.append

    async def slowly(kind: str, payload: dict[str, object], *, sync: bool = False) -> int:
        if kind == "tool_result":
            writing.set()
            await asyncio.sleep(0.02)
        return await append(kind, payload, sync=sync)

    one.log.append = slowly  # type: ignore[method-assign]
    results = await one.stop(await one.until(writing.is_set))
    assert [(result.call, result.status) for result in results] == [("1", "completed")]
    assert [record["status"] for record in one.logged("tool_result")] == ["completed"]


# The model misbehaves.


async def test_the_second_use_of_an_id_does_not_run(tmp_path: Path) -> None:
    one = case(tmp_path, call("1", "Do", word="x"), call("1", "Do", word="y"))
    await one.turn()
    assert one.did == ["x"]
    assert any("id of an earlier call" in event.text for event in one.events if isinstance(event, events.Notice))


async def test_an_id_of_an_earlier_message_does_not_run_again(tmp_path: Path) -> None:
    one = Case(tmp_path, [reply(call("1", "Do", word="x")), reply(call("1", "Do", word="y")), reply(say("done"))])
    await one.turn()
    assert one.did == ["x"]
    assert len(one.logged("tool_result")) == 1


async def test_a_call_that_never_came_whole_has_an_end(tmp_path: Path) -> None:
    one = case(tmp_path, call("1", "Do", word="x"), [CallStartPart("2", "Do")])
    await one.turn()
    assert one.did == ["x"]
    assert {result.call: result.status for result in one.results()} == {"1": "completed", "2": "failed"}


async def test_a_model_that_breaks_ends_the_calls_under_way(tmp_path: Path) -> None:
    one = Case(tmp_path, [[*call("1", "Look", word="a"), *call("2", "Do", word="b"), ProviderError("dead")]])
    await one.turn()
    assert one.did == []
    assert [(result.call, result.status) for result in one.results()] == [("1", "cancelled"), ("2", "cancelled")]
    assert all("broke off" in result.text for result in one.results())
    assert isinstance(one.events[-1], events.TurnFinished), "nothing comes behind the end"


# The disk is full.


async def test_nothing_runs_whose_intent_cannot_be_logged(tmp_path: Path) -> None:
    one = case(tmp_path, call("1", "Do", word="x"), call("2", "Do", word="y"), full_for=("tool_intent",))
    with pytest.raises(UnloggedError, match="No space left"):
        await one.turn()
    assert one.did == []


async def test_nothing_more_runs_when_a_result_cannot_be_logged(tmp_path: Path) -> None:
    one = case(tmp_path, call("1", "Do", word="x"), call("2", "Do", word="y"), full_for=("tool_result",))
    with pytest.raises(UnloggedError, match="No space left"):
        await one.turn()
    assert one.did == ["x"]


async def test_nothing_runs_whose_permission_cannot_be_logged(tmp_path: Path) -> None:
    asker = Answers(["allow_once"])
    one = case(tmp_path, call("1", "Do", word="x"), rights=ASKS, asker=asker, full_for=("permission",))
    with pytest.raises(UnloggedError):
        await one.turn()
    assert one.did == []


async def test_an_answer_for_the_session_is_remembered_and_one_for_once_is_not(tmp_path: Path) -> None:
    rights = Rights(ASKS.rules)
    asker = Answers(["allow_once", "allow_session"])
    await case(tmp_path, call("1", "Do"), call("2", "Do"), rights=rights, asker=asker).turn()
    assert rights.granted == [("Do", None)]
