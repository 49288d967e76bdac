"""A history is valid after any interruption: each call has one result, in the order of the calls."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.agent.history import INTERRUPTED, History, history_of
from hermitcrab.core import events
from hermitcrab.core.messages import (
    AssistantMessage,
    BrokenCall,
    CallBlock,
    ResultBlock,
    TextBlock,
    ToolCall,
    UserMessage,
)


def prompt(text: str, facts: str = "") -> events.PromptReceived:
    return events.PromptReceived(turn="t", text=text, facts=facts)


def said(*blocks: TextBlock | CallBlock) -> events.MessageFinished:
    return events.MessageFinished(message="m", turn="t", content=AssistantMessage(blocks))


def call(name: str) -> CallBlock:
    return CallBlock(ToolCall(name, "Read", {}))


def result(name: str, text: str = "ok", status: str = "completed") -> events.ToolCallFinished:
    return events.ToolCallFinished(call=name, turn="t", tool="Read", status=status, text=text)  # type: ignore[arg-type]


def test_results_follow_their_calls_in_order() -> None:
    history = history_of([prompt("hi"), said(call("a"), call("b")), result("b", "two"), result("a", "one")])
    assert history.messages()[-1] == UserMessage((ResultBlock("a", "one"), ResultBlock("b", "two")))


def test_a_result_that_came_before_its_message_was_whole_counts() -> None:
    history = history_of([prompt("hi"), result("a", "early"), said(call("a"))])
    assert history.messages()[-1] == UserMessage((ResultBlock("a", "early"),))


def test_a_call_without_a_result_is_said_to_be_interrupted() -> None:
    history = history_of([prompt("hi"), said(call("a")), prompt("go on")])
    lost = ResultBlock("a", INTERRUPTED, is_error=True)
    assert history.messages()[-1] == UserMessage((lost, TextBlock("go on")))


def test_facts_stand_before_the_users_words() -> None:
    assert history_of([prompt("hi", "Root: /x")]).messages() == (UserMessage((TextBlock("Root: /x\n\nhi"),)),)


def test_a_broken_call_needs_a_result_too() -> None:
    broken = CallBlock(BrokenCall("a", "Edit", "{", "cut"))
    history = history_of([prompt("hi"), said(broken), result("a", "not JSON", "failed")])
    assert history.messages()[-1] == UserMessage((ResultBlock("a", "not JSON", is_error=True),))


event_lists = st.lists(
    st.one_of(
        st.builds(prompt, st.sampled_from(["one", "two"])),
        st.builds(lambda ids: said(*(call(name) for name in ids)), st.lists(st.sampled_from("abcdef"), unique=True)),
        st.builds(lambda: said(TextBlock("words"))),
        st.builds(result, st.sampled_from("abcdef")),
    )
)


@given(event_lists)
def test_every_call_has_exactly_one_result_right_behind_it(past: list[events.Event]) -> None:
    messages = history_of(past).messages()
    for message, following in itertools.zip_longest(messages, messages[1:]):
        if isinstance(message, AssistantMessage) and message.calls:
            assert isinstance(following, UserMessage)
            results = [block.call_id for block in following.blocks if isinstance(block, ResultBlock)]
            assert results == [call.id for call in message.calls]


@given(event_lists, event_lists)
def test_what_was_said_is_never_rewritten(past: list[events.Event], more: list[events.Event]) -> None:
    history = History()
    for event in past:
        history.take(event)
    before = history.messages()
    for event in more:
        history.take(event)
    assert history.messages()[: len(before)] == before
