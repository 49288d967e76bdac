"""The provider against the mock server, over real sockets: faults, retries, cancelling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from hermitcrab.core.errors import ProviderBusyError, ProviderError, SettingsError
from hermitcrab.core.messages import (
    AssistantMessage,
    BlockPart,
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
    UserMessage,
)
from hermitcrab.providers.anthropic import AnthropicOptions, AnthropicProvider, Patience
from hermitcrab.providers.raw import blocks_of
from mocks.anthropic_server import MockAnthropic

HI = UserMessage((TextBlock("hi"),))
Start = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Return a function that starts a server with a script and a provider that talks to it."""
    async with AsyncExitStack() as stack:

        async def run(script: str, **options: Any) -> tuple[MockAnthropic, AnthropicProvider]:
            server = await stack.enter_async_context(MockAnthropic(script))
            provider = AnthropicProvider(AnthropicOptions(**{"key": "sk-secret", "base_url": server.url, **options}))
            stack.push_async_callback(provider.close)
            return server, provider

        yield run


async def ask(provider: AnthropicProvider, *messages: Message, model: str = "anthropic/claude-x") -> list[Any]:
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


async def test_a_conversation(start: Start) -> None:
    server, provider = await start("think hm\nsay Reading.\ncall Read file_path=a.py\n\nsay Done.")
    parts = await ask(provider)
    blocks = [part for part in parts if isinstance(part, BlockPart)]
    reply = AssistantMessage(
        tuple(part.block for part in blocks),
        RawReply("anthropic", "anthropic/claude-x", tuple(part.raw for part in blocks)),
    )
    await asyncio.sleep(0.1)  # the connection is free again by then, also on a busy machine
    assert reply.raw
    assert blocks_of(reply.raw) == reply.blocks
    parts = await ask(provider, HI, reply, UserMessage((ResultBlock("toolu_01", "x = 1"),)))
    assert said(parts) == "Done."
    first, second = server.requests
    assert second.canonical.startswith(first.canonical)
    assert second.json["messages"][1]["content"] == list(reply.raw.blocks)
    assert first.headers["x-api-key"] == "sk-secret"
    assert server.connections == 1


@pytest.mark.parametrize("seed", range(5))
async def test_bytes_in_any_pieces(start: Start, seed: int) -> None:
    script = 'think é\nsay Grüße 😀\ncall Write content="ä😀\\n" n:=1'
    (_, chopped), (_, whole) = await start(f"chop {seed}\n{script}"), await start(script)
    one, other = await ask(chopped), await ask(whole)
    assert [p for p in one if isinstance(p, BlockPart)] == [p for p in other if isinstance(p, BlockPart)]
    assert said(one) == said(other)
    assert one[-1] == other[-1] == StopPart("tool_use")


