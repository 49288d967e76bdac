"""Looks over a turn's shoulder: words for a model that goes in circles, writes instead of doing, or stops too early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermitcrab.agent.goal import Goal, goal_of
from hermitcrab.agent.loops import Circle, Loops
from hermitcrab.agent.prose import change_in_words
from hermitcrab.core import events

if TYPE_CHECKING:
    from hermitcrab.agent.context import TurnContext
    from hermitcrab.agent.reply import Reply

_RULES = "offline"  # rules hear no reminders: they have tried what they can


class Watch:
    """What is known of one turn beside its messages; each reminder is given once."""

    def __init__(self, ctx: TurnContext, goal: Goal | None) -> None:
        self._ctx, self._goal = ctx, goal
        self._loops = Loops()
        self._began: set[str] = set()
        self._results: dict[str, events.ToolCallFinished] = {}
        self._has_edited = self._was_denied = False
        self._told_goal = self._told_prose = False
        self._unmet: tuple[str, ...] = ()

    def see(self, event: events.Event) -> events.Event:
        """Take note of an event and give it back."""
        match event:
            case events.ToolCallStarted():
                self._began.add(event.call)
            case events.ToolCallFinished():
                self._results[event.call] = event
                self._was_denied = self._was_denied or event.status == "denied"
            case events.EditConfirmed():
                self._has_edited = True
            case _:
                pass
        return event

    def circle(self, reply: Reply) -> Circle | None:
        """Return what is to be said when the newest calls only repeat what was done."""
        return self._loops.take(reply.calls, self._results, self._began)

    def remind_of(self, circle: Circle) -> events.ModelReminded:
        """Put a circle into words for the model."""
        return self._reminder(circle.told, "the model repeats itself; it was told so")

    async def last_words(self, reply: Reply, *, is_last: bool) -> events.ModelReminded | None:
        """Look at a reply without calls: return what the model must hear before the turn may end, if anything.

        `is_last`: the turn has no model request left.
        """
        if reply.stop in {"max_tokens", "refusal"}:
            return None
        self._unmet = await self._goal.unmet(self._ctx) if self._goal else ()
        if is_last or self._ctx.provider.wire == _RULES or self._was_denied or self._ctx.rights.policy().mode == "plan":
            return None
        said: list[str] = []
        notices: list[str] = []
        if (words := self._prose(reply)) is not None:
            said.append(words)
            notices.append("the model wrote a change as text and was told to make it")
        if self._unmet and not self._told_goal:
            self._told_goal = True
            said.append(_still(self._unmet))
            notices.append(f"{_reported(self._unmet)}; the model was told so")
        return self._reminder("\n".join(said), "; ".join(notices)) if said else None

    @property
    def unmet(self) -> str:
        """Return what to tell the user at the end: the problems that are still there, as last looked at."""
        return _reported(self._unmet) if self._unmet else ""

    def _prose(self, reply: Reply) -> str | None:
        file = None if self._told_prose or self._has_edited else change_in_words(reply.shown_text)
        if file is None or "Edit" not in self._ctx.tools:
            return None
        self._told_prose = True
        return (
            f"You wrote a change to `{file}` as text; that changes nothing. If it is to be made, call `Edit` (or `Write`) "
            "now. If it was only to be shown, say so in one sentence."
        )

    def _reminder(self, text: str, notice: str) -> events.ModelReminded:
        return events.ModelReminded(
            turn=self._ctx.turn, text=f"[from Hermitcrab, not from the user] {text}", notice=notice
        )


async def watch(ctx: TurnContext) -> Watch:
    """Begin to watch a turn, before its model is asked anything."""
    return Watch(ctx, await goal_of(ctx))


def _still(unmet: Sequence[str]) -> str:
    advice = (
        "Read the file again and fix it with `Edit`; or, if it cannot or should not be fixed, say plainly that it is "
        "not fixed, and why."
    )
    return "\n".join(["This is still reported, in the files as they are now:", *unmet, advice])


def _reported(unmet: Sequence[str]) -> str:
    if len(unmet) == 1:
        return f"the problem is still reported: {unmet[0]}"
    return f"{len(unmet)} problems are still reported: " + "; ".join(unmet)
