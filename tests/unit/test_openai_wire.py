"""The Chat Completions provider against the mock server, over real sockets: faults, retries, servers that know less."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.core.messages import (
    AssistantMessage,
    BlockPart,
    BrokenCall,
    CallBlock,
    Message,
    NoticePart,
    Prompt,
    RawReply,
    ResultBlock,
    RetryPart,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ToolCall,
    ToolSpec,
    UserMessage,
)
from hermitcrab.providers.listening import Patience
from hermitcrab.providers.openai_chat import OpenAIChatOptions, OpenAIChatProvider
from hermitcrab.providers.raw import blocks_of
from mocks.openai_server import MockOpenAI

HI = UserMessage((TextBlock("hi"),))
MODEL = "openai/gpt-x"
Start = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Return a function that starts a server with a script and a provider that talks to it."""
    async with AsyncExitStack() as stack:

        async def run(script: str, **options: Any) -> tuple[MockOpenAI, OpenAIChatProvider]:
            server = await stack.enter_async_context(MockOpenAI(script))
            given = {"key": "sk-secret", "base_url": f"{server.url}/v1", **options}
            provider = OpenAIChatProvider(OpenAIChatOptions(**given))
            stack.push_async_callback(provider.close)
            return server, provider

        yield run


async def ask(provider: OpenAIChatProvider, *messages: Message, model: str = MODEL) -> list[Any]:
    """Return all parts; an error at the end is the last of them."""
    parts: list[Any] = []
    try:
        async for part in provider.stream(Prompt(model, "", (), messages or (HI,))):
            parts.append(part)
    except ProviderError as failure:
        parts.append(failure)
    return parts


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not holds():
            await asyncio.sleep(0.005)


