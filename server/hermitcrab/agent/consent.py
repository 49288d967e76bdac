"""Before the first request to an endpoint beyond this machine, the user is told what will be sent where, and asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermitcrab.core import events
from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.ids import new_id
from hermitcrab.core.ports import PermissionQuestion
from hermitcrab.permissions.consent import ConsentStore

if TYPE_CHECKING:
    from hermitcrab.agent.context import TurnContext

WHAT_IS_SENT = "your prompt, what the tools read for it, this folder's path"
AGREED = frozenset({"allow_once", "allow_session"})


@dataclass(frozen=True, slots=True)
class Consent:
    """What a turn's model would be sent to, and who remembers that the user agreed."""

    origin: str
    setting: str  # where the address comes from, when it is not the vendor's own
    store: ConsentStore


async def seek_consent(ctx: TurnContext) -> AsyncIterator[events.Event]:
    """Ask once per endpoint; yield nothing when nobody needs to be asked, and the turn's end when the answer is no."""
    consent = ctx.consent
    if consent is None or await asyncio.to_thread(consent.store.has, consent.origin):
        return
    question = _question(ctx, consent)
    yield events.PermissionAsked(request=question.id, call=question.call, title=question.title, detail=question.detail)
    try:
        outcome = await ctx.asker.ask(question)
    except asyncio.CancelledError:
        ctx.leftovers.append(await _settle(ctx, question, "cancelled"))
        raise
    problem = await asyncio.to_thread(_remember, consent) if outcome == "allow_session" else ""
    yield await _settle(ctx, question, outcome)
    if problem:
        yield await ctx.log(events.Notice(text=problem))
    if outcome not in AGREED:
        message = f"nothing was sent: sending to `{consent.origin}` was not agreed to"
        yield await ctx.log(events.TurnFinished(turn=ctx.turn, reason="error", message=message))


def _question(ctx: TurnContext, consent: Consent) -> PermissionQuestion:
    whose = f"The address comes from `{consent.setting}`; it is not the vendor's own. " if consent.setting else ""
    number = new_id("ask")
    return PermissionQuestion(
        id=number,
        session=ctx.session,
        call=number,  # no tool call: the question itself is what a client shows
        tool="",
        title=f"Send to {consent.origin}",
        detail=f"{ctx.model} at {consent.origin} will be sent: {WHAT_IS_SENT}",
        reason=f"{whose}Asked once per endpoint; a yes is kept in `{consent.store.file}`",
        is_consent=True,
    )


def _remember(consent: Consent) -> str:
    """Write the yes down; return what to tell the user when that fails: it counts for this turn all the same."""
    try:
        consent.store.give(consent.origin)
    except (OSError, HermitcrabError) as error:
        return f"your yes to `{consent.origin}` could not be kept and will be asked for again: {error}"
    return ""


async def _settle(
    ctx: TurnContext, question: PermissionQuestion, outcome: events.PermissionOutcome
) -> events.PermissionSettled:
    settled = events.PermissionSettled(
        request=question.id,
        call=question.call,
        turn=ctx.turn,
        tool=question.tool,
        outcome=outcome,
        detail=question.detail,
    )
    return await ctx.journal.write(settled, sync=True)
