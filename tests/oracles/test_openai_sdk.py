"""The vendor's own client as judge: of our mock, of the requests we send, and of what we read from the same bytes."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.lib.streaming.chat import AsyncChatCompletionStreamManager, ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk, ParsedChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsBase, CompletionCreateParamsStreaming
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
from hermitcrab.providers.openai_chat import OpenAIChatOptions, OpenAIChatProvider
from hermitcrab.providers.sse import SseDecoder
from mocks import openai_server
from mocks.openai_server import MockOpenAI

SCRIPT = """\
delta 2
say Ich lese: "größer" 😀\u2028
call Read file_path="ä 😀.py" limit:=5
delta 0
call Todo {"todos": [{"content": "é", "status": "done"}, {"content": "", "status": "x"}], "n": -1.5e3}
"""
HI = UserMessage((TextBlock("hi"),))
TOOLS = (ToolSpec("Read", "Reads.", {"type": "object", "properties": {"a": {"type": "integer"}}}),)


async def ours(url: str, prompt: Prompt | None = None) -> list[StreamPart]:
    provider = OpenAIChatProvider(OpenAIChatOptions(key="k", base_url=f"{url}/v1"))
    parts = [part async for part in provider.stream(prompt or Prompt("openai/gpt-x", "", (), (HI,)))]
    await provider.close()
    return parts


async def theirs(url: str, **options: Any) -> ParsedChatCompletion[None]:
    async with openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", **options) as client:
        manager: AsyncChatCompletionStreamManager[None] = client.chat.completions.stream(
            model="gpt-x", messages=[{"role": "user", "content": "hi"}], stream_options={"include_usage": True}
        )
        state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
        async with manager as stream:
            async for event in stream:
                if event.type == "chunk":
                    state.handle_chunk(event.chunk)
        return state.get_final_completion()


def content(completion: ParsedChatCompletion[None]) -> dict[str, Any]:
    """Return a completion's message as it would be sent back."""
    message = completion.choices[0].message
    calls = message.tool_calls or []
    return {
        "content": message.content or "",
        "reasoning": getattr(message, "reasoning_content", ""),
        "tool_calls": [
            {
                "id": call.id,
                "type": call.type,
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in calls
        ],
    }


def read(parts: list[StreamPart]) -> dict[str, Any]:
    raws = [part.raw for part in parts if isinstance(part, BlockPart)]
    return {
        "content": "".join(raw["text"] for raw in raws if raw["type"] == "text"),
        "reasoning": "".join(raw["thinking"] for raw in raws if raw["type"] == "thinking"),
        "tool_calls": [raw for raw in raws if raw["type"] == "function"],
    }


@pytest.mark.parametrize("seed", range(12))
async def test_we_read_what_the_vendors_client_reads(seed: int) -> None:
    async with MockOpenAI(f"chop {seed}\n{SCRIPT}") as one, MockOpenAI(f"chop {seed + 99}\n{SCRIPT}") as other:
        parts, completion = await ours(one.url), await theirs(other.url)
    assert read(parts) == content(completion)
    assert len(read(parts)["tool_calls"]) == 2
    assert parts[-1] == StopPart("tool_use")
    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.usage
    usage = [part.usage for part in parts if isinstance(part, UsagePart)][-1]
    assert usage == Usage(usage.input, completion.usage.completion_tokens, 4, None)


def any_script(chance: random.Random) -> str:
    words = ["", "é😀", 'say "x"', "a\r\n\tb", "\u2028\x85", "{", "}\\", "event: x\n\ndata: y", "\x00\x7f", "x" * 40]
    lines: list[str] = []
    for _ in range(chance.randint(1, 6)):
        text = json.dumps("".join(chance.choices(words, k=3)) + "end")
        size = chance.choice([0, 1, 5])
        lines.append(f"delta {size}")
        lines.append(chance.choice([f"say {text}", f"think {text}", f'call T a={text} b:=[{text}, null, {{"c": 1}}]']))
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(24))
async def test_any_reply_reads_the_same(seed: int) -> None:
    script = f"chop {seed}\n{any_script(random.Random(seed))}"
    async with MockOpenAI(script) as one, MockOpenAI(script) as other:
        assert read(await ours(one.url)) == content(await theirs(other.url))


