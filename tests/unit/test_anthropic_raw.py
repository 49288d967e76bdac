from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.messages import BrokenCall, CallBlock, RawReply, TextBlock, ThinkingBlock, ToolCall
from hermitcrab.providers.raw import arguments_of, blocks_of, call_of, raw_call


def test_a_logged_reply_means_what_it_meant() -> None:
    raw = RawReply(
        "anthropic",
        "claude-x",
        (
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "a.py"}},
            {"type": "something_new", "data": [1]},
        ),
    )
    assert blocks_of(raw) == (
        ThinkingBlock("hm"),
        ThinkingBlock(""),
        TextBlock("Hi"),
        CallBlock(ToolCall("t1", "Read", {"file_path": "a.py"})),
        ThinkingBlock(""),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1', "not JSON"),
        ('{"a": 1}}', "not JSON"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"a": NaN}', "`NaN` is not JSON"),
        ('{"a": -Infinity}', "`-Infinity` is not JSON"),
        ('{"a": 1e999}', "too large"),
        ('{"a": 1, "a": 2}', "`a` twice"),
        ('{"a": {"b": 1, "b": 2}}', "`b` twice"),
        ('{"a": "\\ud83d"}', "half of a character"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "integer"),
    ],
)
def test_nothing_is_repaired(text: str, problem: str) -> None:
    call = call_of("t1", "Read", text)
    assert isinstance(call, BrokenCall)
    assert call.raw == text
    assert problem in call.problem
    assert blocks_of(RawReply("anthropic", "m", (raw_call(call),))) == (CallBlock(call),)  # and it stays broken


def test_no_arguments_are_an_empty_object() -> None:
    assert arguments_of("") == {}
    assert arguments_of(" ") == {}


def test_a_pair_of_escapes_is_one_character() -> None:
    assert arguments_of('{"a": "\\ud83d\\ude00"}') == {"a": "😀"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.data())
def test_sound_json_is_read_and_no_beginning_of_it_is(value: dict[str, object], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    assert arguments_of(text) == value
    cut = data.draw(st.integers(1, len(text) - 1))
    assert isinstance(call_of("t", "Read", text[:cut]), BrokenCall)
