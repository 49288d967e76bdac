from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.core.messages import RetryPart, StopPart, StreamPart, TextPart, Usage, UsagePart
from hermitcrab.providers.retry import RetryPolicy, with_retries

DONE: list[StreamPart | Exception] = [TextPart("hi"), StopPart("end_turn")]


class Line:
    """A model that answers as the tries say, and a clock that costs nothing."""

    def __init__(self, *tries: list[StreamPart | Exception]) -> None:
        self.tries = list(tries)
        self.waits: list[float] = []
        self.closed = 0

    async def attempt(self, _number: int) -> AsyncGenerator[StreamPart]:
        try:
            for item in self.tries.pop(0):
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed += 1

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def run(self, policy: RetryPolicy | None = None, chance: float = 0.5) -> list[StreamPart]:
        parts = with_retries(self.attempt, policy or RetryPolicy(), sleep=self.sleep, chance=lambda: chance)
        async with aclosing(parts):
            return [part async for part in parts]


def busy(retry_after: float | None = None) -> ProviderBusyError:
    return ProviderBusyError("500", retry_after=retry_after)


async def test_one_hiccup_is_forgiven_in_a_fifth_of_a_second() -> None:
    line = Line([busy()], DONE)
    assert await line.run(chance=1) == [RetryPart("500", line.waits[0], 1), *DONE]
    assert line.waits[0] <= 0.2


async def test_four_hiccups_are_forgiven_in_four_seconds_and_five_are_too_many() -> None:
    line = Line(*[[busy()]] * 4, DONE)
    await line.run(chance=1)
    assert len(line.waits) == 4
    assert sum(line.waits) < 4
    with pytest.raises(ProviderError, match=r"500; asked 5 times") as caught:
        await Line(*[[busy()]] * 5).run()
    assert not isinstance(caught.value, ProviderBusyError)  # the user hears it


@pytest.mark.parametrize("chance", [0.0, 1.0])
async def test_the_servers_wish_is_met_within_a_tenth(chance: float) -> None:
    line = Line([busy(retry_after=2)], DONE)
    await line.run(chance=chance)
    assert 2 <= line.waits[0] <= 2.2


async def test_nobody_waits_an_hour_in_silence() -> None:
    with pytest.raises(ProviderError, match="wait 3600 s"):
        await Line([busy(retry_after=3600)], DONE).run()


async def test_what_was_shown_is_not_asked_for_again() -> None:
    line = Line([TextPart("h"), busy()], DONE)
    with pytest.raises(ProviderBusyError):
        await line.run()
    assert line.tries == [DONE]


async def test_usage_is_not_shown() -> None:
    usage = UsagePart(Usage(input=3))
    line = Line([usage, busy()], DONE)
    assert [type(part) for part in await line.run()] == [UsagePart, RetryPart, TextPart, StopPart]


async def test_other_errors_are_final() -> None:
    line = Line([ProviderError("401")], DONE)
    with pytest.raises(ProviderError, match="401"):
        await line.run()
    assert line.waits == []


async def test_cancel_ends_a_wait_at_once_and_leaving_closes_the_attempt() -> None:
    line = Line([busy(retry_after=60)], DONE)
    parts = with_retries(line.attempt, RetryPolicy())
    async with aclosing(parts):
        assert isinstance(await anext(parts), RetryPart)
        waiting = asyncio.ensure_future(anext(parts))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    line = Line(DONE)
    async with aclosing(with_retries(line.attempt, RetryPolicy())) as parts:
        await anext(parts)
    assert line.closed == 1