def said(parts: list[Any]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def retries(parts: list[Any]) -> list[RetryPart]:
    return [part for part in parts if isinstance(part, RetryPart)]


def calls(parts: list[Any]) -> list[Any]:
    return [p.block.call for p in parts if isinstance(p, BlockPart) and isinstance(p.block, CallBlock)]


def reply_of(parts: list[StreamPart], model: str = MODEL) -> AssistantMessage:
    blocks = [part for part in parts if isinstance(part, BlockPart)]
    raw = RawReply("openai-chat", model, tuple(part.raw for part in blocks))
    return AssistantMessage(tuple(part.block for part in blocks), raw)


async def test_a_conversation(start: Start) -> None:
    server, provider = await start("think hm\nsay Reading.\ncall Read file_path=a.py\n\nsay Done.")
    reply = reply_of(await ask(provider))
    assert reply.raw
    assert blocks_of(reply.raw) == reply.blocks
    await asyncio.sleep(0.1)  # the connection is free again by then, also on a busy machine
    parts = await ask(provider, HI, reply, UserMessage((ResultBlock("call_01", "x = 1"),)))
    assert said(parts) == "Done."
    first, second = server.requests
    assert second.canonical.startswith(first.canonical)
    assert second.json["messages"][1]["tool_calls"] == [reply.raw.blocks[2]]
    assert first.headers["authorization"] == "Bearer sk-secret"
    assert server.connections == 1


async def test_fifty_turns_keep_the_prefix(start: Start) -> None:
    turns = 50
    script = "\n\n".join(
        f"think hm\nsay step {n}\ncall Read file_path=a{n}.py\ncall Bash command=é" for n in range(turns)
    )
    server, provider = await start(script)
    tools = (ToolSpec("Read", "Reads.", {"type": "object"}),)
    messages: list[Message] = [HI]
    for _ in range(turns):
        prompt = Prompt(MODEL, "Be good.", tools, tuple(messages))
        reply = reply_of([part async for part in provider.stream(prompt)])
        messages += [reply, UserMessage(tuple(ResultBlock(call.id, "x = 1\n" * 20) for call in reply.calls))]
    for one, next_one in zip(server.requests, server.requests[1:], strict=False):
        assert next_one.body.startswith(one.body.removesuffix(b"]}"))
    assert len(server.requests) == turns


@pytest.mark.parametrize("seed", range(5))
async def test_bytes_in_any_pieces(start: Start, seed: int) -> None:
    script = 'think é\nsay Grüße 😀\ncall Write content="ä😀\\n" n:=1'
    (_, chopped), (_, whole) = await start(f"chop {seed}\n{script}"), await start(script)
    one, other = await ask(chopped), await ask(whole)
    assert [p for p in one if isinstance(p, BlockPart)] == [p for p in other if isinstance(p, BlockPart)]
    assert said(one) == said(other)
    assert one[-1] == other[-1] == StopPart("tool_use")


class TestTenFaults:
    """The first line that issue 3 shows, as far as a provider is concerned."""

    @pytest.mark.parametrize(
        "fault",
        [
            "http 500 oops",
            "http 529 overloaded",
            "busy overloaded",
            "http 408",
            "error server_error x",
            "reset",
            "cut",
            "end",
        ],
    )
    async def test_before_anything_was_shown_one_is_forgiven_quickly(self, start: Start, fault: str) -> None:
        separator = "\n" if fault.startswith(("http", "busy")) else "\n\n"
        server, provider = await start(f"say warm\n\n{fault}{separator}say hi")
        await ask(provider)  # httpx is imported by now
        began = time.monotonic()
        parts = await ask(provider)
        assert said(parts) == "hi"
        assert len(retries(parts)) == 1
        assert server.requests[1].body == server.requests[2].body
        assert time.monotonic() - began < 1

    async def test_the_servers_wish(self, start: Start) -> None:
        server, provider = await start("http 429 retry-after-ms=400\nsay hi")
        parts = await ask(provider)
        assert 0.4 <= retries(parts)[0].wait <= 0.44
        assert server.requests[1].time - server.requests[0].time >= 0.4

    @pytest.mark.parametrize("fault", ["reset", "cut", "end", "busy overloaded", "error rate_limit_exceeded x"])
    async def test_words_that_break_off(self, start: Start, fault: str) -> None:
        server, provider = await start(f"say half a sentence\n{fault}\n\nsay next")
        parts = await ask(provider)
        assert said(parts) == "half a sentence"
        assert isinstance(parts[-1], ProviderBusyError)
        assert len(server.requests) == 1  # the caller decides
        assert said(await ask(provider)) == "next"

    @pytest.mark.parametrize("fault", ["reset", "cut", "end", "busy overloaded", 'cut-call Bash {"command": "rm'])
    async def test_a_whole_call_stands(self, start: Start, fault: str) -> None:
        server, provider = await start(f"call Read file_path=a\ndelta 3\ncall Write content=xyz\n{fault}")
        parts = await ask(provider)
        whole = [ToolCall("call_01", "Read", {"file_path": "a"})]
        if fault.startswith("cut-call"):
            whole.append(ToolCall("call_02", "Write", {"content": "xyz"}))
        assert calls(parts) == whole
        assert parts[-1] == StopPart("tool_use")
        assert len(server.requests) == 1

    @pytest.mark.parametrize("fault", ['cut-call Bash {"command": "rm -rf build"}', "call Bash command=x\nreset"])
    async def test_a_cut_call_never_happened(self, start: Start, fault: str) -> None:
        _, provider = await start(fault)
        parts = await ask(provider)
        assert calls(parts) == []
        assert isinstance(parts[-1], ProviderBusyError)

    async def test_an_unknown_tool_and_bad_arguments_are_the_callers(self, start: Start) -> None:
        _, provider = await start('call Nonsense a=1\nbroken Read {"file_path": "a"')
        unknown, broken = calls(await ask(provider))
        assert unknown == ToolCall("call_01", "Nonsense", {"a": "1"})
        assert isinstance(broken, BrokenCall)

    async def test_a_stall_is_told_and_borne(self, start: Start) -> None:
        _, provider = await start("say a\nwait 0.2\nsay b", patience=Patience(notice=0.05, idle=5))
        parts = await ask(provider)
        assert said(parts) == "ab"
        (notice,) = [part for part in parts if isinstance(part, NoticePart)]
        assert "has sent nothing for" in notice.text

    async def test_too_long_a_stall_is_a_cut(self, start: Start) -> None:
        server, provider = await start("say a\nwait 60", patience=Patience(notice=0.02, idle=0.1))
        parts = await ask(provider)
        assert said(parts) == "a"
        assert isinstance(parts[-1], ProviderBusyError)
        await until(lambda: server.dropped == 1)

    async def test_five_tries_and_an_end(self, start: Start) -> None:
        server, provider = await start("http 500 a\nhttp 500 b\nhttp 500 c\nhttp 500 d\nhttp 500 e\nsay too late")
        parts = await ask(provider)
        assert len(server.requests) == 5
        assert sum(retry.wait for retry in retries(parts)) < 4
        assert "asked 5 times" in str(parts[-1])


class TestFinalFaults:
    @pytest.mark.parametrize(
        ("script", "options", "words"),
        [
            ("say hi", {"key": "bad-key-12345"}, ["answered 401: Incorrect API key", "`OPENAI_API_KEY`"]),
            ("http 403 not for you", {}, ["answered 403: not for you", "`OPENAI_API_KEY`"]),
            ("http 404 no model gpt-x", {}, ["answered 404: no model gpt-x", "`OPENAI_BASE_URL`"]),
            ("fail maximum context length is 5 tokens", {}, ["no longer fits `openai/gpt-x`", "start a new session"]),
            ("http 301 location=https://elsewhere.com/", {}, ["elsewhere.com", "`OPENAI_BASE_URL`"]),
            ("fail gpt-x does not support tools", {}, ["choose a model that can call tools"]),
            ("http 404 model not found", {"vendor": "ollama"}, ["`ollama pull llama`"]),
            ("http 401 who are you", {"vendor": "ollama"}, ["`OLLAMA_API_KEY`"]),
        ],
    )
    async def test_they_say_what_would_help(
        self, start: Start, script: str, options: dict[str, Any], words: list[str]
    ) -> None:
        server, provider = await start(script, **options)
        (failure,) = await ask(provider, model="ollama/llama" if options.get("vendor") else MODEL)
        assert type(failure) is ProviderError
        for word in words:
            assert word in str(failure)
        assert "bad-key" not in str(failure)
        assert len(server.requests) == 1

    async def test_an_account_without_credit_is_not_asked_again(self, start: Start) -> None:
        _, provider = await start("http 429 insufficient_quota: You exceeded your current quota\nsay hi")
        parts = await ask(provider)
        assert type(parts[-1]) is ProviderError
        assert "no credit left" in str(parts[-1])

    async def test_a_server_that_echoes_the_key(self, start: Start) -> None:
        _, provider = await start("http 403 the key sk-secret may not")
        (failure,) = await ask(provider)
        assert "the key [hidden] may not" in str(failure)

    @pytest.mark.parametrize(
        ("vendor", "words"), [("openai", "from `OPENAI_BASE_URL`"), ("ollama", "`ollama serve` starts it")]
    )
    async def test_nobody_there(self, start: Start, vendor: str, words: str) -> None:
        server, provider = await start("say hi", vendor=vendor, base_url="http://127.0.0.1:9/v1")
        parts = await ask(provider)
        assert words in str(parts[-1])
        assert server.requests == []


class TestServersThatKnowLess:
    async def test_counting_is_refused_once_and_never_asked_for_again(self, start: Start) -> None:
        server, provider = await start(
            "http 400 Unrecognized request argument supplied: stream_options\nsay hi\n\nsay again"
        )
        parts = await ask(provider)
        assert said(parts) == "hi"
        assert "did not take `stream_options`" in retries(parts)[0].reason
        assert said(await ask(provider)) == "again"
        assert ["stream_options" in request.json for request in server.requests] == [True, False, False]

    async def test_a_refusal_that_goes_on_is_final(self, start: Start) -> None:
        server, provider = await start("http 400 no stream_options\nhttp 400 still no stream_options\nsay hi")
        parts = await ask(provider)
        assert type(parts[-1]) is ProviderError
        assert len(server.requests) == 2

    @pytest.mark.parametrize(
        ("refusal", "limits"),
        [
            (
                "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                [{"max_tokens": 8192}, {"max_completion_tokens": 8192}],
            ),
            ("max_tokens is too large: 8192. This model supports at most 4096", [{"max_tokens": 8192}, {}]),
            (
                "maximum context length is 9000 tokens, you requested 9192 (1000 in the messages, 8192 in the completion)",
                [{"max_tokens": 8192}, {}],
            ),
        ],
    )
    async def test_the_limit(self, start: Start, refusal: str, limits: list[dict[str, int]]) -> None:
        server, provider = await start(f"http 400 {refusal}\nsay hi")
        assert said(await ask(provider)) == "hi"
        asked = [{k: v for k, v in r.json.items() if k.startswith("max_")} for r in server.requests]
        assert asked == limits

    async def test_our_own_history_is_refused_once_and_then_told_plainly(self, start: Start) -> None:
        server, provider = await start("say fine\n\nsay still fine")
        odd = {"id": "t1", "type": "function", "function": {"name": "Read", "arguments": '{"a": "\\u0001"}'}}
        raw = RawReply("openai-chat", MODEL, ({"type": "text", "text": "a\x01"}, odd))
        history = (HI, AssistantMessage(blocks_of(raw), raw), HI)
        parts = await ask(provider, *history)
        assert "did not take back" in retries(parts)[0].reason
        assert said(parts) == "fine"
        assert said(await ask(provider, *history)) == "still fine"
        assert len(server.requests) == 3

    async def test_a_400_that_is_not_about_history_is_final(self, start: Start) -> None:
        server, provider = await start("fail messages.[0].content: nothing helps\n\nfail messages.[0].content: no")
        parts = await ask(provider)
        assert len(server.requests) == 2  # once in plain words, and no more
        assert type(parts[-1]) is ProviderError

    async def test_a_connection_left_open_behind_the_reply(self, start: Start) -> None:
        patience = Patience(idle=0.1)
        _, provider = await start("quirk no-done keep-open\ncall Read file_path=a", patience=patience)
        parts = await ask(provider)
        assert calls(parts) == [ToolCall("call_01", "Read", {"file_path": "a"})]
        assert parts[-1] == StopPart("tool_use")
        assert not any(isinstance(part, NoticePart) for part in parts)


async def serve(kind: str, body: bytes, status: int = 200) -> tuple[asyncio.Server, OpenAIChatProvider]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    return server, OpenAIChatProvider(OpenAIChatOptions(base_url=url))


class TestOtherAnswers:
    @pytest.mark.parametrize(
        ("kind", "body", "status", "words"),
        [
            ("text/html", b"<p>Log in", 200, "`text/html` instead of a reply: <p>Log in; check `OPENAI_BASE_URL`"),
            ("application/json", b'{"models": []}', 200, "instead of a reply"),
            ("application/json", b'{"error": "no such model"}', 404, "404: no such model"),
            (
                "application/json",
                b'{"detail": [{"loc": ["body", "model"], "msg": "field required"}]}',
                422,
                "field required",
            ),
            ("application/json", b'[{"error": {"code": 400, "message": "from a list"}}]', 400, "400: from a list"),
            ("application/json", b'{"object": "error", "message": "flat words"}', 400, "400: flat words"),
            ("text/plain", b"[" * 50_000, 400, "400: [[["),
        ],
    )
    async def test_are_told(self, kind: str, body: bytes, status: int, words: str) -> None:
        server, provider = await serve(kind, body, status)
        parts = await ask(provider)
        assert words in str(parts[-1])
        assert type(parts[-1]) is ProviderError
        await provider.close()
        server.close()
        await server.wait_closed()

    async def test_a_server_that_does_not_stream(self) -> None:
        message = {"role": "assistant", "content": "x" * 100_000, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "Read", "arguments": '{"file_path": "a"}'}}
        ]}  # fmt: skip
        whole = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": {}}
        server, provider = await serve("application/json", json.dumps(whole).encode())
        parts = await ask(provider)
        assert len(said(parts)) == 100_000
        assert calls(parts) == [ToolCall("a", "Read", {"file_path": "a"})]
        assert parts[-1] == StopPart("tool_use")
        await provider.close()
        server.close()
        await server.wait_closed()


