"""What a session's log still needs after a process was killed in the middle of a turn."""

from __future__ import annotations

from collections.abc import Iterable

from hermitcrab.agent.history import INTERRUPTED
from hermitcrab.core import events

STOPPED = "Hermitcrab was stopped in the middle of this turn"
_NOT_RUN = "interrupted before it began: it did not run."


def endings(past: Iterable[events.Event]) -> list[events.Event]:
    """Return the records that end an unfinished last turn: one result for each of its calls, the cut, the end."""
    turn = ""
    waiting: dict[str, tuple[str, bool]] = {}  # call -> its tool, and whether it began
    done: set[str] = set()
    for event in past:
        match event:
            case events.PromptReceived():
                turn = event.turn
                waiting.clear()
            case events.MessageFinished():
                waiting |= {call.id: (call.name, False) for call in event.content.calls if call.id not in waiting}
            case events.ToolCallStarted():
                waiting[event.call] = (event.tool, True)
            case events.ToolCallFinished():
                done.add(event.call)
            case events.TurnFinished():
                turn = ""
            case _:
                pass
    if not turn:
        return []
    lost = [_lost(turn, call, *how) for call, how in waiting.items() if call not in done]
    cut = [] if lost else [events.MessageCut(message="", turn=turn, text="")]
    return [*lost, *cut, events.TurnFinished(turn=turn, reason="error", message=STOPPED)]


def last_mode(past: Iterable[events.Event]) -> str | None:
    """Return the permission mode the session was left in, if one was chosen in it."""
    return next((event.mode for event in reversed(list(past)) if isinstance(event, events.ModeChanged)), None)


def _lost(turn: str, call: str, tool: str, has_begun: bool) -> events.ToolCallFinished:
    text, notes = (INTERRUPTED, ("may have run",)) if has_begun else (_NOT_RUN, ())
    return events.ToolCallFinished(call=call, turn=turn, tool=tool, status="interrupted", text=text, notes=notes)
