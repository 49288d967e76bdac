"""OpenAI Chat Completions, streaming, and the many servers that speak it (https://platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import urlsplit

from hermitcrab.core.errors import ProviderBusyError, ProviderError, SettingsError
from hermitcrab.core.messages import AssistantMessage, JsonObject, Prompt, StreamPart
from hermitcrab.net.endpoint import Destination, check_endpoint, credential, is_loopback
from hermitcrab.net.failures import status_failure
from hermitcrab.net.http import Dialler, Exchange
from hermitcrab.net.redact import scrub
from hermitcrab.providers.groups import Group
from hermitcrab.providers.listening import LOCAL_PATIENCE, Patience, listen, silence
from hermitcrab.providers.openai_chat_prompt import WIRE, PromptWriter, WrittenPrompt
from hermitcrab.providers.openai_chat_reply import ReplyReader
from hermitcrab.providers.profiles import profile_of
from hermitcrab.providers.raw import is_object
from hermitcrab.providers.retry import RetryPolicy, with_retries

Vendor = Literal["openai", "ollama"]

_OPENAI = "https://api.openai.com/v1"
_OLLAMA = "http://127.0.0.1:11434/v1"
_OLLAMA_PORT = 11434
_OLLAMA_HINT = "is Ollama running? `ollama serve` starts it; `OLLAMA_HOST` says where else it is"
_WHOLE = 16 * 1024 * 1024  # bytes of a reply that comes in one piece
_REFUSALS = frozenset({400, 404, 422, 500, 501})  # how servers say that they do not know an option
_PLACE = re.compile(r"\bmessages[.\[]{1,2}(\d+)")
_TOO_LONG = (
    "context_length_exceeded",
    "maximum context length",
    "context size",
    "context window",
    "prompt is too long",
)
_TOO_MUCH = ("too large", "too high", "at most", "less than", "exceed", "context length")


@dataclass(frozen=True, slots=True)
class OpenAIChatOptions:
    """Key, endpoint and manners; `environment` is where proxies and certificate authorities are read from."""

    key: str = field(default="", repr=False)
    base_url: str = _OPENAI
    vendor: Vendor = "openai"
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    patience: Patience | None = None

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> OpenAIChatOptions:
        """Return the options people have in their shells; raise SettingsError when there is no usable key."""
        base_url = _base_url(environment.get("OPENAI_BASE_URL") or _OPENAI, "OPENAI_BASE_URL")
        key = credential(environment, "OPENAI_API_KEY")
        if key or is_loopback(base_url):
            return OpenAIChatOptions(key=key, base_url=base_url, environment=environment)
        if base_url != _OPENAI:
            raise SettingsError(
                f"no key for `{_name(base_url)}`: set `OPENAI_API_KEY`, to any word if that server wants none"
            )
        raise SettingsError(
            "no key for OpenAI: set `OPENAI_API_KEY` in the environment (https://platform.openai.com), "
            "or `OPENAI_BASE_URL` for another server, or choose `--model offline`"
        )

    @staticmethod
    def of_ollama(environment: Mapping[str, str]) -> OpenAIChatOptions:
        """Return the options for a local Ollama, or the one `OLLAMA_HOST` names."""
        base_url = _ollama_url(environment.get("OLLAMA_HOST", "").strip())
        key = credential(environment, "OLLAMA_API_KEY")
        return OpenAIChatOptions(key=key, base_url=base_url, vendor="ollama", environment=environment)


class _Manners:
    """What a server takes of the options that not all of them take: learned from its refusals, kept for its provider."""

    def __init__(self, limit_key: str) -> None:
        self.limit_key = limit_key
        self.can_count = True

    def settings(self, limit: int) -> JsonObject:
        """Return the members of a request, its limit among them."""
        settings: JsonObject = {"stream_options": {"include_usage": True}} if self.can_count else {}
        return {**settings, self.limit_key: limit} if self.limit_key else settings

    def learn(self, said: str) -> str:
        """Do without what a refusal speaks of and return its name; "" when it is about something else."""
        if self.can_count and ("stream_options" in said or "include_usage" in said):
            self.can_count = False
            return "stream_options"
        refused = self.limit_key
        if refused and "in the completion" in said:  # prompt and limit together are too long for the model
            self.limit_key = ""
            return refused
        if not refused or refused not in said:
            return ""
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[refused]
        is_too_much = any(words in said for words in _TOO_MUCH)
        self.limit_key = "" if is_too_much or refused == "max_completion_tokens" else other
        return refused


class OpenAIChatProvider:
    """A model behind Chat Completions: OpenAI's own, or any server that speaks it.

    Of a reply that breaks off, complete calls stand and end it with `tool_use`; a reply of which nothing was shown is
    asked for again; anything else raises ProviderBusyError: half a reply was shown, and the caller decides.
    """

    wire = WIRE

    def __init__(self, options: OpenAIChatOptions, dialler: Dialler | None = None) -> None:
        self._options = options
        self._dialler = dialler or Dialler()
        self._owns_dialler = dialler is None
        self._writer = PromptWriter()
        is_official = options.base_url == _OPENAI
        self._manners = _Manners("max_completion_tokens" if is_official else "max_tokens")
        self.destination = _destination(options)
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
        model = prompt.model.removeprefix(f"{self._options.vendor}/")
        settings = self._manners.settings(self._limit(prompt))
        written = self._writer.write(prompt, model=model, settings=settings)
        name, patience = self.destination.name, self._patience
        async with self._dialler.post(
            self.destination, self._headers(), written.body, self._options.environment
        ) as exchange:
            async for notice in silence(exchange, name, patience.notice, patience.first_byte):
                yield notice
            reader = ReplyReader(written.call_ids)
            if await self._is_stream(exchange, prompt, written):
                async with aclosing(
                    listen(exchange, reader, name, patience, has_ended=lambda: reader.has_ended)
                ) as parts:
                    async for part in parts:
                        yield part
            else:
                for part in await self._in_one_piece(exchange, reader):
                    yield part

    async def _is_stream(self, exchange: Exchange, prompt: Prompt, written: WrittenPrompt) -> bool:
        """Tell whether the reply streams; raise the error that an answer which is no reply stands for."""
        head = exchange.head()
        kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        if head.status == 200 and kind != "text/html":
            return kind != "application/json"
        body = await exchange.rest(self._patience.notice)
        message, said = _message(body), body.decode("utf-8", "replace")
        message = scrub(message, (self._options.key,))
        if head.status == 200:
            raise self._no_reply(kind, message)
        if head.status in _REFUSALS and (learned := self._manners.learn(said)):
            raise ProviderBusyError(
                f"`{self.destination.name}` did not take `{learned}` ({message}); asked again without it",
                retry_after=0.0,
            )
        if head.status in {400, 422} and self._writer.quarantine(_suspects(message, written)):
            raise ProviderBusyError(
                f"`{self.destination.name}` did not take back part of the conversation ({message}); "
                "that part is sent again in plain words",
                retry_after=0.0,
            )
        failure = status_failure(head.status, head.headers, message, self.destination)
        raise self._advised(failure, said, prompt)

    async def _in_one_piece(self, exchange: Exchange, reader: ReplyReader) -> list[StreamPart]:
        """Return a reply of a server that does not stream."""
        body = await exchange.rest(self._patience.idle, _WHOLE)
        value = _parsed(body.decode("utf-8", "replace"))
        if value is None:
            raise ProviderBusyError(f"the reply from `{self.destination.name}` stopped before its end")
        if is_object(value) and isinstance(value.get("choices"), list):
            parts = reader.take_chunk(value)
            ending = reader.cut()
            if ending is not None:
                return parts + ending
        raise self._no_reply("application/json", scrub(_message(body), (self._options.key,)))

    def _no_reply(self, kind: str, message: str) -> ProviderError:
        setting = self.destination.url_setting or "the proxy"
        return ProviderError(
            f"`{self.destination.name}` answered with `{kind}` instead of a reply: {message or 'no words'}; "
            f"check `{setting}`"
        )

    def _advised(self, failure: ProviderError, said: str, prompt: Prompt) -> ProviderError:
        """Return `failure` with what would help, where this wire's servers tell more than their status."""
        lower = said.lower()
        if any(words in lower for words in _TOO_LONG):
            return ProviderError(f"{failure}; the conversation no longer fits `{prompt.model}`: start a new session")
        if "insufficient_quota" in lower:
            return ProviderError(f"{failure}; the account behind `{self.destination.key_setting}` has no credit left")
        if "does not support tools" in lower:
            return ProviderError(f"{failure}; choose a model that can call tools")
        if self._options.vendor == "ollama" and "not found" in lower and not isinstance(failure, ProviderBusyError):
            bare = prompt.model.removeprefix("ollama/")
            return ProviderError(f"{failure}; `ollama pull {bare}` gets it")
        return failure

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        if self._options.key:
            headers["authorization"] = f"Bearer {self._options.key}"
        return headers

    def _limit(self, prompt: Prompt) -> int:
        profile = profile_of(prompt.model)
        return min(prompt.max_tokens, profile.max_output) if profile.is_known else prompt.max_tokens