class TestFaults:
    async def test_one_500_is_forgiven_quickly(self, start: Start) -> None:
        _, provider = await start("http 500 oops\nsay hi\n\nhttp 500 oops\nsay hi")
        await ask(provider)  # httpx is imported by now
        began = time.monotonic()
        parts = await ask(provider)
        assert said(parts) == "hi"
        assert "500: oops" in retries(parts)[0].reason
        assert time.monotonic() - began < 1

    @pytest.mark.parametrize(
        "fault", ["http 502", "http 529 overloaded", "busy overloaded", "error overloaded_error x"]
    )
    async def test_passing_faults(self, start: Start, fault: str) -> None:
        separator = "\n\n" if fault.startswith("error") else "\n"
        server, provider = await start(f"{fault}{separator}say hi")
        parts = await ask(provider)
        assert said(parts) == "hi"
        assert len(retries(parts)) == 1
        assert server.requests[0].body == server.requests[1].body

    async def test_the_servers_wish(self, start: Start) -> None:
        server, provider = await start("http 429 retry-after-ms=400\nsay hi")
        parts = await ask(provider)
        assert 0.4 <= retries(parts)[0].wait <= 0.44
        assert server.requests[1].time - server.requests[0].time >= 0.4

    async def test_a_reset_before_anything_was_shown(self, start: Start) -> None:
        _, provider = await start("reset\n\nsay hi")
        parts = await ask(provider)
        assert said(parts) == "hi"

    @pytest.mark.parametrize("fault", ["reset", "cut", "end", "busy overloaded"])
    async def test_words_that_break_off(self, start: Start, fault: str) -> None:
        server, provider = await start(f"say half a sentence\n{fault}\n\nsay next")
        parts = await ask(provider)
        assert said(parts) == "half a sentence"
        assert isinstance(parts[-1], ProviderBusyError)
        assert len(server.requests) == 1  # the caller decides
        assert said(await ask(provider)) == "next"

    @pytest.mark.parametrize("fault", ["reset", "cut", "end", "busy overloaded", 'cut-call Bash {"command": "rm'])
    async def test_a_whole_call_stands(self, start: Start, fault: str) -> None:
        server, provider = await start(f"call Read file_path=a\n{fault}")
        parts = await ask(provider)
        assert calls(parts) == [ToolCall("toolu_01", "Read", {"file_path": "a"})]
        assert parts[-1] == StopPart("tool_use")
        assert len(server.requests) == 1

    async def test_a_cut_call_never_happened(self, start: Start) -> None:
        _, provider = await start('cut-call Bash {"command": "rm -rf build"}')
        parts = await ask(provider)
        assert calls(parts) == []
        assert isinstance(parts[-1], ProviderBusyError)

    @pytest.mark.parametrize(
        ("script", "key", "words"),
        [
            ("say hi", "bad-key-12345", ["answered 401", "`ANTHROPIC_API_KEY`"]),
            ("http 403 not for you", "k", ["answered 403: not for you", "`ANTHROPIC_API_KEY`"]),
            ("http 404 model: claude-x", "k", ["answered 404: model: claude-x", "model's name"]),
            ("fail prompt is too long: 9 tokens > 5", "k", ["start a new session"]),
            ("http 301 location=https://elsewhere.com/", "k", ["elsewhere.com", "`ANTHROPIC_BASE_URL`"]),
        ],
    )
    async def test_final_faults(self, start: Start, script: str, key: str, words: list[str]) -> None:
        server, provider = await start(script, key=key)
        (failure,) = await ask(provider)
        assert type(failure) is ProviderError
        for word in words:
            assert word in str(failure)
        assert key not in str(failure) or key == "k"
        assert len(server.requests) == 1

    async def test_a_server_that_echoes_the_key(self, start: Start) -> None:
        _, provider = await start("http 403 the key sk-secret may not")
        (failure,) = await ask(provider)
        assert "the key [hidden] may not" in str(failure)

    async def test_five_tries_and_an_end(self, start: Start) -> None:
        server, provider = await start("http 500 a\nhttp 500 b\nhttp 500 c\nhttp 500 d\nhttp 500 e\nsay too late")
        parts = await ask(provider)
        assert len(server.requests) == 5
        assert sum(retry.wait for retry in retries(parts)) < 4
        assert "asked 5 times" in str(parts[-1])

    async def test_something_else_answers(self) -> None:
        async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n<p>Log in")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(page, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        provider = AnthropicProvider(AnthropicOptions(key="k", base_url=url))
        (failure,) = await ask(provider)
        assert "instead of an event stream: <p>Log in" in str(failure)
        assert "`ANTHROPIC_BASE_URL`" in str(failure)
        await provider.close()
        server.close()
        await server.wait_closed()

    async def test_our_own_history_is_refused_once_and_then_told_plainly(self, start: Start) -> None:
        server, provider = await start("say fine\n\nsay still fine")
        forged = {"type": "thinking", "thinking": "hm", "signature": "forged"}
        raw = RawReply("anthropic", "claude-x", (forged, {"type": "text", "text": "a"}))
        history = (HI, AssistantMessage(blocks_of(raw), raw), HI)
        parts = await ask(provider, *history)
        assert "did not take back" in retries(parts)[0].reason
        assert said(parts) == "fine"
        assert said(await ask(provider, *history, *history[1:])) == "still fine"
        assert len(server.requests) == 3

    async def test_a_400_that_is_not_about_history_is_final(self, start: Start) -> None:
        server, provider = await start("fail messages.0.content.0: nothing helps\n\nfail messages.0.content.0: no")
        parts = await ask(provider)
        assert len(server.requests) == 2  # once in plain words, and no more
        assert type(parts[-1]) is ProviderError