@pytest.mark.parametrize("seed", range(12))
async def test_the_very_same_bytes_chopped_anywhere(seed: int) -> None:
    """No server between: one body, in random pieces to us and through the vendor's own chunk type to them."""
    from mocks.exchange import FakeDialler, FakeExchange

    chance = random.Random(seed)
    body = MockOpenAI(any_script(chance)).body()
    pieces, rest = [], body
    while rest:
        size = chance.randint(1, 60)
        pieces.append(rest[:size])
        rest = rest[size:]
    dialler: Any = FakeDialler(FakeExchange(pieces))
    provider = OpenAIChatProvider(OpenAIChatOptions(key="k"), dialler)
    parts = [part async for part in provider.stream(Prompt("openai/gpt-x", "", (), (HI,)))]
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for event in SseDecoder().feed(body):
        if event.data != "[DONE]":
            state.handle_chunk(ChatCompletionChunk.model_validate_json(event.data))
    assert read(parts) == content(state.get_final_completion())


def test_every_chunk_of_the_mock_is_the_vendors() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ChatCompletionChunk)
    events = [event for event in SseDecoder().feed(MockOpenAI(SCRIPT).body()) if event.data != "[DONE]"]
    checked = [adapter.validate_json(event.data, strict=True) for event in events]
    assert len(checked) > 20
    assert {choice.finish_reason for chunk in checked for choice in chunk.choices} == {None, "tool_calls"}


async def test_our_requests_are_of_the_vendors_shape() -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "Read", "arguments": '{"a": 1}'}}
    raw = RawReply("openai-chat", "openai/gpt-x", ({"type": "text", "text": "so"}, call))
    reply = AssistantMessage((TextBlock("so"), CallBlock(ToolCall("t1", "Read", {"a": 1}))), raw)
    history = (HI, reply, UserMessage((ResultBlock("t1", "no", is_error=True), TextBlock("go on"))))
    async with MockOpenAI("say ok") as server:
        await ours(server.url, Prompt("openai/gpt-x", "Be good.", TOOLS, history))
        body = server.requests[0].json
    adapter: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsStreaming)
    adapter.validate_python(body)
    known = set(CompletionCreateParamsBase.__annotations__) | set(CompletionCreateParamsStreaming.__annotations__)
    assert set(body) <= known


@pytest.mark.parametrize(
    "fault", ["http 503 retry-after-ms=10 x", "http 500 retry-after-ms=10 x", "http 429 retry-after-ms=10 x"]
)
async def test_both_retry_and_read_the_same(fault: str) -> None:
    async with MockOpenAI(f"{fault}\n{SCRIPT}") as one, MockOpenAI(f"{fault}\n{SCRIPT}") as other:
        parts, completion = await ours(one.url), await theirs(other.url, max_retries=2)
        assert len(one.requests) == len(other.requests) == 2
    assert read(parts) == content(completion)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("fail no", openai.BadRequestError),
        ("http 401 no", openai.AuthenticationError),
        ("http 404 no", openai.NotFoundError),
        ("http 529 a\nsay x", openai.InternalServerError),
        ("error server_error x", openai.APIError),
    ],
)
async def test_the_mock_fails_as_the_vendor_does(script: str, error: type[Exception]) -> None:
    async with MockOpenAI(script) as server:
        with pytest.raises(error):
            await theirs(server.url, max_retries=0)


async def test_the_mock_as_a_program(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("say hi")
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        openai_server.__file__,
        *("--script", str(tmp_path / "script"), "--port-file", str(tmp_path / "port")),
        *("--record", str(tmp_path / "record")),
    )
    try:
        async with asyncio.timeout(20):
            while not (tmp_path / "port").exists():
                await asyncio.sleep(0.02)
        parts = await ours(f"http://127.0.0.1:{(tmp_path / 'port').read_text()}")
        assert read(parts)["content"] == "hi"
        (line,) = (tmp_path / "record").read_text().splitlines()
        assert json.loads(json.loads(line)["body"])["model"] == "gpt-x"
    finally:
        program.terminate()
        await program.wait()