def _destination(options: OpenAIChatOptions) -> Destination:
    url = f"{options.base_url}/chat/completions"
    if options.vendor == "ollama":
        setting = "" if options.base_url == _OLLAMA else "OLLAMA_HOST"
        return Destination(url, setting, "OLLAMA_API_KEY", hint=_OLLAMA_HINT)
    return Destination(url, "" if options.base_url == _OPENAI else "OPENAI_BASE_URL", "OPENAI_API_KEY")


def _base_url(url: str, setting: str) -> str:
    """Return an endpoint as the wire's own clients take it; a bare host means its `/v1`."""
    url = check_endpoint(url, setting).removesuffix("/chat/completions")
    return url if urlsplit(url).path.strip("/") else f"{url}/v1"


def _ollama_url(host: str) -> str:
    """Return the endpoint `OLLAMA_HOST` means: scheme, port and path may be missing, and it may be a listening address."""
    if not host:
        return _OLLAMA
    has_scheme = "://" in host
    url = check_endpoint(
        host if has_scheme else f"http://{host if host[0] != ':' else '127.0.0.1' + host}", "OLLAMA_HOST"
    )
    parts = urlsplit(url)
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname or "")  # noqa: S104 - undone
    name = f"[{name}]" if ":" in name else name
    port = parts.port or (None if has_scheme else _OLLAMA_PORT)
    path = parts.path.rstrip("/").removesuffix("/v1")
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{path}/v1"


def _name(url: str) -> str:
    return Destination(url).name


def _suspects(message: str, written: WrittenPrompt) -> list[Group]:
    """Return the part of our own history a refusal speaks of: one bad record must not end a conversation for ever."""
    place = _PLACE.search(message)
    if place is None or int(place[1]) >= len(written.groups):
        return []
    group = written.groups[int(place[1])]
    if group is None:
        return []
    before = written.groups[: int(place[1])]
    asked = next(
        (earlier for earlier in reversed(before) if earlier and isinstance(earlier[0], AssistantMessage)), None
    )
    return [group] if isinstance(group[0], AssistantMessage) or asked is None else [group, asked]


def _message(body: bytes) -> str:
    """Return what a server says of an error: the message wherever its kind of server puts it, else its first words."""
    text = body.decode("utf-8", "replace")
    value = _first(_parsed(text))
    for key in ("error", "message", "detail"):
        inner: object = value.get(key) if is_object(value) else None
        if is_object(inner):
            inner = inner.get("message")
        if isinstance(inner, str) and inner:
            return _one_line(inner)
    return _one_line(text)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _first(value: object) -> object:
    """Return the one error of a server that sends a list of them."""
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    return items[0] if items else None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