class TestCancel:
    async def test_leaving_closes_the_socket_at_once(self, start: Start) -> None:
        server, provider = await start("say a\nwait 60\nsay b")
        async with aclosing(provider.stream(Prompt(MODEL, "", (), (HI,)))) as parts:
            async for part in parts:
                if isinstance(part, TextPart):
                    break
        await until(lambda: server.dropped == 1)

    @pytest.mark.parametrize("script", ["wait 60", "say a\nwait 60", "http 429 retry-after=60\nsay b"])
    async def test_a_cancelled_task_is_gone_at_once(self, start: Start, script: str) -> None:
        server, provider = await start(script)
        task = asyncio.create_task(ask(provider))
        while not server.requests:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 0.5
        await until(lambda: server.dropped == (0 if script.startswith("http") else 1))


class TestOptions:
    @pytest.mark.parametrize(
        ("model", "settings"),
        [
            ("openai/gpt-x", {"model": "gpt-x", "max_tokens": 8192}),
            ("openai/meta/llama-4:free", {"model": "meta/llama-4:free", "max_tokens": 8192}),
            ("gpt-x", {"model": "gpt-x", "max_tokens": 8192}),
        ],
    )
    async def test_what_a_model_is_asked_for(self, start: Start, model: str, settings: dict[str, Any]) -> None:
        server, provider = await start("say a")
        await ask(provider, model=model)
        body = server.requests[0].json
        assert {key: body[key] for key in settings} == settings
        assert body["stream_options"] == {"include_usage": True}

    async def test_no_key_no_header(self, start: Start) -> None:
        server, provider = await start("say a", key="")
        assert said(await ask(provider)) == "a"
        assert "authorization" not in server.requests[0].headers

    def test_openai_itself_counts_thinking_into_the_limit(self) -> None:
        provider = OpenAIChatProvider(OpenAIChatOptions(key="k"))
        assert provider._manners.settings(5)["max_completion_tokens"] == 5


async def test_many_streams_at_once(start: Start) -> None:
    count = 20
    server, provider = await start("\n\n".join(["delta 1\nsay hello there"] * count))
    replies: list[list[StreamPart]] = await asyncio.gather(*(ask(provider) for _ in range(count)))
    assert {said(reply) for reply in replies} == {"hello there"}
    assert len(server.requests) == count
