"""What goes over the wire: pairs, marks, and a prefix that only grows."""

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
from hermitcrab.providers.anthropic_prompt import PromptWriter
from hermitcrab.providers.raw import blocks_of
from mocks.anthropic_server import Recorded, problem_of

MARK = {"type": "ephemeral"}
TOOLS = (ToolSpec("Read", "Reads.", {"type": "object"}), ToolSpec("Edit", "Edits.", {"type": "object"}))


def user(*blocks: str | ResultBlock) -> UserMessage:
    return UserMessage(tuple(TextBlock(block) if isinstance(block, str) else block for block in blocks))


def reply(*blocks: dict[str, Any], wire: str = "anthropic", model: str = "claude-x") -> AssistantMessage:
    raw = RawReply(wire, model, blocks)
    return AssistantMessage(blocks_of(raw), raw)


def call(call_id: str, name: str = "Read") -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {"file_path": "a.py"}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def record(*messages: Message, system: str = "Be good.", writer: PromptWriter | None = None) -> Recorded:
    prompt = Prompt("anthropic/claude-x", system, TOOLS, messages)
    written = (writer or PromptWriter()).write(prompt, model="claude-x", settings={"max_tokens": 100})
    return Recorded({"x-api-key": "k", "anthropic-version": "2023-06-01"}, written.body)


def write(*messages: Message) -> list[dict[str, Any]]:
    """Return the messages on the wire, without marks; the vendor would take them."""
    request = record(*messages)
    assert problem_of(request) is None
    lines = request.canonical.split("\n")[len(TOOLS) + 1 :]
    merged: list[dict[str, Any]] = []
    for line in lines:
        role, block = json.loads(line)
        if not merged or merged[-1]["role"] != role:
            merged.append({"role": role, "content": []})
        merged[-1]["content"].append(block)
    return merged


def test_a_request_whole() -> None:
    said = reply({"type": "thinking", "thinking": "hm", "signature": "signed:hm"}, call("t1"))
    request = record(user("do it"), said, user(ResultBlock("t1", "x = 1")))
    assert request.json == {
        "model": "claude-x",
        "stream": True,
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be good.", "cache_control": MARK}],
        "tools": [
            {"name": "Read", "description": "Reads.", "input_schema": {"type": "object"}},
            {"name": "Edit", "description": "Edits.", "input_schema": {"type": "object"}, "cache_control": MARK},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "do it", "cache_control": MARK}]},
            {"role": "assistant", "content": list(said.raw.blocks) if said.raw else []},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x = 1", "cache_control": MARK}],
            },
        ],
    }


def test_nothing_is_said_of_no_system_and_no_tools() -> None:
    prompt = Prompt("claude-x", " ", (), (user("hi"),))
    body = json.loads(PromptWriter().write(prompt, model="claude-x", settings={}).body)
    assert set(body) == {"model", "stream", "messages"}


class TestPairs:
    def test_a_lost_result_is_named(self) -> None:
        messages = write(user("go"), reply(call("t1"), call("t2")), user("and?", ResultBlock("t2", "two")))
        assert messages[-1]["content"] == [
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": "No result was recorded: the call was interrupted and may have run.",
                "is_error": True,
            },
            {"type": "tool_result", "tool_use_id": "t2", "content": "two"},
            text("and?"),
        ]

    def test_all_results_of_several_messages(self) -> None:
        said = reply(call("t1"), call("t2"))
        messages = write(user("go"), said, user(ResultBlock("t2", "b")), user(ResultBlock("t1", "a"), "more"))
        assert [block.get("content", block.get("text")) for block in messages[-1]["content"]] == ["a", "b", "more"]

    def test_a_second_result_and_one_for_nobody(self) -> None:
        said = reply(call("t1"))
        results = user(ResultBlock("t1", "first"), ResultBlock("t1", "second"), ResultBlock("t9", "whose?"))
        (result, words) = write(user("go"), said, results)[-1]["content"]
        assert result["content"] == "first"
        assert words["text"].endswith("whose?")

    def test_replies_in_a_row_and_at_the_end(self) -> None:
        messages = write(user("go"), reply(call("t1")), reply(call("t2")))
        assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant", "user"]

    def test_an_empty_error(self) -> None:
        (result,) = write(user("go"), reply(call("t1")), user(ResultBlock("t1", "", is_error=True)))[-1]["content"]
        assert result["content"]


