"""The vendor's own client as judge: of our mock, of the requests we send, and of what we read from the same bytes."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.types import RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import TypeAdapter

from hermitcrab.core.messages import (
    AssistantMessage,
    BlockPart,
    CallBlock,
    Prompt,
    RawReply,
    ResultBlock,
    StopPart,
    StreamPart,
    TextBlock,
    ToolCall,
    ToolSpec,
    Usage,
    UsagePart,
    UserMessage,
)
from hermitcrab.providers.anthropic import AnthropicOptions, AnthropicProvider
from hermitcrab.providers.sse import SseDecoder
from mocks import anthropic_server
from mocks.anthropic_server import MockAnthropic

SCRIPT = """\
think Was tun? é😀
delta 2
say Ich lese: "größer" 😀\u2028
call Read file_path="ä 😀.py" limit:=5
redact b64==
call Todo {"todos": [{"content": "é", "status": "done"}, {"content": "", "status": "x"}], "n": -1.5e3}
"""
HI = UserMessage((TextBlock("hi"),))


async def ours(url: str, prompt: Prompt | None = None) -> list[StreamPart]:
    provider = AnthropicProvider(AnthropicOptions(key="k", base_url=url))
    parts = [part async for part in provider.stream(prompt or Prompt("claude-x", "", (), (HI,)))]
    await provider.close()
    return parts


async def theirs(url: str, **options: Any) -> anthropic.types.Message:
    async with (
        anthropic.AsyncAnthropic(api_key="k", base_url=url, **options) as client,
        client.messages.stream(
            model="claude-x", max_tokens=100, messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
        ) as stream,
    ):
        return await stream.get_final_message()


def content(message: anthropic.types.Message) -> list[dict[str, Any]]:
    """Return a message's blocks as they would be sent back."""
    return [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in message.content]


def raws(parts: list[StreamPart]) -> list[dict[str, Any]]:
    return [part.raw for part in parts if isinstance(part, BlockPart)]


@pytest.mark.parametrize("seed", range(12))
async def test_we_read_what_the_vendors_client_reads(seed: int) -> None:
    async with MockAnthropic(f"chop {seed}\n{SCRIPT}") as one, MockAnthropic(f"chop {seed + 99}\n{SCRIPT}") as other:
        parts, message = await ours(one.url), await theirs(other.url)
    assert raws(parts) == content(message)
    assert parts[-1] == StopPart("tool_use")
    assert message.stop_reason == "tool_use"
    usage = [part.usage for part in parts if isinstance(part, UsagePart)][-1]
    expected = Usage(usage.input, message.usage.output_tokens, 0, 0)
    assert usage == expected


def any_script(chance: random.Random) -> str:
    words = ["", "é😀", 'say "x"', "a\r\n\tb", "\u2028\x85", "{", "}\\", "event: x\n\ndata: y", "\x00\x7f", "x" * 40]
    lines: list[str] = []
    for _ in range(chance.randint(1, 6)):
        text = json.dumps("".join(chance.choices(words, k=3)) + "end")
        size = chance.choice([0, 1, 5])
        lines.append(f"delta {size}")
        lines.append(chance.choice([f"say {text}", f"think {text}", f'call T a={text} b:=[{text}, null, {{"c": 1}}]']))
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(12))
async def test_any_reply_reads_the_same(seed: int) -> None:
    script = f"chop {seed}\n{any_script(random.Random(seed))}"
    async with MockAnthropic(script) as one, MockAnthropic(script) as other:
        assert raws(await ours(one.url)) == content(await theirs(other.url))


def test_every_event_of_the_mock_is_one_of_the_vendors() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    events = list(SseDecoder().feed(MockAnthropic(SCRIPT).body()))
    checked = [adapter.validate_json(event.data) for event in events if event.name != "ping"]
    assert len(checked) > 20
    assert {type(event).__name__ for event in checked} == {
        "RawMessageStartEvent",
        "RawContentBlockStartEvent",
        "RawContentBlockDeltaEvent",
        "RawContentBlockStopEvent",
        "RawMessageDeltaEvent",
        "RawMessageStopEvent",
    }


@pytest.mark.parametrize("model", ["claude-x", "claude-opus-5-5"])
async def test_our_requests_are_of_the_vendors_shape(model: str) -> None:
    said = (
        {"type": "thinking", "thinking": "hm", "signature": "signed:hm"},
        {"type": "tool_use", "id": "t1", "name": "Read", "input": {"a": 1}},
    )
    reply = AssistantMessage((CallBlock(ToolCall("t1", "Read", {"a": 1})),), RawReply("anthropic", model, said))
    history = (HI, reply, UserMessage((ResultBlock("t1", "no", is_error=True), TextBlock("go on"))))
    tools = (ToolSpec("Read", "Reads.", {"type": "object", "properties": {"a": {"type": "integer"}}}),)
    async with MockAnthropic("say ok") as server:
        await ours(server.url, Prompt(f"anthropic/{model}", "Be good.", tools, history))
        body = server.requests[0].json
    adapter: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)
    adapter.validate_python(body)
    assert set(body) <= set(MessageCreateParamsStreaming.__annotations__) | {"stream"} | params()


def params() -> set[str]:
    from anthropic.types.message_create_params import MessageCreateParamsBase

    return set(MessageCreateParamsBase.__annotations__)


@pytest.mark.parametrize(
    "fault", ["http 529 retry-after-ms=10 overloaded", "http 500 retry-after-ms=10 x", "http 429 retry-after-ms=10 x"]
)
async def test_both_retry_and_read_the_same(fault: str) -> None:
    async with MockAnthropic(f"{fault}\n{SCRIPT}") as one, MockAnthropic(f"{fault}\n{SCRIPT}") as other:
        parts, message = await ours(one.url), await theirs(other.url, max_retries=2)
        assert len(one.requests) == len(other.requests) == 2
    assert raws(parts) == content(message)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("fail no", anthropic.BadRequestError),
        ("http 401 no", anthropic.AuthenticationError),
        ("http 404 no", anthropic.NotFoundError),
        ("http 529 a\nhttp 529 b\nhttp 529 c\nsay x", anthropic.APIStatusError),
    ],
)
async def test_the_mock_fails_as_the_vendor_does(script: str, error: type[Exception]) -> None:
    async with MockAnthropic(script) as server:
        with pytest.raises(error):
            await theirs(server.url, max_retries=0)


async def test_the_mock_as_a_program(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("say hi")
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        anthropic_server.__file__,
        *("--script", str(tmp_path / "script"), "--port-file", str(tmp_path / "port")),
        *("--record", str(tmp_path / "record")),
    )
    try:
        async with asyncio.timeout(20):
            while not (tmp_path / "port").exists():
                await asyncio.sleep(0.02)
        parts = await ours(f"http://127.0.0.1:{(tmp_path / 'port').read_text()}")
        assert raws(parts) == [{"type": "text", "text": "hi"}]
        (line,) = (tmp_path / "record").read_text().splitlines()
        assert json.loads(json.loads(line)["body"])["model"] == "claude-x"
    finally:
        program.terminate()
        await program.wait()
