"""Anthropic Messages, streaming (https://docs.anthropic.com/en/api/messages)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from hermitcrab.core.errors import ProviderBusyError, ProviderError, SettingsError
from hermitcrab.core.messages import AssistantMessage, JsonObject, Prompt, StreamPart
from hermitcrab.net.endpoint import Destination, check_endpoint, credential, is_loopback
from hermitcrab.net.failures import status_failure
from hermitcrab.net.http import Dialler, Exchange
from hermitcrab.net.redact import scrub
from hermitcrab.providers.anthropic_prompt import WIRE, PromptWriter, WrittenPrompt, bare_model
from hermitcrab.providers.anthropic_reply import ReplyReader
from hermitcrab.providers.groups import Group
from hermitcrab.providers.listening import LOCAL_PATIENCE, Patience, listen, silence
from hermitcrab.providers.profiles import profile_of
from hermitcrab.providers.raw import is_object
from hermitcrab.providers.retry import RetryPolicy, with_retries

_BASE_URL = "https://api.anthropic.com"
_VERSION = "2023-06-01"  # every server of this wire knows it, and nothing we send or read differs in 2026-10-21
_PLACE = re.compile(r"messages\.(\d+)\b")


@dataclass(frozen=True, slots=True)
class AnthropicOptions:
    """Key, endpoint and manners; `environment` is where proxies and certificate authorities are read from."""

    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    base_url: str = _BASE_URL
    version: str = _VERSION
    thinking: Literal["auto", "off"] | int = "auto"  # a number is a budget of tokens
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    patience: Patience | None = None

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> AnthropicOptions:
        """Return the options people have in their shells; raise SettingsError when there is no usable key."""
        base_url = check_endpoint(environment.get("ANTHROPIC_BASE_URL") or _BASE_URL, "ANTHROPIC_BASE_URL")
        key = credential(environment, "ANTHROPIC_API_KEY")
        token = credential(environment, "ANTHROPIC_AUTH_TOKEN")
        if not key and not token and not is_loopback(base_url):
            raise SettingsError(
                "no key for Anthropic: set `ANTHROPIC_API_KEY` in the environment (https://console.anthropic.com), "
                "or choose `--model offline`"
            )
        return AnthropicOptions(key=key, token=token, base_url=base_url, environment=environment)


class AnthropicProvider:
    """A model behind the Messages API, or behind any server that speaks it.

    Of a reply that breaks off, complete calls stand and end it with `tool_use`; a reply of which nothing was shown is
    asked for again; anything else raises ProviderBusyError: half a reply was shown, and the caller decides.
    """

    wire = WIRE

    def __init__(self, options: AnthropicOptions, dialler: Dialler | None = None) -> None:
        self._options = options
        self._dialler = dialler or Dialler()
        self._owns_dialler = dialler is None
        self._writer = PromptWriter()
        self.destination = Destination(
            f"{options.base_url.rstrip('/').removesuffix('/v1')}/v1/messages",
            url_setting="" if options.base_url == _BASE_URL else "ANTHROPIC_BASE_URL",
            key_setting="ANTHROPIC_API_KEY" if options.key or not options.token else "ANTHROPIC_AUTH_TOKEN",
        )
        self.is_loopback = is_loopback(self.destination.url)
        self._patience = options.patience or (LOCAL_PATIENCE if self.is_loopback else Patience())

    def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        """Yield one reply."""
        return with_retries(lambda _number: self._attempt(prompt), self._options.retry)

    async def close(self) -> None:
        """Give back connections."""
        if self._owns_dialler:
            await self._dialler.close()

    async def _attempt(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        model = bare_model(prompt.model)
        written = self._writer.write(prompt, model=model, settings=self._settings(prompt, model))
        async with self._dialler.post(
            self.destination, self._headers(), written.body, self._options.environment
        ) as exchange:
            name, patience = self.destination.name, self._patience
            async for notice in silence(exchange, name, patience.notice, patience.first_byte):
                yield notice
            await self._check(exchange, prompt, written)
            async with aclosing(listen(exchange, ReplyReader(written.call_ids), name, patience)) as parts:
                async for part in parts:
                    yield part

    async def _check(self, exchange: Exchange, prompt: Prompt, written: WrittenPrompt) -> None:
        """Raise the error that an answer which is no event stream stands for."""
        head = exchange.head()
        kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        if head.status == 200 and kind not in {"application/json", "text/html"}:
            return
        body = await exchange.rest(self._patience.notice)
        message = scrub(_message(body), (self._options.key, self._options.token))
        if head.status == 200:
            raise ProviderError(
                f"`{self.destination.name}` answered with `{kind}` instead of an event stream: {message or 'no words'}; "
                "check `ANTHROPIC_BASE_URL`"
            )
        if head.status == 400 and self._writer.quarantine(_suspects(message, written)):
            raise ProviderBusyError(
                f"`{self.destination.name}` did not take back part of the conversation ({message}); "
                "that part is sent again in plain words",
                retry_after=0.0,
            )
        failure = status_failure(head.status, head.headers, message, self.destination)
        raise _too_long(failure, prompt) if "prompt is too long" in message else failure

    def _headers(self) -> dict[str, str]:
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream",
            "anthropic-version": self._options.version,
        }
        if self._options.key:
            headers["x-api-key"] = self._options.key
        if self._options.token:
            headers["authorization"] = f"Bearer {self._options.token}"
        return headers

    def _settings(self, prompt: Prompt, model: str) -> JsonObject:
        profile = profile_of(model)
        most = min(prompt.max_tokens, profile.max_output) if profile.is_known else prompt.max_tokens
        thinking = self._options.thinking
        if thinking == "auto" and profile.thinking == "adaptive":
            return {"max_tokens": most, "thinking": {"type": "adaptive", "display": "summarized"}}
        if isinstance(thinking, int) and profile.thinking == "budget":
            budget = max(1024, min(thinking, most - 1))
            return {"max_tokens": max(most, budget + 1), "thinking": {"type": "enabled", "budget_tokens": budget}}
        return {"max_tokens": most}


def _suspects(message: str, written: WrittenPrompt) -> list[Group]:
    """Return the parts of our own history a refusal speaks of: one bad record must not end a conversation for ever."""
    place = _PLACE.search(message)
    if place is None or int(place[1]) >= len(written.groups):
        return []
    if "thinking" in message or "signature" in message:
        return [group for group in written.groups if isinstance(group[0], AssistantMessage)]
    return [written.groups[int(place[1])]]


def _message(body: bytes) -> str:
    """Return what a server says of an error: its message when it is Anthropic's shape, else its first words."""
    text = body.decode("utf-8", "replace")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    error: object = value.get("error") if is_object(value) else None
    message: object = error.get("message") if is_object(error) else None
    return _one_line(message if isinstance(message, str) else text)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def _too_long(failure: ProviderError, prompt: Prompt) -> ProviderError:
    return ProviderError(f"{failure}; the conversation no longer fits `{prompt.model}`: start a new session")