class TestReplay:
    def test_verbatim(self) -> None:
        blocks = [
            {"type": "redacted_thinking", "data": "xyz"},
            {**text("é"), "citations": None},
            {"type": "thinking", "thinking": "", "signature": "signed:"},
        ]
        assert write(user("go"), reply(*blocks), user("on"))[1]["content"] == blocks

    def test_what_would_be_refused_for_ever_stays_out(self) -> None:
        blocks = [text(""), text(" \n"), {"type": "thinking", "thinking": "hm", "signature": ""}]
        messages = write(user("go"), reply(*blocks), user("on"))
        assert messages == [{"role": "user", "content": [text("go"), text("on")]}]

    def test_signatures_are_worth_nothing_to_another_model(self) -> None:
        thought = {"type": "thinking", "thinking": "hm", "signature": "signed:hm"}
        assert write(user("go"), reply(thought, text("a"), model="claude-y"), user("on"))[1]["content"] == [text("a")]
        kept = write(user("go"), reply(thought, text("a"), model="anthropic/claude-x"), user("on"))
        assert kept[1]["content"] == [thought, text("a")]

    def test_names_and_ids_no_server_takes(self) -> None:
        said = reply(call("t 1", "Re\0ad"))
        messages = write(user("go"), said, user(ResultBlock("t 1", "x")))
        assert messages[1]["content"][0]["name"] == "Re_ad"
        assert messages[1]["content"][0]["id"] == messages[2]["content"][0]["tool_use_id"] == "t_1"

    def test_another_wires_words_are_told_plainly(self) -> None:
        said = AssistantMessage(
            (
                ThinkingBlock("hm"),
                TextBlock("a"),
                CallBlock(ToolCall("call_1", "Read", {"a": 1})),
                CallBlock(BrokenCall("call_2", "Edit", '{"x', "no JSON")),
            ),
            RawReply("scripted", "s", ()),
        )
        results = user(ResultBlock("call_1", "1"), ResultBlock("call_2", "bad", is_error=True))
        assert write(user("go"), said, results)[1]["content"] == [
            text("a"),
            {"type": "tool_use", "id": "call_1", "name": "Read", "input": {"a": 1}},
            {"type": "tool_use", "id": "call_2", "name": "Edit", "input": {"INVALID_JSON": '{"x'}},
        ]

    def test_half_a_character_does_not_stop_the_rest(self) -> None:
        assert write(user("a\ud83db"))[0]["content"] == [text("a?b")]


class TestQuarantine:
    def test_a_refused_reply_is_told_plainly_from_then_on(self) -> None:
        writer = PromptWriter()
        bad = reply({"type": "thinking", "thinking": "hm", "signature": "forged"}, text("a\x01"), call("t1"))
        messages = (user("go"), bad, user(ResultBlock("t1", "x\0y")))
        first = record(*messages, writer=writer)
        problem = problem_of(first)
        assert problem is not None
        assert "signature" in problem[3]
        assert writer.quarantine([(bad,), messages[2:]])
        second = record(*messages, writer=writer)
        assert problem_of(second) is None
        assert second.json["messages"][1]["content"] == [text("a\ufffd"), call("t1")]
        assert second.json["messages"][2]["content"][0]["content"] == "x\ufffdy"
        assert not writer.quarantine([(bad,)])
        assert problem_of(record(*messages, user("on"), writer=writer)) is None


def conversation(turns: int) -> list[Message]:
    messages: list[Message] = [user("start")]
    for turn in range(turns):
        messages.append(reply(text(f"é {turn}"), call(f"t{turn}")))
        messages.append(user(ResultBlock(f"t{turn}", "x = 1\n" * 20)))
    return messages


