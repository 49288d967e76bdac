"""The loop: what the model is told, when it stops, and what is kept of a reply."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent_case import Case, call, reply, say
from hermitcrab.agent.history import history_of
from hermitcrab.agent.journal import events_of
from hermitcrab.core import events
from hermitcrab.core.errors import ProviderError
from hermitcrab.core.messages import (
    BlockPart,
    NoticePart,
    ResultBlock,
    RetryPart,
    TextPart,
    ThinkingBlock,
    ThinkingPart,
    Usage,
    UserMessage,
)
from hermitcrab.store.log import read_log


def reasons(case: Case) -> tuple[str, str]:
    return case.end.reason, case.end.message


async def test_the_model_hears_every_result_in_the_order_of_its_calls(tmp_path: Path) -> None:
    async def slow_first(word: str) -> str:
        await asyncio.sleep(0.01 if word == "a" else 0)
        return word

    case = Case(tmp_path, [reply(call("1", "Look", word="a"), call("2", "Look", word="b")), reply(say("done"))])
    case.tool("Look", slow_first, is_effectful=False)
    await case.turn()
    assert case.model.prompts[1].messages[-1] == UserMessage((ResultBlock("1", "a"), ResultBlock("2", "b")))


async def test_a_request_begins_with_the_whole_of_the_one_before(tmp_path: Path) -> None:
    case = Case(tmp_path, [*(reply(call(str(n), "Do", word=str(n))) for n in range(6)), reply(say("done"))])
    await case.turn()
    for before, after in zip(case.model.prompts, case.model.prompts[1:], strict=False):
        assert after.messages[: len(before.messages)] == before.messages
        assert (after.system, after.tools) == (before.system, before.tools)


async def test_the_limit_of_requests(tmp_path: Path) -> None:
    case = Case(tmp_path, [reply(call(str(n), "Do", word=str(n))) for n in range(9)], steps=3)
    await case.turn()
    assert case.did == ["0", "1", "2"]
    assert reasons(case) == (
        "max_turn_requests",
        "stopped after 3 model requests in one turn; say *go on* to continue",
    )


async def test_the_cost_limit_stops_behind_the_request_that_reached_it(tmp_path: Path) -> None:
    replies = [reply(call(str(n), "Do", word=str(n)), usage=Usage(output=2)) for n in range(9)]
    case = Case(tmp_path, replies, cost=3.0)
    await case.turn()
    assert case.did == ["0", "1"]
    assert reasons(case) == (
        "max_turn_requests",
        "stopped at the cost limit: $4.00 of $3.00 spent in this turn",
    )


async def test_a_last_answer_is_not_a_limit(tmp_path: Path) -> None:
    case = Case(tmp_path, [reply(say("dear"), usage=Usage(output=9))], cost=3.0, steps=1)
    await case.turn()
    assert reasons(case) == ("end_turn", "")


async def test_an_unknown_price_is_no_price(tmp_path: Path) -> None:
    case = Case(tmp_path, [reply(call("1", "Do"), usage=Usage()), reply(say("done"))], cost=0.5)
    await case.turn()
    assert case.end.reason == "end_turn"
    assert [event.cost for event in case.events if isinstance(event, events.UsageChanged)] == [None, None]


@pytest.mark.parametrize("stop", ["max_tokens", "refusal"])
async def test_other_ends(tmp_path: Path, stop: str) -> None:
    case = Case(tmp_path, [reply(say("well"), stop=stop)])
    await case.turn()
    assert case.end.reason == stop
    assert case.end.message


async def test_a_retry_is_shown_and_not_told_to_the_model(tmp_path: Path) -> None:
    parts = [RetryPart("overloaded", 1.25, 1), NoticePart("silent for 8 s")]
    case = Case(tmp_path, [reply(parts, call("1", "Do")), reply(say("done"))])
    await case.turn()
    told = [event.text for event in case.events if isinstance(event, events.Notice)]
    assert told == ["overloaded; trying again in 1.2 s", "silent for 8 s"]
    assert "overloaded" not in str(case.model.prompts[1].messages)


async def test_a_reply_without_an_end_is_an_error(tmp_path: Path) -> None:
    case = Case(tmp_path, [[TextPart("half")]])
    await case.turn()
    assert reasons(case) == ("error", "the model's answer broke off without an end")
    assert [event.text for event in case.events if isinstance(event, events.MessageCut)] == ["half"]


async def test_words_before_an_error_are_kept_and_logged(tmp_path: Path) -> None:
    case = Case(tmp_path, [[TextPart("half"), ProviderError("dead")]])
    await case.turn()
    assert [record["text"] for record in case.logged("cut")] == ["half"]
    assert reasons(case) == ("error", "dead")


async def test_words_before_a_stop_are_kept_and_logged(tmp_path: Path) -> None:
    case = Case(tmp_path, [[TextPart("half"), asyncio.Event().wait]])  # type: ignore[list-item]
    await case.stop(await case.until(lambda: bool(case.events)))
    assert [record["text"] for record in case.logged("cut")] == ["half"]
    assert [event.text for event in case.running.leftovers if isinstance(event, events.MessageCut)] == ["half"]


async def test_a_stop_while_the_message_is_being_logged_keeps_it(tmp_path: Path) -> None:
    case = Case(tmp_path, [reply(say("whole"), call("1", "Do", word="x"))])
    writing = asyncio.Event()
    append = case.log.append

    async def slowly(kind: str, payload: dict[str, object], *, sync: bool = False) -> int:
        if kind == "assistant_raw":
            writing.set()
            await asyncio.sleep(0.02)
        return await append(kind, payload, sync=sync)

    case.log.append = slowly  # type: ignore[method-assign]
    await case.stop(await case.until(writing.is_set))
    assert case.did == []
    replayed = history_of(events_of(read_log(tmp_path / "log.jsonl", case.blobs).records))
    assert case.history.messages() == replayed.messages(), "a reload tells the model the same"
    assert [message.text for message in case.history.messages()[:1]] == ["whole"]  # type: ignore[union-attr]


async def test_thinking_and_raw_blocks_survive_save_and_load(tmp_path: Path) -> None:
    raw = [
        {"type": "thinking", "thinking": "hm — 😀", "signature": "AbC+/=\u2028", "unknown": {"z": 1, "a": [1.0, 1e30]}},
        {"type": "redacted_thinking", "data": "x" * 70_000},
    ]
    parts = [ThinkingPart("hm — 😀"), BlockPart(ThinkingBlock("hm — 😀"), raw[0]), BlockPart(ThinkingBlock(""), raw[1])]
    case = Case(tmp_path, [reply(parts, call("1", "Do")), reply(say("done"))])
    await case.turn()
    said = case.model.prompts[1].messages[0]
    loaded = history_of(events_of(read_log(tmp_path / "log.jsonl", case.blobs).records)).messages()[0]
    for message in (said, loaded):
        assert list(message.raw.blocks[:2]) == raw  # type: ignore[union-attr]
        assert [list(block) for block in message.raw.blocks[:2]] == [list(block) for block in raw]  # type: ignore[union-attr]


async def test_nothing_is_asked_when_the_message_cannot_be_logged(tmp_path: Path) -> None:
    case = Case(tmp_path, [reply(call("1", "Do", word="x"))], full_for=("assistant_raw",))
    with pytest.raises(OSError, match="No space left"):
        await case.turn()
    assert case.did == []
    assert len(case.model.prompts) == 1
