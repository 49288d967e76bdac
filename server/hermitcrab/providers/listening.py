"""Listens to a reply as it arrives, whatever its wire: bytes to parts, silences told, breaks made good where calls are whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.core.messages import CallArgumentsPart, NoticePart, StreamPart, TextPart, ThinkingPart
from hermitcrab.net.http import Exchange
from hermitcrab.providers.sse import SseDecoder, SseError, SseEvent

_LAST_WORDS = 5.0  # seconds for counts and farewells behind a reply that is whole


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds of silence are borne; the user hears of the first `notice` of them."""

    notice: float = 8.0
    first_byte: float = 300.0
    idle: float = 60.0


LOCAL_PATIENCE = Patience(first_byte=1800.0, idle=600.0)
"""A model on this machine may take its time."""


class Reader(Protocol):
    """Turns the events of one wire into parts."""

    @property
    def is_over(self) -> bool:
        """Tell whether the reply is whole and nothing of it can follow."""
        ...

    def take(self, event: SseEvent) -> list[StreamPart]:
        """Return what `event` adds to the reply; raise ProviderError when it is an error or no event at all."""
        ...

    def cut(self) -> list[StreamPart] | None:
        """Return the parts that end a reply whose stream broke here; None when it is no reply."""
        ...


async def listen(
    exchange: Exchange, reader: Reader, name: str, patience: Patience, *, has_ended: Callable[[], bool] = lambda: False
) -> AsyncGenerator[StreamPart]:
    """Yield one reply from the server called `name`; once `has_ended`, its last words are not waited for long."""
    decoder = SseDecoder()
    broken: ProviderError | None = None
    while broken is None:
        try:
            limit = min(patience.idle, _LAST_WORDS) if has_ended() else patience.idle
            async for notice in silence(exchange, name, patience.notice, limit):
                yield notice
            chunk = exchange.read()
        except ProviderError as error:
            broken = error
            break
        if not chunk:
            break
        parts, broken = _take(chunk, decoder, reader)
        for part in parts:
            yield part
        if reader.is_over:
            exchange.expect_end()
            return
    for part in _ending(reader, broken, name):
        yield part


async def silence(exchange: Exchange, name: str, notice: float, limit: float) -> AsyncGenerator[NoticePart]:
    """Wait until there is something to read; say so when it takes long, give up when it takes too long."""
    notice = min(notice, limit)
    if await exchange.ready(notice):
        return
    if notice < limit:
        yield NoticePart(f"`{name}` has sent nothing for {notice:.0f} s; it has {limit - notice:.0f} s more")
        if await exchange.ready(limit - notice):
            return
    raise ProviderBusyError(f"`{name}` sent nothing for {limit:.0f} s")


def _ending(reader: Reader, broken: ProviderError | None, name: str) -> list[StreamPart]:
    """Return how a reply ends whose stream broke; raise when it is not one."""
    parts = reader.cut()
    if parts is not None:
        return parts
    raise broken or ProviderBusyError(f"the reply from `{name}` stopped before its end")


def _take(chunk: bytes, decoder: SseDecoder, reader: Reader) -> tuple[list[StreamPart], ProviderError | None]:
    """Return the parts of all that has arrived, and what broke the stream behind them.

    Neighbouring pieces of one kind are joined: whoever falls behind catches up.
    """
    parts: list[StreamPart] = []
    run: list[str] = []
    broken: ProviderError | None = None
    try:
        for event in decoder.feed(chunk):
            for part in reader.take(event):
                _join(parts, run, part)
    except ProviderError as error:
        broken = error
    except SseError as error:
        broken = ProviderBusyError(f"the reply was damaged on its way: {error}")
    _settle(parts, run)
    return parts, broken


def _join(parts: list[StreamPart], run: list[str], part: StreamPart) -> None:
    """Append `part`, or remember its piece for the last part when it goes on with that."""
    last = parts[-1] if parts else None
    if isinstance(part, (TextPart, ThinkingPart)) and type(last) is type(part):
        run.append(part.text)
    elif isinstance(part, CallArgumentsPart) and isinstance(last, CallArgumentsPart) and last.id == part.id:
        run.append(part.piece)
    else:
        _settle(parts, run)
        parts.append(part)


def _settle(parts: list[StreamPart], run: list[str]) -> None:
    """Give the last part the pieces that belong to it."""
    if not run:
        return
    last = parts[-1]
    rest = "".join(run)
    run.clear()
    if isinstance(last, TextPart):
        parts[-1] = TextPart(last.text + rest)
    elif isinstance(last, ThinkingPart):
        parts[-1] = ThinkingPart(last.text + rest)
    elif isinstance(last, CallArgumentsPart):
        parts[-1] = CallArgumentsPart(last.id, last.piece + rest)
