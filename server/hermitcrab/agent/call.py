"""The one gate: every tool call of every kind is parsed, judged, asked about, logged and run here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

from hermitcrab.agent.context import TurnContext
from hermitcrab.agent.journal import UnloggedError
from hermitcrab.core import events
from hermitcrab.core.errors import PermissionDeniedError, ToolError
from hermitcrab.core.ids import new_id
from hermitcrab.core.messages import BrokenCall, ToolCall
from hermitcrab.core.ports import PermissionQuestion
from hermitcrab.permissions.access import Access
from hermitcrab.permissions.decide import Decision, decide
from hermitcrab.tools.base import Tool, ToolResult

_log = logging.getLogger(__name__)

DENIED_BY_USER = "denied by the user"
MAY_HAVE_RUN = "may have run"


@dataclass(slots=True)
class Stop:
    """Why calls are ended before their time, when they are."""

    reason: str = "cancelled by the user"


async def run_call(
    call: ToolCall | BrokenCall, ctx: TurnContext, stop: Stop | None = None
) -> AsyncIterator[events.Event]:
    """Yield what becomes of one call; the last event is its one result.

    Raised is cancellation alone, and UnloggedError when the log cannot be written: then nothing more may be done.
    """
    runner = _Call(call, ctx, stop or Stop())
    try:
        async for event in runner.events():
            yield event
    except PermissionDeniedError as denied:
        yield await runner.finish("denied", str(denied))
    except ToolError as error:
        yield await runner.finish("failed", str(error))
    except asyncio.CancelledError:
        await runner.finish_cancelled()
        raise
    except UnloggedError:
        raise
    except Exception as bug:  # noqa: BLE001 - a tool's bug must not take the turn with it
        _log.exception("the tool `%s` broke", call.name)
        yield await runner.finish("failed", f"`{call.name}` broke: {type(bug).__name__} (a bug in Hermitcrab, logged)")


class _Call:
    def __init__(self, call: ToolCall | BrokenCall, ctx: TurnContext, stop: Stop) -> None:
        self._call, self._ctx, self._stop = call, ctx, stop
        self._is_running = self._is_effectful = self._has_result = False

    async def events(self) -> AsyncIterator[events.Event]:
        tool, args = self._parse()
        context = self._ctx.for_call(self._call.id)
        access = await tool.access(args, context)
        async for event in self._pass_gate(access):
            yield event
        yield await self._start(tool, access)
        context = self._ctx.for_call(self._call.id)  # trust may have been given at the gate
        result = ToolResult("")
        async with aclosing(tool.run(args, context)) as stream:
            async for item in stream:
                match item:
                    case ToolResult():
                        result = item
                    case events.EditConfirmed() | events.TodosChanged():
                        yield await self._ctx.log(item)
                    case _:
                        yield item
        yield await self.finish("failed" if result.is_error else "completed", result.text, result.notes)

    def _parse(self) -> tuple[Tool[Any], Any]:
        if isinstance(self._call, BrokenCall):
            raise ToolError(
                f"the arguments are not valid JSON ({self._call.problem}); nothing ran, send the call again"
            )
        tool = self._ctx.tools.get(self._call.name)
        if tool is None:
            known = ", ".join(self._ctx.tools)
            raise ToolError(f"there is no tool `{self._call.name}`; there are: {known}")
        return tool, tool.parse(self._call.arguments)

    async def _pass_gate(self, access: Access) -> AsyncIterator[events.Event]:
        decision = decide(access, self._ctx.rights.policy())
        if decision.verdict == "allow":
            return
        if decision.verdict == "deny":
            raise PermissionDeniedError(f"denied: {decision.reason}")
        question = self._question(access, decision)
        yield events.PermissionAsked(
            request=question.id, call=self._call.id, title=question.title, detail=question.detail
        )
        try:
            outcome = await self._ctx.asker.ask(question)
        except asyncio.CancelledError:
            self._ctx.leftovers.append(await self._settle(question, "cancelled"))
            raise
        await self._take_answer(outcome, access, decision)
        yield await self._settle(question, outcome)
        if outcome in {"reject", "cancelled"} or (decision.needs_trust and outcome != "trust"):
            untrusted = " (this folder is not trusted)" if decision.needs_trust else ""
            raise PermissionDeniedError(f"{DENIED_BY_USER}{untrusted}")

    async def _settle(
        self, question: PermissionQuestion, outcome: events.PermissionOutcome
    ) -> events.PermissionSettled:
        settled = events.PermissionSettled(
            request=question.id,
            call=self._call.id,
            turn=self._ctx.turn,
            tool=question.tool,
            outcome=outcome,
            detail=question.detail,
        )
        return await self._ctx.journal.write(settled, sync=True)

    async def _take_answer(self, outcome: events.PermissionOutcome, access: Access, decision: Decision) -> None:
        if outcome == "trust":
            await self._ctx.rights.trust()
        elif outcome == "allow_session" and not (decision.needs_trust or decision.is_protected):
            self._ctx.rights.grant(access.tool, access.command)

    def _question(self, access: Access, decision: Decision) -> PermissionQuestion:
        return PermissionQuestion(
            id=new_id("ask"),
            session=self._ctx.session,
            call=self._call.id,
            tool=access.tool,
            title=access.title,
            detail=access.detail,
            offers_session=not (decision.needs_trust or decision.is_protected),
            offers_trust=decision.needs_trust,
            reason=_reason(decision),
            is_protected=decision.is_protected,
        )

    async def _start(self, tool: Tool[Any], access: Access) -> events.ToolCallStarted:
        assert isinstance(self._call, ToolCall)  # noqa: S101 - parsed
        started = events.ToolCallStarted(
            call=self._call.id,
            turn=self._ctx.turn,
            tool=tool.name,
            kind=tool.kind,
            title=access.title,
            arguments=self._call.arguments,
            paths=access.paths,
        )
        event = await self._ctx.log(started, sync=tool.is_effectful)
        self._is_running, self._is_effectful = True, tool.is_effectful
        return event

    async def finish(self, status: Any, text: str, notes: tuple[str, ...] = ()) -> events.ToolCallFinished:
        finished = events.ToolCallFinished(
            call=self._call.id, turn=self._ctx.turn, tool=self._call.name, status=status, text=text, notes=notes
        )
        self._has_result = True
        return await self._ctx.log(finished, sync=self._is_effectful)

    async def finish_cancelled(self) -> None:
        """Log what is known when the user stops a call; shielded, because the stop must not lose it."""
        if self._has_result:
            return
        ran = self._is_running and self._is_effectful
        text = f"{self._stop.reason}; it {MAY_HAVE_RUN if ran else 'did not run'}"
        self._is_effectful = False
        self._ctx.keep(await asyncio.shield(self.finish("cancelled", text, (MAY_HAVE_RUN,) if ran else ())))


def passes_unasked(access: Access, ctx: TurnContext) -> bool:
    """Tell whether the gate would let this pass without a question: for a look that no tool call asks for."""
    return decide(access, ctx.rights.policy()).verdict == "allow"


def _reason(decision: Decision) -> str:
    """Say why it is asked; for trust, what a yes means."""
    if not decision.needs_trust:
        return decision.reason
    return (
        f"{decision.reason}. Trusting it means: commands you allow run with your rights, "
        "and checkers read the folder's own configuration"
    )


class CallGroup:
    """The calls of one reply: reads start at once and run side by side, effects wait for the message's end, in order."""

    def __init__(self, ctx: TurnContext) -> None:
        self._ctx = ctx
        self.stop = Stop()
        self._waiting: list[ToolCall | BrokenCall] = []
        self._fresh: list[ToolCall | BrokenCall] = []  # started, and not yet come to their first step
        self._tasks: list[asyncio.Task[None]] = []
        self._open = 0
        self._queue: asyncio.Queue[events.Event | None] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._ctx.leftovers.extend(self.ready())
        for call in (*self._fresh, *self._waiting):
            await _Call(call, self._ctx, self.stop).finish_cancelled()

    def offer(self, call: ToolCall | BrokenCall) -> None:
        """Take a complete call; it starts now when it only looks and nothing before it has effects."""
        if not self._waiting and self._only_looks(call):
            self._start(call)
        else:
            self._waiting.append(call)

    def ready(self) -> list[events.Event]:
        """Return what has happened so far without waiting."""
        found: list[events.Event] = []
        while not self._queue.empty():
            self._take(self._queue.get_nowait(), found)
        return found

    async def finish(self) -> AsyncIterator[events.Event]:
        """Run what still waits, and yield all that happens until every call has its result."""
        while self._open or self._waiting:
            if not self._open:
                await asyncio.gather(*self._tasks)  # a call that could not be logged is the last one
                for call in self._next_wave():
                    self._start(call)
            found: list[events.Event] = []
            self._take(await self._queue.get(), found)
            for event in found:
                yield event
        for event in self.ready():
            yield event
        await asyncio.gather(*self._tasks)

    def _take(self, event: events.Event | None, found: list[events.Event]) -> None:
        if event is None:
            self._open -= 1
        else:
            found.append(event)

    def _next_wave(self) -> list[ToolCall | BrokenCall]:
        wave = [self._waiting.pop(0)]
        if self._only_looks(wave[0]):
            while self._waiting and self._only_looks(self._waiting[0]):
                wave.append(self._waiting.pop(0))
        return wave

    def _only_looks(self, call: ToolCall | BrokenCall) -> bool:
        tool = self._ctx.tools.get(call.name)
        return isinstance(call, ToolCall) and tool is not None and not tool.is_effectful

    def _start(self, call: ToolCall | BrokenCall) -> None:
        self._open += 1
        self._fresh.append(call)
        self._tasks.append(asyncio.create_task(self._run(call)))

    async def _run(self, call: ToolCall | BrokenCall) -> None:
        self._fresh.remove(call)
        try:
            async for event in run_call(call, self._ctx, self.stop):
                self._ctx.history.take(event)
                self._queue.put_nowait(event)
        finally:
            self._queue.put_nowait(None)
