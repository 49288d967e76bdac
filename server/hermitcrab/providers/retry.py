"""When to ask a model again, and how long to wait: only before anything of its reply was shown."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.core.messages import NoticePart, RetryPart, StreamPart, UsagePart


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently. The defaults forgive one hiccup in 0.2 s and four in 3 s."""

    tries: int = 5
    first_wait: float = 0.15
    factor: float = 2.0
    longest_wait: float = 8.0
    jitter: float = 0.25  # a wait is off by up to this share, so that many clients do not return at once
    longest_retry_after: float = 300.0  # a server that asks for more is told to the user instead

    def wait(self, attempt: int, asked: float | None, chance: float) -> float:
        """Return the seconds to wait after failed try number `attempt`; `chance` is between 0 and 1.

        What a server asked for is never undercut, and exceeded by at most a twentieth.
        """
        if asked is not None:
            return asked * (1 + 0.05 * chance)
        wait = min(self.first_wait * self.factor ** (attempt - 1), self.longest_wait)
        return wait * (1 + self.jitter * (2 * chance - 1))


async def with_retries(
    attempt: Callable[[int], AsyncGenerator[StreamPart]],
    policy: RetryPolicy,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
) -> AsyncGenerator[StreamPart]:
    """Yield the parts of the first attempt that works; `attempt` gets its number, from 1.

    Once a part of the reply was yielded, ProviderBusyError is passed on: only the caller knows what to make of half a
    reply. Before, it is waited out, and after the last try it becomes a ProviderError.
    """
    number = 0
    while True:
        number += 1
        is_shown = False
        try:
            async with aclosing(attempt(number)) as parts:
                async for part in parts:
                    is_shown = is_shown or not isinstance(part, (UsagePart, RetryPart, NoticePart))
                    yield part
        except ProviderBusyError as error:
            if is_shown:
                raise
            wait = policy.wait(number, error.retry_after, chance())
            _give_up(error, number, policy)
            reason = str(error)
        else:
            return
        yield RetryPart(reason, wait, number)
        await sleep(wait)


def _give_up(error: ProviderBusyError, number: int, policy: RetryPolicy) -> None:
    if number >= policy.tries:
        times = "once" if number == 1 else f"{number} times"
        raise ProviderError(f"{error}; asked {times}, giving up for now") from error
    if error.retry_after is not None and error.retry_after > policy.longest_retry_after:
        raise ProviderError(f"{error}; it wants us to wait {error.retry_after:.0f} s: try again then") from error
