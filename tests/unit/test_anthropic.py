"""What the provider makes of a stream: cut, chopped, damaged, out of order."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import pytest

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.core.messages import (
    BlockPart,
    BrokenCall,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    Prompt,
    RetryPart,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ThinkingBlock,
    ToolCall,
    Usage,
    UsagePart,
    UserMessage,
)
from hermitcrab.providers.anthropic import AnthropicOptions, AnthropicProvider
from hermitcrab.providers.retry import RetryPolicy
from mocks.anthropic_server import MockAnthropic
from mocks.exchange import FakeDialler, FakeExchange

PROMPT = Prompt("anthropic/claude-mock", "", (), (UserMessage((TextBlock("hi"),)),))


def provider_of(*exchanges: FakeExchange, tries: int = 1) -> AnthropicProvider:
    options = AnthropicOptions(key="k", retry=RetryPolicy(tries=tries, first_wait=0))
    return AnthropicProvider(options, FakeDialler(*exchanges))  # type: ignore[arg-type]


async def read(*chunks: bytes, error: ProviderError | None = None) -> list[StreamPart]:
    """Return all parts; an error at the end is the last of them."""
    provider = provider_of(FakeExchange(chunks, error))
    parts: list[Any] = []
    try:
        async for part in provider.stream(PROMPT):
            parts.append(part)
    except ProviderError as failure:
        parts.append(failure)
    return parts


def events(*items: dict[str, Any]) -> bytes:
    return b"".join(f"event: {item['type']}\ndata: {json.dumps(item)}\n\n".encode() for item in items)


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def text_start(index: int) -> dict[str, Any]:
    return start(index, type="text", text="")


def call_start(index: int, call_id: str = "t1", name: str = "Read") -> dict[str, Any]:
    return start(index, type="tool_use", id=call_id, name=name, input={})


def delta(index: int, kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **members}}


def text(index: int, piece: str) -> dict[str, Any]:
    return delta(index, "text_delta", text=piece)


def arguments(index: int, piece: str) -> dict[str, Any]:
    return delta(index, "input_json_delta", partial_json=piece)


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ended(reason: str = "end_turn") -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}}


OVER = {"type": "message_stop"}


def calls(parts: Iterable[Any]) -> list[ToolCall | BrokenCall]:
    return [p.block.call for p in parts if isinstance(p, BlockPart) and isinstance(p.block, CallBlock)]


def said(parts: Iterable[Any]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


BUSY = """\
think Let me look.
delta 3
say Ich schaue nach: é😀
call Read file_path="a é😀.py" limit:=5
redact xyz
call Bash command="echo 1"
"""


async def test_every_kind_of_block() -> None:
    parts = await read(MockAnthropic(BUSY).body())
    blocks = [part for part in parts if isinstance(part, BlockPart)]
    assert [part.block for part in blocks] == [
        ThinkingBlock("Let me look."),
        TextBlock("Ich schaue nach: é😀"),
        CallBlock(ToolCall("toolu_01", "Read", {"file_path": "a é😀.py", "limit": 5})),
        ThinkingBlock(""),
        CallBlock(ToolCall("toolu_02", "Bash", {"command": "echo 1"})),
    ]
    assert [part.raw for part in blocks] == [
        {"type": "thinking", "thinking": "Let me look.", "signature": "signed:Let me look."},
        {"type": "text", "text": "Ich schaue nach: é😀"},
        {"type": "tool_use", "id": "toolu_01", "name": "Read", "input": {"file_path": "a é😀.py", "limit": 5}},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "tool_use", "id": "toolu_02", "name": "Bash", "input": {"command": "echo 1"}},
    ]
    assert parts[-1] == StopPart("tool_use")


async def test_a_call_is_whole_when_its_block_is_closed_at_every_byte_offset() -> None:
    body = MockAnthropic(BUSY).body()
    whole = calls(await read(body))
    closed = [place for place in range(len(body)) if body.startswith(b'{"type": "content_block_stop"', place)]
    ends = [body.index(b"\n\n", place) + 2 for place in closed]
    call_ends = [ends[2], ends[4]]  # think, say, call, redact, call
    for cut in range(len(body)):
        parts = await read(body[:cut], error=ProviderBusyError("reset"))
        complete = sum(cut >= end for end in call_ends)
        assert calls(parts) == whole[:complete], cut
        if complete:
            assert parts[-1] == StopPart("tool_use"), cut  # it may run, and nothing is asked for again
        else:
            assert isinstance(parts[-1], ProviderError), cut


@pytest.mark.parametrize("seed", range(20))
async def test_pieces_do_not_matter(seed: int) -> None:
    body = MockAnthropic(BUSY).body()
    chance = random.Random(seed)
    chunks: list[bytes] = []
    rest = body
    while rest:
        size = chance.randint(1, 40)
        chunks.append(rest[:size])
        rest = rest[size:]
    parts, whole = await read(*chunks), await read(body)
    assert [p for p in parts if isinstance(p, BlockPart)] == [p for p in whole if isinstance(p, BlockPart)]
    assert said(parts) == said(whole)
    assert parts[-1] == whole[-1]


async def test_neighbouring_pieces_that_arrive_together_are_one_part() -> None:
    body = events(text_start(0), text(0, "a"), text(0, "b"), stop(0), call_start(1), arguments(1, "{"))
    parts = await read(body + events(arguments(1, "}"), stop(1), ended("tool_use"), OVER))
    assert parts[:4] == [
        TextPart("ab"),
        BlockPart(TextBlock("ab"), {"type": "text", "text": "ab"}),
        CallStartPart("t1", "Read"),
        CallArgumentsPart("t1", "{}"),
    ]


class TestOddStreams:
    async def test_block_before_message_and_things_nobody_knows(self) -> None:
        parts = await read(
            events(
                text_start(0),
                {"type": "message_start", "message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": 2}}},
                {"type": "brand_new", "index": 0},
                {"type": "ping"},
                delta(0, "brand_new_delta", text="no"),
                text(7, "for a block that never began"),
                text(0, "hi"),
                delta(0, "citations_delta", citation={"n": 1}),
                stop(0),
                stop(0),
                text(0, "after its end"),
                start(1, type="brand_new_block", data=[1]),
                delta(1, "brand_new_delta", words="a"),
                delta(1, "brand_new_delta", words="b", number=2),
                stop(1),
                ended("brand_new_reason"),
                OVER,
                text_start(2),
                text(2, "after the end of all"),
            )
        )
        assert parts[0] == UsagePart(Usage(input=3, cache_read=2))
        assert [part.raw for part in parts if isinstance(part, BlockPart)] == [
            {"type": "text", "text": "hi", "citations": [{"n": 1}]},
            {"type": "brand_new_block", "data": [1], "words": "ab", "number": 2},
        ]
        assert said(parts) == "hi"
        assert parts[-2:] == [UsagePart(Usage(input=3, output=9, cache_read=2)), StopPart("end_turn")]

    async def test_two_calls_with_one_id(self) -> None:
        both = events(call_start(0), arguments(0, "{}"), stop(0), call_start(1), arguments(1, "{}"), stop(1))
        first, second = calls(await read(both + events(ended("tool_use"), OVER)))
        assert first == ToolCall("t1", "Read", {})
        assert isinstance(second, BrokenCall)
        assert second.id != "t1"
        assert "has its id" in second.problem

    async def test_one_index_written_twice(self) -> None:
        mixed = events(
            call_start(0),
            arguments(0, '{"a":'),
            call_start(0, "t2", "Bash"),
            arguments(0, '"1"}'),
            stop(0),
            call_start(0, "t3"),
            arguments(0, "{}"),
            stop(0),
            ended("tool_use"),
            OVER,
        )
        (only,) = calls(await read(mixed))
        assert isinstance(only, BrokenCall)
        assert only.id == "t1"

    async def test_a_call_of_no_tool_with_no_id(self) -> None:
        begun = start(0, type="tool_use", id=7, name={}, input={})
        delta_for_words = delta(0, "brand_new_delta", input='{"a": 1}')
        (broken,) = calls(await read(events(begun, delta_for_words, arguments(0, "{}"), stop(0), ended(), OVER)))
        assert isinstance(broken, BrokenCall)
        assert broken.id
        assert "names no tool" in broken.problem

    async def test_json_in_the_start_of_a_call(self) -> None:
        begun = start(0, type="tool_use", id="t1", name="Read", input={"file_path": "a"})
        assert calls(await read(events(begun, stop(0), ended("tool_use"), OVER))) == [
            ToolCall("t1", "Read", {"file_path": "a"})
        ]

    async def test_no_arguments_or_arguments_cut_by_the_limit(self) -> None:
        begun = events(call_start(0), stop(0))
        assert calls(await read(begun + events(ended("tool_use"), OVER))) == [ToolCall("t1", "Read", {})]
        assert calls(await read(begun)) == [ToolCall("t1", "Read", {})]
        (cut,) = calls(await read(begun + events(ended("max_tokens"), OVER)))
        assert isinstance(cut, BrokenCall)

    async def test_closed_but_no_json(self) -> None:
        closed = events(call_start(0), arguments(0, '{"a": "x'), stop(0), ended("max_tokens"), OVER)
        parts = await read(closed)
        (broken,) = calls(parts)
        assert isinstance(broken, BrokenCall)
        assert broken.raw == '{"a": "x'
        (block,) = [part for part in parts if isinstance(part, BlockPart)]
        assert block.raw["input"] == {"INVALID_JSON": '{"a": "x'}  # can be sent back
        assert parts[-1] == StopPart("max_tokens")

    async def test_a_call_left_open_at_the_end_never_happened(self) -> None:
        parts = await read(events(call_start(0), arguments(0, "{}"), ended("tool_use"), OVER))
        assert calls(parts) == []
        assert isinstance(parts[-1], ProviderBusyError)

    async def test_words_left_open_at_the_end_were_said(self) -> None:
        parts = await read(events(text_start(0), text(0, "hi"), ended(), OVER))
        assert parts[-3:] == [
            UsagePart(Usage(output=9)),
            BlockPart(TextBlock("hi"), {"type": "text", "text": "hi"}),
            StopPart("end_turn"),
        ]

    async def test_only_the_very_last_event_is_missing(self) -> None:
        parts = await read(events(text_start(0), text(0, "hi"), stop(0), ended()))
        assert parts[-1] == StopPart("end_turn")

    async def test_a_character_cut_in_two(self) -> None:
        halves = events(text_start(0), text(0, "a\ud83d"), text(0, "\ude00b"), text(0, "\ud83d"), text(0, "c"), stop(0))
        args = events(call_start(1), arguments(1, '{"a": "\ud83d'), arguments(1, '\ude00"}'), stop(1))
        parts = await read(halves, args + events(ended(), OVER))
        assert said(parts) == "a😀b\ufffdc"
        assert calls(parts) == [ToolCall("t1", "Read", {"a": "😀"})]
        lone = events(call_start(0), arguments(0, '{"a": "\ud83d"}'), stop(0), ended(), OVER)
        assert isinstance(calls(await read(lone))[0], BrokenCall)

    @pytest.mark.parametrize(
        "junk",
        [
            b"data: not json\n\n",
            b"data: [1]\n\n",
            b"data: " + b"[" * 100_000 + b"\n\n",
            b'data: {"type": "content_block_stop", "index": 0, "x": "\xff"}\n\n',
        ],
    )
    async def test_damage_is_a_cut(self, junk: bytes) -> None:
        begun = events(call_start(0), arguments(0, "{}"))
        parts = await read(begun + junk + events(stop(0), ended("tool_use"), OVER))
        assert calls(parts) == []
        assert isinstance(parts[-1], ProviderBusyError)
        parts = await read(begun + events(stop(0)) + junk)  # in one piece with a whole call
        assert calls(parts) == [ToolCall("t1", "Read", {})]
        assert parts[-1] == StopPart("tool_use")

    @pytest.mark.parametrize(
        "junk",
        [
            {"type": "content_block_start", "index": [], "content_block": {"type": "text"}},
            {"type": "content_block_start", "index": 0, "content_block": "text"},
            {"type": "content_block_delta", "index": {}, "delta": {}},
            {"type": "content_block_delta", "index": True, "delta": {"type": "text_delta", "text": "x"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": ["text_delta"], "text": "x"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 5}},
            {"type": "content_block_delta", "index": 0, "delta": None},
            {"type": "content_block_stop", "index": "0"},
            {"type": "message_delta", "delta": 3, "usage": []},
            {"type": "message_start", "message": {"usage": {"input_tokens": "many"}}},
            {"type": ["message_stop"]},
            {"type": None},
        ],
    )
    async def test_wrong_types_harm_nobody(self, junk: dict[str, Any]) -> None:
        one = f"data: {json.dumps(junk)}\n\n".encode()
        parts = await read(events(text_start(0)) + one + events(text(0, "hi"), stop(0)) + one + events(ended(), OVER))
        assert said(parts) == "hi"
        assert parts[-1] == StopPart("end_turn")


class TestErrorsInTheStream:
    @staticmethod
    def error(kind: str) -> bytes:
        return events({"type": "error", "error": {"type": kind, "message": "words"}})

    @pytest.mark.parametrize("kind", ["overloaded_error", "rate_limit_error", "api_error", "timeout_error"])
    async def test_passing_ones_are_waited_out(self, kind: str) -> None:
        good = events(text_start(0), text(0, "hi"), stop(0), ended(), OVER)
        provider = provider_of(FakeExchange([self.error(kind)]), FakeExchange([good]), tries=2)
        parts = [part async for part in provider.stream(PROMPT)]
        assert isinstance(parts[0], RetryPart)
        assert kind in parts[0].reason
        assert said(parts) == "hi"

    async def test_after_words_the_caller_decides(self) -> None:
        parts = await read(events(text_start(0), text(0, "hi")) + self.error("overloaded_error"))
        assert said(parts) == "hi"
        assert isinstance(parts[-1], ProviderBusyError)

    async def test_others_end_the_turn(self) -> None:
        (failure,) = await read(self.error("authentication_error"))
        assert type(failure) is ProviderError
        assert "words" in str(failure)


async def test_a_stream_that_is_empty_is_asked_for_again_and_given_up() -> None:
    provider = provider_of(FakeExchange([]), FakeExchange([]), FakeExchange([]), tries=3)
    parts: list[StreamPart] = []
    with pytest.raises(ProviderError, match="stopped before its end; asked 3 times"):  # noqa: PT012
        async for part in provider.stream(PROMPT):
            parts.append(part)
    assert [type(part) for part in parts] == [RetryPart, RetryPart]


async def test_twenty_thousand_pieces_cost_no_more_each_than_five_thousand() -> None:
    async def seconds(count: int) -> float:
        pieces = [events(arguments(0, "abcdefgh")) for _ in range(count)]
        body = [
            events(call_start(0), arguments(0, '{"content": "')),
            *pieces,
            events(arguments(0, '"}'), stop(0), ended(), OVER),
        ]
        began = time.process_time()
        parts = await read(*body)
        took = time.process_time() - began
        (call,) = calls(parts)
        assert isinstance(call, ToolCall)
        assert len(call.arguments["content"]) == 8 * count
        return took

    await seconds(100)
    small, large = min([await seconds(5000) for _ in range(3)]), min([await seconds(20_000) for _ in range(2)])
    assert large / small < 8  # four times the pieces; quadratic would be sixteen


async def test_leaving_closes_the_exchange() -> None:
    exchange = FakeExchange([events(text_start(0), text(0, "a"))] * 3)
    left: list[bool] = []

    async def leave(*_: object) -> None:
        left.append(True)

    exchange.__class__ = type("Watched", (FakeExchange,), {"__aexit__": leave})
    parts: AsyncGenerator[StreamPart] = provider_of(exchange).stream(PROMPT)
    async with aclosing(parts):
        await anext(parts)
    assert left == [True]
