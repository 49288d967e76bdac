"""What goes over the Chat Completions wire: pairs, verbatim replay, and a prefix that only grows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.messages import (
    AssistantMessage,
    BrokenCall,
    CallBlock,
    Message,
    Prompt,
    RawReply,
    ResultBlock,
    TextBlock,
    ThinkingBlock,
    ToolCall,
    ToolSpec,
    UserMessage,
)
from hermitcrab.providers.openai_chat_prompt import PromptWriter
from hermitcrab.providers.raw import blocks_of
from mocks.openai_server import Recorded, problem_of

TOOLS = (ToolSpec("Read", "Reads.", {"type": "object"}), ToolSpec("Edit", "Edits.", {"type": "object"}))
MODEL = "openai/gpt-x"
LOST = "Error: No result was recorded: the call was interrupted and may have run."


def user(*blocks: str | ResultBlock) -> UserMessage:
    return UserMessage(tuple(TextBlock(block) if isinstance(block, str) else block for block in blocks))


def reply(*blocks: dict[str, Any], wire: str = "openai-chat", model: str = MODEL) -> AssistantMessage:
    raw = RawReply(wire, model, blocks)
    return AssistantMessage(blocks_of(raw), raw)


def call(call_id: str, name: str = "Read", arguments: str = '{"file_path":  "a.py"}', **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def tool(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def record(*messages: Message, system: str = "Be good.", writer: PromptWriter | None = None) -> Recorded:
    prompt = Prompt(MODEL, system, TOOLS, messages)
    return Recorded({}, (writer or PromptWriter()).write(prompt, model="gpt-x", settings={"max_tokens": 100}).body)


def write(*messages: Message) -> list[dict[str, Any]]:
    """Return the messages on the wire behind the system text; the strictest server would take them."""
    request = record(*messages)
    assert problem_of(request) is None
    return request.json["messages"][1:]


def test_a_request_whole() -> None:
    said = reply({"type": "thinking", "thinking": "hm"}, text("I look."), call("t1"))
    assert record(user("do it"), said, user(ResultBlock("t1", "x = 1"), "and?")).json == {
        "model": "gpt-x",
        "stream": True,
        "max_tokens": 100,
        "tools": [
            {
                "type": "function",
                "function": {"name": "Read", "description": "Reads.", "parameters": {"type": "object"}},
            },
            {
                "type": "function",
                "function": {"name": "Edit", "description": "Edits.", "parameters": {"type": "object"}},
            },
        ],
        "messages": [
            {"role": "system", "content": "Be good."},
            {"role": "user", "content": "do it"},
            {"role": "assistant", "content": "I look.", "tool_calls": [call("t1")]},
            tool("t1", "x = 1"),
            {"role": "user", "content": "and?"},
        ],
    }


def test_nothing_is_said_of_no_system_and_no_tools() -> None:
    prompt = Prompt(MODEL, " ", (), (user("hi"),))
    body = json.loads(PromptWriter().write(prompt, model="gpt-x", settings={}).body)
    assert body == {"model": "gpt-x", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


class TestPairs:
    def test_a_lost_result_is_named(self) -> None:
        messages = write(user("go"), reply(call("t1"), call("t2")), user("and?", ResultBlock("t2", "two")))
        assert messages[2:] == [tool("t1", LOST), tool("t2", "two"), {"role": "user", "content": "and?"}]

    def test_results_of_several_messages_come_in_the_order_of_the_calls(self) -> None:
        said = reply(call("t1"), call("t2"))
        messages = write(user("go"), said, user(ResultBlock("t2", "b")), user(ResultBlock("t1", "a"), "more"))
        assert messages[2:] == [tool("t1", "a"), tool("t2", "b"), {"role": "user", "content": "more"}]

    def test_a_second_result_and_one_for_nobody(self) -> None:
        results = user(ResultBlock("t1", "first"), ResultBlock("t1", "second"), ResultBlock("t9", "whose?"))
        (result, words) = write(user("go"), reply(call("t1")), results)[2:]
        assert result == tool("t1", "first")
        assert words["content"].endswith("whose?")

    def test_replies_in_a_row_and_at_the_end(self) -> None:
        messages = write(user("go"), reply(call("t1")), reply(call("t2")))
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "tool"]

    def test_a_failure_is_called_one(self) -> None:
        said = reply(call("t1"), call("t2"))
        results = user(ResultBlock("t1", "", is_error=True), ResultBlock("t2", "no such file", is_error=True))
        assert write(user("go"), said, results)[2:] == [
            tool("t1", "Error: the call failed"),
            tool("t2", "Error: no such file"),
        ]


class TestReplay:
    def test_verbatim(self) -> None:
        own = call("id with spaces and a signature ", extra_content={"google": {"thought_signature": "s"}})
        message = record(user("go"), reply(text("é"), own), user(ResultBlock(own["id"], "x"))).json["messages"]
        assert message[2] == {"role": "assistant", "content": "é", "tool_calls": [own]}
        assert message[3] == tool(own["id"], "x")

    def test_reasoning_is_not_sent_back(self) -> None:
        messages = write(user("go"), reply({"type": "thinking", "thinking": "hm"}), user("on"))
        assert messages == [{"role": "user", "content": "go"}, {"role": "user", "content": "on"}]

    def test_what_only_its_maker_understands_goes_to_nobody_else(self) -> None:
        long = "call_" + "x" * 60
        said = reply(call(long, extra_content={"s": 1}), call("t1"), model="openai/other")
        messages = write(user("go"), said, user(ResultBlock(long, "a"), ResultBlock("t1", "b")))
        first, second = messages[1]["tool_calls"]
        assert set(first) == {"id", "type", "function"}
        assert len(first["id"]) <= 40
        assert [message["tool_call_id"] for message in messages[2:]] == [first["id"], second["id"]]
        assert second == call("t1")

    def test_long_ids_stay_apart(self) -> None:
        one, other = "x" * 50, "x" * 51
        messages = write(user("go"), reply(call(one), call(other), model="y"), user(ResultBlock(other, "b")))
        assert [message["content"] for message in messages[2:]] == [LOST, "b"]

    def test_names_no_server_takes(self) -> None:
        messages = write(user("go"), reply(call("t1", "Re\0ad" + "x" * 70)), user(ResultBlock("t1", "x")))
        assert messages[1]["tool_calls"][0]["function"]["name"] == ("Re_ad" + "x" * 70)[:64]

    @pytest.mark.parametrize("wire", ["anthropic", "scripted"])
    def test_another_wires_words_are_told_in_this_ones(self, wire: str) -> None:
        said = AssistantMessage(
            (
                ThinkingBlock("hm"),
                TextBlock("a"),
                CallBlock(ToolCall("toolu_1", "Read", {"a": "é"})),
                CallBlock(BrokenCall("toolu_2", "Edit", '{"x', "no JSON")),
            ),
            RawReply(wire, "claude-x", ({"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"a": "é"}},)),
        )
        results = user(ResultBlock("toolu_1", "1"), ResultBlock("toolu_2", "bad", is_error=True))
        assert write(user("go"), said, results)[1:] == [
            {
                "role": "assistant",
                "content": "a",
                "tool_calls": [
                    call("toolu_1", "Read", '{"a": "é"}'),
                    call("toolu_2", "Edit", '{"INVALID_JSON": "{\\"x"}'),
                ],
            },
            tool("toolu_1", "1"),
            tool("toolu_2", "Error: bad"),
        ]

    def test_half_a_character_does_not_stop_the_rest(self) -> None:
        assert write(user("a\ud83db")) == [{"role": "user", "content": "a?b"}]


def test_a_refused_part_is_told_plainly_from_then_on() -> None:
    writer = PromptWriter()
    bad = reply(text("a\x01"), call("t1", arguments='{"a": "\\u0001"}'))
    messages = (user("go"), bad, user(ResultBlock("t1", "x\0y")))
    first = record(*messages, writer=writer)
    assert "control character" in str(problem_of(first))
    assert writer.quarantine([(bad,), messages[2:]])
    second = record(*messages, writer=writer)
    assert problem_of(second) is None
    assert second.json["messages"][2]["content"] == "a\ufffd"
    assert second.json["messages"][3] == tool("t1", "x\ufffdy")
    assert not writer.quarantine([(bad,)])


def conversation(turns: int) -> list[Message]:
    messages: list[Message] = [user("start")]
    for turn in range(turns):
        messages.append(reply(text(f"é {turn}"), call(f"t{turn}")))
        messages.append(user(ResultBlock(f"t{turn}", "x = 1\n" * 20)))
    return messages


def test_the_prefix_only_grows_byte_for_byte() -> None:
    writer = PromptWriter()
    messages = conversation(60)
    before = b""
    for end in range(1, len(messages) + 1, 2):
        request = record(*messages[:end], writer=writer)
        assert problem_of(request) is None
        assert request.body == record(*messages[:end]).body  # what is remembered is what would be written
        assert request.body.startswith(before)
        before = request.body.removesuffix(b"]}")


def test_a_rewound_or_forked_conversation_is_written_anew() -> None:
    writer = PromptWriter()
    messages = conversation(5)
    record(*messages, writer=writer)
    other = [*messages[:3], user("another way")]
    assert record(*other, writer=writer).body == record(*other).body
    assert record(*messages, writer=writer).body == record(*messages).body
    switched = (user("go"), reply(call("t1")), user(ResultBlock("t1", "one"), ResultBlock("t2", "two")))
    record(*switched, writer=writer)
    changed = (switched[0], reply(call("t2")), switched[2])
    assert record(*changed, writer=writer).body == record(*changed).body


BLOCKS = st.lists(
    st.one_of(
        st.text(max_size=5).map(text),
        st.sampled_from(["t1", "t2", "t 3" * 20]).map(call),
        st.just({"type": "thinking", "thinking": "x"}),
    ),
    max_size=3,
    unique_by=lambda block: block.get("id") or block.get("text") or "thinking",
)
USERS = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.builds(ResultBlock, st.sampled_from(["t1", "t2", "t 3" * 20, "t4"]), st.text(max_size=3), st.booleans()),
    ),
    max_size=3,
)
MODELS = st.sampled_from([MODEL, "openai/other", "ollama/llama"])


@given(st.lists(st.one_of(st.tuples(MODELS, BLOCKS), USERS.map(lambda u: ("", u))), max_size=6))
def test_whatever_a_session_holds_can_be_sent(history: list[tuple[str, list[Any]]]) -> None:
    messages: list[Message] = [user("go")]
    last = 0
    for number, (model, blocks) in enumerate(history):
        if not model:
            results = (replace(b, call_id=f"{b.call_id}-{last}") if isinstance(b, ResultBlock) else b for b in blocks)
            messages.append(user(*results))
        else:
            last = number  # ids are unique in a conversation: the reader of replies sees to it
            given_ids = (
                {**b, "id": f"{b['id'][: 30 if model == MODEL else 99]}-{number}"} if "id" in b else b for b in blocks
            )
            messages.append(reply(*given_ids, model=model))
    messages.append(user("on"))
    request = record(*messages)
    content = "".join(str(message.get("content")) for message in request.json["messages"])
    assert "\x01" in content or problem_of(request) is None


@pytest.mark.parametrize("size", [10, 200])
def test_a_new_message_costs_the_same_however_long_the_conversation(size: int) -> None:
    writer = PromptWriter()
    messages = conversation(size)
    record(*messages, writer=writer)
    written: list[object] = []
    import hermitcrab.providers.openai_chat_prompt as module

    original = module._dump
    try:
        module._dump = lambda value: (written.append(value), original(value))[1]
        record(*messages, reply(text("new")), user("on"), writer=writer)
    finally:
        module._dump = original
    assert len(written) == 4  # settings, system, the reply, the words