class TestSilence:
    async def test_it_is_told_and_borne(self, start: Start) -> None:
        _, provider = await start("say a\nwait 0.2\nsay b", patience=Patience(notice=0.05, idle=5))
        parts = await ask(provider)
        assert said(parts) == "ab"
        (notice,) = [part for part in parts if isinstance(part, NoticePart)]
        assert "has sent nothing for" in notice.text

    async def test_too_much_of_it_is_a_cut(self, start: Start) -> None:
        server, provider = await start("say a\nwait 60", patience=Patience(notice=0.02, idle=0.1))
        parts = await ask(provider)
        assert said(parts) == "a"
        assert isinstance(parts[-1], ProviderBusyError)
        await until(lambda: server.dropped == 1)

    async def test_before_the_first_byte_it_is_asked_again(self, start: Start) -> None:
        patience = Patience(notice=0.02, first_byte=0.1, idle=0.1)
        server, provider = await start("wait 60\n\nsay b", patience=patience)
        parts = await ask(provider)
        assert said(parts) == "b"
        assert len(server.requests) == 2


class TestCancel:
    async def test_leaving_closes_the_socket_at_once(self, start: Start) -> None:
        server, provider = await start("say a\nwait 60\nsay b")
        async with aclosing(provider.stream(Prompt("claude-x", "", (), (HI,)))) as parts:
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

    async def test_cancel_before_the_first_connection(self, start: Start) -> None:
        server, provider = await start("say a")
        task = asyncio.create_task(ask(provider))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert said(await ask(provider)) == "a"  # and the provider still works
        assert len(server.requests) <= 2


class TestOptions:
    def test_from_the_shell(self) -> None:
        options = AnthropicOptions.from_environment({"ANTHROPIC_API_KEY": " sk-1\n"})
        assert (options.key, options.base_url) == ("sk-1", "https://api.anthropic.com")
        assert "sk-1" not in repr(options)

    def test_no_key_is_said_kindly_but_a_local_server_needs_none(self) -> None:
        with pytest.raises(SettingsError, match="set `ANTHROPIC_API_KEY`"):
            AnthropicOptions.from_environment({})
        local = AnthropicOptions.from_environment({"ANTHROPIC_BASE_URL": "http://127.0.0.1:1/v1/"})
        provider = AnthropicProvider(local)
        assert provider.destination.url == "http://127.0.0.1:1/v1/messages"
        assert provider.is_loopback

    def test_a_key_that_was_copied_badly(self) -> None:
        with pytest.raises(SettingsError, match="`ANTHROPIC_API_KEY` contains") as caught:
            AnthropicOptions.from_environment({"ANTHROPIC_API_KEY": "sk-1\nx-evil: 1"})
        assert "sk-1" not in str(caught.value)

    async def test_a_bearer_token(self, start: Start) -> None:
        server, provider = await start("say a", key="", token="t-1")
        await ask(provider)
        assert server.requests[0].headers["authorization"] == "Bearer t-1"
        assert "x-api-key" not in server.requests[0].headers

    @pytest.mark.parametrize(
        ("model", "thinking", "settings"),
        [
            ("claude-unknown", "auto", {"max_tokens": 8192}),
            (
                "claude-opus-5-5",
                "auto",
                {"max_tokens": 8192, "thinking": {"type": "adaptive", "display": "summarized"}},
            ),
            ("claude-opus-5-5", "off", {"max_tokens": 8192}),
            ("claude-sonnet-4-5", 2000, {"max_tokens": 8192, "thinking": {"type": "enabled", "budget_tokens": 2000}}),
            ("claude-3-haiku-20240307", "auto", {"max_tokens": 4096}),
        ],
    )
    async def test_what_a_model_is_asked_for(
        self, start: Start, model: str, thinking: Any, settings: dict[str, Any]
    ) -> None:
        server, provider = await start("say a", thinking=thinking)
        await ask(provider, model=f"anthropic/{model}")
        body = server.requests[0].json
        assert {key: body[key] for key in ("max_tokens", "thinking") if key in body} == settings
        assert body["model"] == model


async def test_many_streams_at_once(start: Start) -> None:
    count = 20
    server, provider = await start("\n\n".join(["delta 1\nsay hello there"] * count))
    replies: list[list[StreamPart]] = await asyncio.gather(*(ask(provider) for _ in range(count)))
    assert {said(reply) for reply in replies} == {"hello there"}
    assert len(server.requests) == count
