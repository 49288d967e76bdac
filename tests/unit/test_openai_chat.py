"""What the provider makes of a Chat Completions stream: cut, chopped, damaged, and in every server's manners."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.core.messages import (
    BlockPart,
    BrokenCall,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    Prompt,
    RawReply,
    RetryPart,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ThinkingBlock,
    ThinkingPart,
    ToolCall,
    Usage,
    UsagePart,
    UserMessage,
)
from hermitcrab.providers.openai_chat import OpenAIChatOptions, OpenAIChatProvider
from hermitcrab.providers.raw import blocks_of
from hermitcrab.providers.retry import RetryPolicy
from mocks.exchange import FakeDialler, FakeExchange
from mocks.openai_server import MockOpenAI

PROMPT = Prompt("openai/gpt-mock", "", (), (UserMessage((TextBlock("hi"),)),))
DONE = b"data: [DONE]\n\n"


def provider_of(*exchanges: FakeExchange, tries: int = 1) -> OpenAIChatProvider:
    options = OpenAIChatOptions(key="k", retry=RetryPolicy(tries=tries, first_wait=0))
    return OpenAIChatProvider(options, FakeDialler(*exchanges))  # type: ignore[arg-type]


async def read(*chunks: bytes, error: ProviderError | None = None) -> list[Any]:
    """Return all parts; an error at the end is the last of them."""
    provider = provider_of(FakeExchange(chunks, error))
    parts: list[Any] = []
    try:
        async for part in provider.stream(PROMPT):
            parts.append(part)
    except ProviderError as failure:
        parts.append(failure)
    return parts


def data(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def delta(finish: str | None = None, **members: Any) -> bytes:
    return data({"choices": [{"index": 0, "delta": members, "finish_reason": finish}]})


def text(piece: str) -> bytes:
    return delta(content=piece)


def call(index: Any = 0, call_id: Any = None, name: Any = None, arguments: Any = None, **more: Any) -> bytes:
    members = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}, **more}
    return delta(tool_calls=[{key: value for key, value in members.items() if value is not None}])


def bare_call(call_id: str | None, name: str | None, arguments: str) -> bytes:
    """A piece of a call by a server that gives no index."""
    return call(None, call_id, name, arguments)


def finish(reason: str = "stop") -> bytes:
    return delta(reason) + DONE


def calls(parts: Iterable[Any]) -> list[ToolCall | BrokenCall]:
    return [p.block.call for p in parts if isinstance(p, BlockPart) and isinstance(p.block, CallBlock)]


def blocks(parts: Iterable[Any]) -> list[BlockPart]:
    return [part for part in parts if isinstance(part, BlockPart)]


def said(parts: Iterable[Any]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


BUSY = """\
delta 3
think Was tun?
say Ich schaue nach: é😀
call Write file_path="a é😀.py" content="x = 1\\n"
call Bash command="echo 1"
call Edit {"file_path": "a", "old_string": "{", "new_string": "}"}
"""


async def test_every_kind_of_block() -> None:
    parts = await read(MockOpenAI(BUSY).body())
    assert [part.block for part in blocks(parts)] == [
        ThinkingBlock("Was tun?"),
        TextBlock("Ich schaue nach: é😀"),
        CallBlock(ToolCall("call_01", "Write", {"file_path": "a é😀.py", "content": "x = 1\n"})),
        CallBlock(ToolCall("call_02", "Bash", {"command": "echo 1"})),
        CallBlock(ToolCall("call_03", "Edit", {"file_path": "a", "old_string": "{", "new_string": "}"})),
    ]
    assert blocks(parts)[3].raw == {
        "id": "call_02",
        "type": "function",
        "function": {"name": "Bash", "arguments": '{"command": "echo 1"}'},
    }
    raw = RawReply("openai-chat", "m", tuple(part.raw for part in blocks(parts)))
    assert blocks_of(raw) == tuple(part.block for part in blocks(parts))
    assert parts[-1] == StopPart("tool_use")


@pytest.mark.parametrize("size", [0, 12])
async def test_an_incomplete_call_never_and_a_complete_one_once_at_every_byte_offset(size: int) -> None:
    body = MockOpenAI(BUSY.replace("delta 3", f"delta {size}")).body()
    whole = calls(await read(body))
    assert [asked.name for asked in whole] == ["Write", "Bash", "Edit"]
    marks = [b'"name": "Bash"', b'"name": "Edit"', b'"finish_reason": "tool_calls"']
    ends = [body.index(b"\n\n", body.index(mark)) + 2 for mark in marks]  # the next index begins, or the reason arrives
    for cut in range(len(body)):
        parts = await read(body[:cut], error=ProviderBusyError("reset"))
        complete = sum(cut >= end for end in ends)
        assert calls(parts) == whole[:complete], cut
        if complete:
            assert parts[-1] == StopPart("tool_use"), cut  # it may run, and nothing is asked for again
        else:
            assert isinstance(parts[-1], ProviderError), cut
        if cut % 31 == 0:
            quiet = await read(body[:cut])  # the connection ends properly, the reply does not
            assert calls(quiet) == whole[:complete], cut


@pytest.mark.parametrize("tool", ["Write", "Bash", "Edit"])
async def test_a_single_call_needs_a_finish_reason(tool: str) -> None:
    body = MockOpenAI(f"delta 2\ncall {tool} a=1 b={{}}").body()
    end = body.index(b"\n\n", body.index(b'"finish_reason": "tool_calls"')) + 2
    for cut in range(len(body)):
        assert len(calls(await read(body[:cut]))) == (1 if cut >= end else 0), cut


@pytest.mark.parametrize("seed", range(20))
async def test_pieces_do_not_matter(seed: int) -> None:
    body = MockOpenAI(BUSY).body()
    chance = random.Random(seed)
    chunks: list[bytes] = []
    rest = body
    while rest:
        size = chance.randint(1, 40)
        chunks.append(rest[:size])
        rest = rest[size:]
    parts, whole = await read(*chunks), await read(body)
    assert blocks(parts) == blocks(whole)
    assert said(parts) == said(whole)
    assert parts[-1] == whole[-1]


async def test_neighbouring_pieces_that_arrive_together_are_one_part() -> None:
    body = text("a") + text("b") + call(0, "t1", "Read", "") + call(0, arguments="{") + call(0, arguments="}")
    assert (await read(body + finish("tool_calls")))[:4] == [
        TextPart("ab"),
        BlockPart(TextBlock("ab"), {"type": "text", "text": "ab"}),
        CallStartPart("t1", "Read"),
        CallArgumentsPart("t1", "{}"),
    ]


class TestManners:
    """Streams as some server sends them."""

    READ = ToolCall("call_01", "Read", {"file_path": "a"})
    BASH = ToolCall("call_02", "Bash", {"command": "x"})

    @pytest.mark.parametrize("delta_size", [0, 2])
    @pytest.mark.parametrize(
        "quirks",
        [
            "no-done",
            "no-usage no-done",
            "no-finish",
            "no-index",
            "one-index",
            "finish=stop",
            "finish=function_call",
            "finish=brand_new",
            "usage-early",
            "usage-always",
            "same-chunk",
            "thinking=reasoning parts",
            "no-index same-chunk finish=stop no-done",
        ],
    )
    async def test_two_calls(self, quirks: str, delta_size: int) -> None:
        script = f"quirk {quirks}\nthink hm\nsay so\ndelta {delta_size}\ncall Read file_path=a\ncall Bash command=x"
        parts = await read(MockOpenAI(script).body())
        assert [part.block for part in blocks(parts)] == [
            ThinkingBlock("hm"),
            TextBlock("so"),
            CallBlock(self.READ),
            CallBlock(self.BASH),
        ]
        assert parts[-1] == StopPart("tool_use")

    @pytest.mark.parametrize("quirks", ["no-id", "no-id no-index", "no-id one-index"])
    async def test_calls_without_ids_get_one_each(self, quirks: str) -> None:
        parts = await read(MockOpenAI(f"quirk {quirks}\ncall Read file_path=a\ncall Bash command=x").body())
        first, second = calls(parts)
        assert (first.name, second.name) == ("Read", "Bash")
        assert len({first.id, second.id, ""}) == 3
        assert [part.id for part in parts if isinstance(part, CallStartPart)] == [first.id, second.id]
        assert [part.raw["id"] for part in blocks(parts)] == [first.id, second.id]

    async def test_the_words_of_2023(self) -> None:
        script = "quirk function-call finish=function_call\ndelta 2\ncall Read file_path=a"
        parts = await read(MockOpenAI(script).body())
        (asked,) = calls(parts)
        assert (asked.name, parts[-1]) == ("Read", StopPart("tool_use"))

    async def test_a_reply_in_one_piece(self) -> None:
        message = {"role": "assistant", "content": "so", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "Read", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "Bash", "arguments": {"command": "x"}}},
        ]}  # fmt: skip
        parts = await read(data({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}) + DONE)
        assert said(parts) == "so"
        assert calls(parts) == [ToolCall("a", "Read", {}), ToolCall("b", "Bash", {"command": "x"})]

    async def test_reasoning_is_shown_once_where_it_comes_twice(self) -> None:
        parts = await read(delta(reasoning="hm", reasoning_content="hm") + text("so") + finish())
        assert [part for part in parts if isinstance(part, ThinkingPart)] == [ThinkingPart("hm")]

    async def test_content_in_parts(self) -> None:
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
        content = [thought, {"type": "text", "text": "so"}, {"type": "image", "data": 1}, "junk"]
        parts = await read(delta(content=content) + finish())
        assert [part.block for part in blocks(parts)] == [ThinkingBlock("hm"), TextBlock("so")]

    async def test_names_in_pieces_and_names_again_and_again(self) -> None:
        pieces = call(0, "t1", "Re") + call(0, name="ad") + call(0, arguments='{"a"') + call(0, arguments=":1}")
        again = call(1, "t2", "Bash", "") + call(1, "t2", "Bash", '{"b"') + call(1, "t2", "Bash", ":2}")
        assert calls(await read(pieces + again + finish())) == [
            ToolCall("t1", "Read", {"a": 1}),
            ToolCall("t2", "Bash", {"b": 2}),
        ]

    async def test_a_new_id_for_every_piece(self) -> None:
        pieces = call(0, "t1", "Read", "") + call(0, "t2", None, '{"a"') + call(0, "t3", None, ": 1}")
        assert calls(await read(pieces + finish())) == [ToolCall("t1", "Read", {"a": 1})]
        unplaced = bare_call("t1", "Read", '{"a"') + bare_call("t2", None, ": 1}")
        assert [type(asked) for asked in calls(await read(unplaced + finish()))] == [BrokenCall, BrokenCall]

    async def test_whole_calls_without_index_and_with_empty_ids(self) -> None:
        pieces = bare_call("", "Read", '{"a": 1}') + bare_call("", "Read", '{"a": 2}')
        first, second = calls(await read(pieces + finish()))
        assert isinstance(first, ToolCall)
        assert isinstance(second, ToolCall)
        assert (first.arguments, second.arguments) == ({"a": 1}, {"a": 2})

    async def test_calls_announced_before_their_arguments(self) -> None:
        announced = call(0, "t1", "Read", "") + call(1, "t2", "Bash", "")
        filled = call(0, arguments='{"a": 1}') + call(1, arguments='{"b": 2}')
        assert calls(await read(announced + filled + finish())) == [
            ToolCall("t1", "Read", {"a": 1}),
            ToolCall("t2", "Bash", {"b": 2}),
        ]
        assert calls(await read(announced)) == []  # announced is not asked for

    async def test_what_only_its_maker_understands_is_kept(self) -> None:
        extra = {"google": {"thought_signature": "abc"}}
        parts = await read(call(0, "t1", "Read", "{}", extra_content=extra) + finish())
        assert blocks(parts)[0].raw["extra_content"] == extra

    async def test_no_arguments(self) -> None:
        begun = call(0, "t1", "Read", "")
        parts = await read(begun + finish("tool_calls"))
        assert calls(parts) == [ToolCall("t1", "Read", {})]
        assert blocks(parts)[0].raw["function"]["arguments"] == "{}"  # some servers parse what they are sent back
        (cut,) = calls(await read(begun + finish("length")))
        assert isinstance(cut, BrokenCall)
        assert calls(await read(begun + DONE)) == []  # nobody said that it is whole

    async def test_counts(self) -> None:
        usage = {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
        parts = await read(text("a") + delta("stop") + data({"choices": [], "usage": usage}) + DONE)
        assert parts[-2:] == [UsagePart(Usage(input=2, output=3, cache_read=8)), StopPart("end_turn")]
        other = {"prompt_tokens": 10, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}
        parts = await read(text("a") + data({"choices": [], "usage": other}) * 2 + finish())
        assert [p.usage for p in parts if isinstance(p, UsagePart)] == [Usage(input=6, output=3, cache_read=4)]

    @pytest.mark.parametrize(
        ("reason", "stop"),
        [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("tool_calls", "end_turn")],
    )
    async def test_why_a_reply_ends(self, reason: str, stop: str) -> None:
        assert (await read(text("a") + finish(reason)))[-1] == StopPart(stop)

    async def test_a_refusal_is_said(self) -> None:
        parts = await read(delta(refusal="I cannot") + finish())
        assert said(parts) == "I cannot"
        assert parts[-1] == StopPart("refusal")


class TestOddStreams:
    async def test_closed_but_no_json(self) -> None:
        parts = await read(call(0, "t1", "Read", '{"a": "x') + finish("length"))
        (broken,) = calls(parts)
        assert isinstance(broken, BrokenCall)
        assert broken.raw == '{"a": "x'
        (block,) = blocks(parts)
        assert json.loads(block.raw["function"]["arguments"]) == {"INVALID_JSON": '{"a": "x'}  # can be sent back
        assert blocks_of(RawReply("openai-chat", "m", (block.raw,))) == (block.block,)
        assert parts[-1] == StopPart("max_tokens")

    async def test_broken_by_the_next_index(self) -> None:
        parts = await read(call(0, "t1", "Read", '{"a"') + call(1, "t2", "Bash", "{}") + call(0, arguments=": 1}"))
        (broken,) = calls(parts)
        assert isinstance(broken, BrokenCall)
        assert parts[-1] == StopPart("tool_use")  # the model is told, the second call never was whole

    async def test_two_calls_with_one_id(self) -> None:
        first, second = calls(await read(call(0, "t1", "Read", "{}") + call(1, "t1", "Bash", "{}") + finish()))
        assert first == ToolCall("t1", "Read", {})
        assert isinstance(second, BrokenCall)
        assert second.id != "t1"

    async def test_an_id_of_an_earlier_reply(self) -> None:
        body = call(0, "t1", "Read", "{}") + finish()
        raw = {"id": "t1", "type": "function", "function": {"name": "Read", "arguments": "{}"}}
        from hermitcrab.core.messages import AssistantMessage

        reply = RawReply("openai-chat", "openai/gpt-mock", (raw,))
        prompt = Prompt("openai/gpt-mock", "", (), (*PROMPT.messages, AssistantMessage(blocks_of(reply), reply)))
        parts = [part async for part in provider_of(FakeExchange([body])).stream(prompt)]
        (asked,) = calls(parts)
        assert isinstance(asked, ToolCall)
        assert asked.id not in {"t1", ""}

    async def test_two_calls_at_one_place_that_nothing_tells_apart(self) -> None:
        (only,) = calls(await read(call(0, "t1", "Read", '{"a": 1}') + call(0, None, "Read", '{"a": 2}') + finish()))
        assert isinstance(only, BrokenCall)

    async def test_a_call_of_no_tool(self) -> None:
        (broken,) = calls(await read(call(0, "t1", None, "{}") + finish()))
        assert isinstance(broken, BrokenCall)
        assert "names no tool" in broken.problem

    async def test_more_of_a_call_that_was_whole(self) -> None:
        late = call(0, "t1", "Read", "{}") + call(1, "t2", "Bash", '{"b"') + call(0, arguments="x")
        parts = await read(late + call(1, arguments=": 1}") + finish())
        assert calls(parts) == [ToolCall("t1", "Read", {}), ToolCall("t2", "Bash", {"b": 1})]

    async def test_other_choices_are_not_ours(self) -> None:
        other = data({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}]})
        assert said(await read(other + text("yes") + finish())) == "yes"

    async def test_done_without_a_reason(self) -> None:
        assert (await read(text("a") + DONE))[-1] == StopPart("end_turn")
        sound = call(0, "t1", "Read", '{"a": 1}')
        assert calls(await read(sound + DONE)) == [ToolCall("t1", "Read", {"a": 1})]
        assert calls(await read(sound)) == []
        parts = await read(call(0, "t1", "Read", '{"a": ') + DONE)
        assert calls(parts) == []
        assert isinstance(parts[-1], ProviderBusyError)

    async def test_a_reply_of_nothing_is_asked_for_again(self) -> None:
        provider = provider_of(FakeExchange([DONE]), FakeExchange([text("a") + finish()]), tries=2)
        parts = [part async for part in provider.stream(PROMPT)]
        assert isinstance(parts[0], RetryPart)
        assert said(parts) == "a"

    async def test_words_behind_the_end(self) -> None:
        assert said(await read(text("a") + finish() + text("b"))) == "a"

    async def test_a_character_cut_in_two(self) -> None:
        halves = text("a\ud83d") + text("\ude00b") + text("\ud83d") + text("c")
        args = call(0, "t1", "Read", '{"a": "\ud83d') + call(0, arguments='\ude00"}')
        parts = await read(halves, args + finish())
        assert said(parts) == "a😀b\ufffdc"
        assert calls(parts) == [ToolCall("t1", "Read", {"a": "😀"})]
        assert isinstance(calls(await read(call(0, "t1", "Read", '{"a": "\ud83d"}') + finish()))[0], BrokenCall)

    @pytest.mark.parametrize(
        "junk",
        [
            b"data: not json\n\n",
            b"data: [1]\n\n",
            b"data: " + b"[" * 100_000 + b"\n\n",
            b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n',
        ],
    )
    async def test_damage_is_a_cut(self, junk: bytes) -> None:
        begun = call(0, "t1", "Read", "{}")
        parts = await read(begun + junk + finish("tool_calls"))
        assert calls(parts) == []
        assert isinstance(parts[-1], ProviderBusyError)
        parts = await read(begun + call(1, "t2", "Bash", "{}") + junk)  # in one piece with a whole call
        assert calls(parts) == [ToolCall("t1", "Read", {})]
        assert parts[-1] == StopPart("tool_use")

    @pytest.mark.parametrize(
        "junk",
        [
            {},
            {"choices": None},
            {"choices": {}},
            {"choices": [None, 1, []]},
            {"choices": [{"index": [], "delta": {"content": "x"}}]},
            {"choices": [{"index": 0, "delta": None, "finish_reason": {}}]},
            {"choices": [{"index": 0, "delta": [], "finish_reason": []}]},
            {"choices": [{"index": 0, "delta": {"content": 5}}]},
            {"choices": [{"index": 0, "delta": {"content": [{"type": [], "text": {}}]}}]},
            {"choices": [{"index": 0, "delta": {"tool_calls": {}}}]},
            {"choices": [{"index": 0, "delta": {"tool_calls": [None, {}, {"index": {}}, {"function": []}]}}]},
            {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 3, "function": {"arguments": 5}}]}}]},
            {"choices": [{"index": 0, "delta": {"reasoning": {}, "refusal": 1, "function_call": "x"}}]},
            {"choices": [], "usage": {"prompt_tokens": "many", "prompt_tokens_details": []}},
            {"choices": [], "usage": [], "error": None},
            {"object": ["error"]},
        ],
    )
    async def test_wrong_types_harm_nobody(self, junk: dict[str, Any]) -> None:
        parts = await read(data(junk) + text("h") + data(junk) + text("i") + finish() + data(junk))
        assert said(parts) == "hi"
        assert calls(parts) == []
        assert parts[-1] == StopPart("end_turn")


class TestErrorsInTheStream:
    @pytest.mark.parametrize(
        "error",
        [
            {"error": {"message": "words", "type": "server_error", "code": None}},
            {"error": {"message": "words", "code": 502}},
            {"error": {"message": "words", "code": "429", "type": "invalid_request_error"}},
            {"error": {"message": "words", "code": {}, "type": []}},
            {"error": "words"},
            {"object": "error", "message": "words", "code": 500},
            {"choices": [{"delta": {"content": ""}, "finish_reason": "error"}], "error": {"message": "words"}},
        ],
    )
    async def test_passing_ones_are_waited_out(self, error: dict[str, Any]) -> None:
        good = text("hi") + finish()
        provider = provider_of(FakeExchange([data(error)]), FakeExchange([good]), tries=2)
        parts = [part async for part in provider.stream(PROMPT)]
        assert isinstance(parts[0], RetryPart)
        assert "words" in parts[0].reason
        assert said(parts) == "hi"

    @pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource"])
    async def test_a_reason_that_is_none(self, reason: str) -> None:
        parts = await read(call(0, "t1", "Read", "{}") + call(1, "t2", "Bash", '{"a": 1}') + finish(reason))
        assert calls(parts) == [ToolCall("t1", "Read", {})]
        assert parts[-1] == StopPart("tool_use")

    async def test_after_words_the_caller_decides(self) -> None:
        parts = await read(text("hi") + data({"error": {"message": "overloaded"}}))
        assert said(parts) == "hi"
        assert isinstance(parts[-1], ProviderBusyError)

    @pytest.mark.parametrize(
        "error",
        [
            {"message": "words", "type": "invalid_request_error"},
            {"message": "words", "type": "insufficient_quota"},
            {"message": "words", "code": "insufficient_quota"},
            {"message": "words", "code": 401},
            {"message": "words", "type": "exceed_context_size_error", "code": 400},
        ],
    )
    async def test_others_end_the_turn(self, error: dict[str, Any]) -> None:
        (failure,) = await read(data({"error": error}))
        assert type(failure) is ProviderError
        assert "words" in str(failure)


NAMES = st.sampled_from([None, "", "Read", "Bash", 5])
IDS = st.sampled_from([None, "", "t1", "t2", ["t"]])
PIECES = st.sampled_from([None, "", "{", "}", '{"a": 1}', '"a"', ":1}", {"b": 2}, 7])
CHUNKS = st.one_of(
    st.builds(call, st.sampled_from([None, 0, 1, True, "0"]), IDS, NAMES, PIECES),
    st.builds(text, st.sampled_from(["", "a", "\ud83d", "\ude00"])),
    st.builds(lambda piece: delta(reasoning=piece), st.sampled_from(["", "hm", None])),
    st.builds(delta, st.sampled_from(["stop", "tool_calls", "length", "error", ""])),
    st.sampled_from([DONE, data({"error": {"message": "x"}}), data({"choices": [], "usage": {"prompt_tokens": 1}})]),
)


@given(st.lists(CHUNKS, max_size=8), st.data())
def test_whatever_a_server_sends_no_call_is_made_up(chunks: list[bytes], drawn: st.DataObject) -> None:
    body = b"".join(chunks)
    cut = drawn.draw(st.integers(0, len(body)))
    parts = asyncio.run(read(body[:cut], body[cut:]))
    asked = calls(parts)
    assert len({one.id for one in asked}) == len(asked)
    started = {part.id for part in parts if isinstance(part, CallStartPart)}
    shown = [part for part in parts if isinstance(part, CallArgumentsPart)]
    for one in asked:
        written = "".join(part.piece for part in shown if part.id == one.id)
        if isinstance(one, ToolCall):
            assert one.id in started
            assert one.arguments == json.loads(written or "{}")  # its own pieces, all of them, and no others
    assert isinstance(parts[-1], (StopPart, ProviderError))
    assert sum(isinstance(part, StopPart) for part in parts) <= 1
    raw = RawReply("openai-chat", "m", tuple(part.raw for part in blocks(parts)))
    assert [type(block) for block in blocks_of(raw)] == [type(part.block) for part in blocks(parts)]


async def test_twenty_thousand_pieces_cost_no_more_each_than_five_thousand() -> None:
    async def seconds(count: int) -> float:
        piece = call(0, arguments="abcdefgh")
        body = [call(0, "t1", "Write", '{"content": "'), *[piece] * count, call(0, arguments='"}') + finish()]
        began = time.process_time()
        parts = await read(*body)
        took = time.process_time() - began
        (asked,) = calls(parts)
        assert isinstance(asked, ToolCall)
        assert len(asked.arguments["content"]) == 8 * count
        return took

    await seconds(100)
    small, large = min([await seconds(5000) for _ in range(3)]), min([await seconds(20_000) for _ in range(2)])
    assert large / small < 8  # four times the pieces; quadratic would be sixteen


async def test_a_stream_that_is_empty_is_asked_for_again_and_given_up() -> None:
    provider = provider_of(FakeExchange([]), FakeExchange([]), FakeExchange([]), tries=3)
    parts: list[StreamPart] = []
    with pytest.raises(ProviderError, match="stopped before its end; asked 3 times"):  # noqa: PT012
        async for part in provider.stream(PROMPT):
            parts.append(part)
    assert [type(part) for part in parts] == [RetryPart, RetryPart]
