from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.errors import ProviderBusyError, ProviderError, SettingsError
from hermitcrab.core.messages import (
    AssistantMessage,
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
    ThinkingPart,
    ToolCall,
)
from hermitcrab.providers.script import Call, Say, parse_script
from hermitcrab.providers.scripted import ScriptedProvider

PROMPT = Prompt("scripted:x", "", (), ())


async def no_time(_seconds: float) -> None:
    return


async def ask(provider: ScriptedProvider, prompt: Prompt = PROMPT) -> list[StreamPart]:
    return [part async for part in provider.stream(prompt)]


def call(*parts: str) -> dict[str, Any]:
    (step,) = parse_script(" ".join(("call", *parts)))[0]
    assert isinstance(step, Call)
    return json.loads(step.arguments)


async def test_a_script_is_a_conversation() -> None:
    provider = ScriptedProvider(
        """\
# The model changes a number.
think A one.
call Edit file_path=a.py old_string=1 new_string=2

say As you wish.
"""
    )
    edit = ToolCall("call_1", "Edit", {"file_path": "a.py", "old_string": "1", "new_string": "2"})
    assert await ask(provider) == [
        ThinkingPart("A one."),
        BlockPart(ThinkingBlock("A one."), {"type": "thinking", "thinking": "A one."}),
        CallStartPart("call_1", "Edit"),
        CallArgumentsPart("call_1", '{"file_path": "a.py", "old_string": "1", "new_string": "2"}'),
        BlockPart(CallBlock(edit), {"type": "tool_use", "id": "call_1", "name": "Edit", "input": edit.arguments}),
        StopPart("tool_use"),
    ]
    assert await ask(provider) == [
        TextPart("As you wish."),
        BlockPart(TextBlock("As you wish."), {"type": "text", "text": "As you wish."}),
        StopPart("end_turn"),
    ]
    with pytest.raises(ProviderError, match=r"`script` has no reply left: it has 2 replies"):
        await ask(provider)


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("Edit old_string=1", {"old_string": "1"}),
        ("Grep pattern=x head_limit:=5 -i:=true", {"pattern": "x", "head_limit": 5, "-i": True}),
        ('Bash command="echo \\"a b\\"\\n"', {"command": 'echo "a b"\n'}),
        ('MultiEdit edits:=[{"old_string": "a = b"}, {}]', {"edits": [{"old_string": "a = b"}, {}]}),
        ('Write {"file_path": "a b.py", "content": ""}', {"file_path": "a b.py", "content": ""}),
        ("Grep pattern=a=b path=", {"pattern": "a=b", "path": ""}),
        ("Read file_path=~/é.py", {"file_path": "~/é.py"}),
        ("Todo", {}),
    ],
)
def test_arguments(line: str, arguments: dict[str, Any]) -> None:
    assert call(line) == arguments


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("say hi\nsing loudly", "`s.txt` line 2: `sing` is not a word"),
        ('say "half', "line 1: text that begins with a quote"),
        ("call Edit old string", "`key=value` is expected at `old string`"),
        ('call Edit a="x"b', "a space is expected"),
        ("call Edit {]", "line 1"),
        ("call", "needs the name"),
        ("cut\nsay more", "line 2: nothing can follow"),
        ("wait long", "line 1"),
        ("wait -1", "takes seconds"),
        ("stop it", "`stop` takes one of"),
        ("delta x", "a whole number"),
        ("http 500", "`http` is not a word"),
    ],
)
def test_a_wrong_line_is_named(script: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=r"`s\.txt` line") as caught:
        parse_script(script, name="s.txt")
    assert problem in str(caught.value)


@given(st.text())
def test_any_text_can_be_said(text: str) -> None:
    assert parse_script("say " + json.dumps(text)) == ((Say(text),),)


async def test_pieces() -> None:
    parts = await ask(ScriptedProvider("delta 2\nsay hello\ncall Read a=b\n\nsay whole"))
    assert [part.text for part in parts if isinstance(part, TextPart)] == ["he", "ll", "o"]
    pieces = [part.piece for part in parts if isinstance(part, CallArgumentsPart)]
    assert "".join(pieces) == '{"a": "b"}'
    assert max(map(len, pieces)) == 2


async def test_many_pieces_leave_others_their_turn() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    parts = await ask(ScriptedProvider("say-many 5000"))
    task.cancel()
    assert sum(isinstance(part, TextPart) for part in parts) == 5000
    assert turns > 50


async def test_a_closed_call_that_is_no_json_is_broken() -> None:
    (_, _, block, stop) = await ask(ScriptedProvider('broken Write {"content": "x'))
    assert isinstance(block, BlockPart)
    assert isinstance(block.block, CallBlock)
    assert isinstance(block.block.call, BrokenCall)
    assert block.block.call.raw == '{"content": "x'
    assert stop == StopPart("tool_use")


async def test_a_cut_call_is_never_whole() -> None:
    provider = ScriptedProvider('cut-call Write {"content": "x')
    shown: list[StreamPart] = []
    with pytest.raises(ProviderBusyError):  # noqa: PT012
        async for part in provider.stream(PROMPT):
            shown.append(part)
    assert [type(part) for part in shown] == [CallStartPart, CallArgumentsPart]


async def test_whole_calls_stand_when_the_stream_is_cut() -> None:
    parts = await ask(ScriptedProvider("call Read file_path=a\ncut-call Write {"))
    blocks = [part.block for part in parts if isinstance(part, BlockPart)]
    assert blocks == [CallBlock(ToolCall("call_1", "Read", {"file_path": "a"}))]
    assert parts[-1] == StopPart("tool_use")


async def test_busy_once_and_again() -> None:
    provider = ScriptedProvider("busy overloaded\nsay hi\n\ncut\n\nsay next", sleep=no_time)
    parts = await ask(provider)
    assert isinstance(parts[0], RetryPart)
    assert "overloaded" in parts[0].reason
    assert parts[1] == TextPart("hi")
    parts = await ask(provider)  # cut before anything was shown: the next reply is the next try
    assert [type(part) for part in parts[:2]] == [RetryPart, TextPart]


async def test_fail_and_stop() -> None:
    provider = ScriptedProvider("fail no such model\n\nsay long\nstop max_tokens")
    with pytest.raises(ProviderError, match="no such model"):
        await ask(provider)
    assert (await ask(provider))[-1] == StopPart("max_tokens")


async def test_a_wait_can_be_cancelled() -> None:
    provider = ScriptedProvider("say a\nwait 60\nsay b")
    parts = provider.stream(PROMPT)
    assert await anext(parts) == TextPart("a")
    await anext(parts)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await anext(parts)


async def test_call_ids_go_on_where_a_resumed_session_stopped() -> None:
    said = AssistantMessage((CallBlock(ToolCall("call_1", "Read", {})),))
    parts = await ask(ScriptedProvider("call Read"), Prompt("scripted:x", "", (), (said,)))
    assert parts[0] == CallStartPart("call_2", "Read")
