"""The heart: one loop that asks the model, does what it asked, and repeats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from hermitcrab.agent.call import CallGroup
from hermitcrab.agent.consent import seek_consent
from hermitcrab.agent.context import TurnContext
from hermitcrab.agent.reply import Reply
from hermitcrab.agent.watch import watch
from hermitcrab.core import events
from hermitcrab.core.errors import ProviderError


async def run_turn(ctx: TurnContext) -> AsyncIterator[events.Event]:
    """Ask the model, do what it asked, repeat; all but deltas is logged before it is shown."""
    async for event in seek_consent(ctx):
        yield event
        if isinstance(event, events.TurnFinished):
            return
    over = await watch(ctx)
    spent = 0.0
    for step in range(1, ctx.max_steps + 1):
        is_last = step == ctx.max_steps
        reply = Reply(ctx.turn, ctx.provider.wire, ctx.model, ctx.history.call_ids)
        problem: ProviderError | None = None
        async with CallGroup(ctx) as calls:
            try:
                async for event in _listen(ctx, reply, calls):
                    yield over.see(event)
            except ProviderError as error:
                problem, calls.stop.reason = error, "the model's answer broke off"
            except asyncio.CancelledError:
                await _keep_the_words(ctx, reply)
                raise
            else:
                yield await _log(ctx, reply.message())
                for lost in reply.lost_calls():
                    yield await _log(ctx, lost)
                usage = _usage(ctx, reply)
                spent += usage.cost or 0.0
                yield await _log(ctx, usage)
                async for event in calls.finish():
                    yield over.see(event)
        if problem is not None:
            async for event in _give_up(ctx, reply, problem):
                yield event
            return
        if not reply.calls:
            if (reminder := await over.last_words(reply, is_last=is_last)) is not None:
                yield await _log(ctx, reminder)
                continue
            yield await _finish(ctx, reply, over.unmet)
            return
        if ctx.max_cost is not None and spent >= ctx.max_cost:
            message = f"stopped at the cost limit: ${spent:.2f} of ${ctx.max_cost:.2f} spent in this turn"
            yield await _log(ctx, events.TurnFinished(turn=ctx.turn, reason="max_turn_requests", message=message))
            return
        if (circle := over.circle(reply)) is not None:
            if circle.is_over:
                yield await _log(
                    ctx, events.TurnFinished(turn=ctx.turn, reason="max_turn_requests", message=circle.told)
                )
                return
            if not is_last:
                yield await _log(ctx, over.remind_of(circle))
    requests = "one model request" if ctx.max_steps == 1 else f"{ctx.max_steps} model requests"
    message = f"stopped after {requests} in one turn; say *go on* to continue"
    yield await _log(ctx, events.TurnFinished(turn=ctx.turn, reason="max_turn_requests", message=message))


async def _listen(ctx: TurnContext, reply: Reply, calls: CallGroup) -> AsyncIterator[events.Event]:
    """Yield what the model says while it says it; reads start as soon as their block is complete."""
    offered = 0
    async with aclosing(ctx.provider.stream(ctx.prompt())) as parts:
        async for part in parts:
            for event in reply.take(part):
                yield event
            while offered < len(reply.calls):
                calls.offer(reply.calls[offered])
                offered += 1
            for event in calls.ready():
                yield event
    if reply.stop is None:
        raise ProviderError("the model's answer broke off without an end")


async def _log(ctx: TurnContext, event: events.Event) -> events.Event:
    logged = await ctx.log(event)
    ctx.history.take(logged)
    return logged


async def _keep_the_words(ctx: TurnContext, reply: Reply) -> None:
    """Log what was shown of a message the user stopped; shielded, because the stop must not lose it."""
    if reply.shown_text:
        ctx.leftovers.append(await asyncio.shield(_log(ctx, reply.cut())))
    for lost in reply.lost_calls():
        ctx.leftovers.append(await asyncio.shield(_log(ctx, lost)))


async def _give_up(ctx: TurnContext, reply: Reply, error: ProviderError) -> AsyncIterator[events.Event]:
    """Show how far it came: the words, what became of calls under way, and why the turn is over."""
    while ctx.leftovers:
        yield ctx.leftovers.pop(0)
    if reply.shown_text:
        yield await _log(ctx, reply.cut())
    for lost in reply.lost_calls():
        yield await _log(ctx, lost)
    yield await _log(ctx, events.TurnFinished(turn=ctx.turn, reason="error", message=str(error)))


def _usage(ctx: TurnContext, reply: Reply) -> events.UsageChanged:
    known = [count for count in (reply.usage.input, reply.usage.cache_read, reply.usage.cache_write) if count]
    used = sum(known) + (reply.usage.output or 0) if known else None
    return events.UsageChanged(
        turn=ctx.turn,
        model=ctx.model,
        usage=reply.usage,
        cost=ctx.cost_of(reply.usage),
        context_used=used,
        context_size=ctx.context_size,
    )


async def _finish(ctx: TurnContext, reply: Reply, unmet: str) -> events.Event:
    reason, message = "end_turn", unmet
    if reply.stop == "max_tokens":
        reason, message = "max_tokens", "the answer reached the model's length limit; say *go on* to continue"
    elif reply.stop == "refusal":
        reason, message = "refusal", "the model declined to answer"
    return await _log(ctx, events.TurnFinished(turn=ctx.turn, reason=reason, message=message))