def test_the_prefix_only_grows_and_marks_are_four() -> None:
    writer, fresh = PromptWriter(), ""
    messages = conversation(60)
    before = ""
    for end in range(1, len(messages) + 1, 2):
        request = record(*messages[:end], writer=writer)
        assert problem_of(request) is None
        assert request.body.count(b'"cache_control"') == (3 if end == 1 else 4)
        fresh = record(*messages[:end]).canonical
        assert request.canonical == fresh  # what is remembered is what would be written
        assert fresh.startswith(before)
        before = fresh
    assert [m["role"] for m in record(*messages).json["messages"] if "cache_control" in m["content"][-1]] == [
        "user"
    ] * 2


def test_a_rewound_or_forked_conversation_is_written_anew() -> None:
    writer = PromptWriter()
    messages = conversation(5)
    record(*messages, writer=writer)
    other = [*messages[:3], user("another way")]
    assert record(*other, writer=writer).body == record(*other).body
    assert record(*messages, writer=writer).body == record(*messages).body


def test_results_are_written_anew_when_the_reply_before_them_is_another() -> None:
    writer = PromptWriter()
    go, results = user("go"), user(ResultBlock("t1", "one"), ResultBlock("t2", "two"))
    record(go, reply(call("t1")), results, writer=writer)
    other = (go, reply(call("t2")), results)
    assert record(*other, writer=writer).body == record(*other).body


def test_a_switch_of_models_is_written_anew() -> None:
    writer = PromptWriter()
    thought = {"type": "thinking", "thinking": "hm", "signature": "signed:hm"}
    prompt = Prompt("claude-x", "", (), (user("go"), reply(thought, text("a")), user("on")))
    assert b"signed" in writer.write(prompt, model="claude-x", settings={}).body
    assert b"signed" not in writer.write(prompt, model="claude-y", settings={}).body
    assert b"signed" in writer.write(prompt, model="claude-x", settings={}).body


BLOCKS = st.lists(
    st.one_of(
        st.text(max_size=5).map(text),
        st.sampled_from(["t1", "t2", "t3"]).map(call),
        st.just({"type": "thinking", "thinking": "x", "signature": "signed:x"}),
    ),
    max_size=3,
    unique_by=lambda block: block.get("id") or block.get("text") or "thinking",
)
USERS = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.builds(ResultBlock, st.sampled_from(["t1", "t2", "t3", "t4"]), st.text(max_size=3), st.booleans()),
    ),
    max_size=3,
)


@given(st.lists(st.one_of(BLOCKS.map(lambda b: ("a", b)), USERS.map(lambda u: ("u", u))), max_size=6))
def test_whatever_a_session_holds_can_be_sent(history: list[tuple[str, list[Any]]]) -> None:
    messages: list[Message] = [user("go")]
    last = 0
    for number, (who, blocks) in enumerate(history):
        if who == "u":
            results = (replace(b, call_id=f"{b.call_id}-{last}") if isinstance(b, ResultBlock) else b for b in blocks)
            messages.append(user(*results))
        else:
            last = number  # ids are unique in a conversation: the reader of replies sees to it
            messages.append(reply(*({**b, "id": f"{b['id']}-{number}"} if "id" in b else b for b in blocks)))
    messages.append(user("on"))
    assert problem_of(record(*messages)) is None


@pytest.mark.parametrize("size", [10, 200])
def test_a_new_message_costs_the_same_however_long_the_conversation(size: int) -> None:
    writer = PromptWriter()
    messages = conversation(size)
    record(*messages, writer=writer)
    written: list[object] = []
    import hermitcrab.providers.anthropic_prompt as module

    original = module._dump
    try:
        module._dump = lambda value: (written.append(value), original(value))[1]
        record(*messages, reply(text("new")), user("on"), writer=writer)
    finally:
        module._dump = original
    assert len(written) == 3  # settings, the reply, the words
