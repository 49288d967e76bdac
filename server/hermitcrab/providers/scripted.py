"""A model that says what a script tells it to: shipped, for stories, load tests and bug reports."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.core.messages import (
    AssistantMessage,
    BlockPart,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    Prompt,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ThinkingBlock,
    ThinkingPart,
)
from hermitcrab.providers.raw import call_of, raw_call
from hermitcrab.providers.retry import RetryPolicy, with_retries
from hermitcrab.providers.script import (
    Busy,
    Call,
    Cut,
    Fail,
    Reason,
    Reply,
    Say,
    Step,
    Stop,
    Think,
    Wait,
    parse_script,
    pieces_of,
)

_BREATH = 64  # pieces after which other tasks get their turn


@dataclass(slots=True)
class _Run:
    """How far one request has come in its reply; a retry goes on where the try before stopped."""

    steps: Iterator[Step] = field(default_factory=lambda: iter(()))
    has_call: bool = False
    is_shown: bool = False
    stop: Reason | None = None


class ScriptedProvider:
    """Gives the next reply of its script at each request (`hermitcrab.providers.script` describes the language).

    It breaks off as the real ones do: complete calls end a cut reply with `tool_use`, shown words raise
    ProviderBusyError, and before that the next reply is the next try.
    """

    wire = "scripted"

    def __init__(
        self,
        script: str,
        *,
        name: str = "script",
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._replies = iter(parse_script(script, name=name))
        self._retry = retry or RetryPolicy()
        self._sleep = sleep
        self._chance = chance
        self._count = 0
        self._calls = 0

    def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        """Yield the next reply."""
        said = sum(len(message.calls) for message in prompt.messages if isinstance(message, AssistantMessage))
        self._calls = max(self._calls, said)
        run = _Run()
        return with_retries(lambda _: self._attempt(run), self._retry, sleep=self._sleep, chance=self._chance)

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    async def _attempt(self, run: _Run) -> AsyncGenerator[StreamPart]:
        step = next(run.steps, None)
        if step is None:
            run.steps = iter(self._next_reply())
            step = next(run.steps, None)
        while step is not None:
            if isinstance(step, Wait):
                await self._sleep(step.seconds)
            for count, part in enumerate(self._parts(step, run)):
                run.is_shown = True
                yield part
                if count % _BREATH == _BREATH - 1:
                    await asyncio.sleep(0)
            if isinstance(step, (Busy, Cut)):
                self._break(step, run)
                break
            step = next(run.steps, None)
        yield StopPart(run.stop or ("tool_use" if run.has_call else "end_turn"))

    def _next_reply(self) -> Reply:
        reply = next(self._replies, None)
        if reply is None:
            times = "one reply" if self._count == 1 else f"{self._count} replies"
            raise ProviderError(f"`{self._name}` has no reply left: it has {times}, and was asked for one more")
        self._count += 1
        return reply

    def _parts(self, step: Step, run: _Run) -> Iterator[StreamPart]:
        match step:
            case Say(text, size):
                yield from (TextPart(piece) for piece in pieces_of(text, size))
                yield BlockPart(TextBlock(text), {"type": "text", "text": text})
            case Think(text, size):
                yield from (ThinkingPart(piece) for piece in pieces_of(text, size))
                yield BlockPart(ThinkingBlock(text), {"type": "thinking", "thinking": text})
            case Call():
                yield from self._call(step, is_whole=True)
                run.has_call = True
            case Cut(Call() as call):
                yield from self._call(call, is_whole=False)
            case Stop(reason):
                run.stop = reason
            case Fail(text):
                raise ProviderError(text)
            case _:
                return

    def _call(self, step: Call, *, is_whole: bool) -> Iterator[StreamPart]:
        self._calls += 1
        call_id = f"call_{self._calls}"
        yield CallStartPart(call_id, step.name)
        yield from (CallArgumentsPart(call_id, piece) for piece in pieces_of(step.arguments, step.size))
        if is_whole:
            call = call_of(call_id, step.name, step.arguments)
            yield BlockPart(CallBlock(call), raw_call(call))

    def _break(self, step: Busy | Cut, run: _Run) -> None:
        """Break the stream off: complete calls stand, else it is an error."""
        if isinstance(step, Cut):
            run.steps = iter(())
        if run.has_call:
            run.stop = "tool_use"
            return
        reason = step.text if isinstance(step, Busy) else "the reply stopped before its end"
        raise ProviderBusyError(f"`{self._name}`: {reason}")
