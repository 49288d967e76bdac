"""A log whose last turn was killed gets what it needs, once: a result for each call, the cut, an end."""

from __future__ import annotations

import pytest

from hermitcrab.agent.history import INTERRUPTED
from hermitcrab.core import events
from hermitcrab.core.messages import AssistantMessage, CallBlock, TextBlock, ToolCall
from hermitcrab.engine.recovery import STOPPED, endings, last_mode

PROMPT = events.PromptReceived(turn="t", text="go")
END = events.TurnFinished(turn="t", reason="end_turn")
STOP = events.TurnFinished(turn="t", reason="error", message=STOPPED)
CUT = events.MessageCut(message="", turn="t", text="")


def said(*calls: str) -> events.MessageFinished:
    blocks = tuple(CallBlock(ToolCall(call, "Bash", {})) for call in calls)
    return events.MessageFinished(message="m", turn="t", content=AssistantMessage((TextBlock("hm"), *blocks)))


def began(call: str) -> events.ToolCallStarted:
    return events.ToolCallStarted(call=call, turn="t", tool="Bash", kind="execute", title="", arguments={})


def result(call: str, status: str = "completed", text: str = "ok", *notes: str) -> events.ToolCallFinished:
    return events.ToolCallFinished(call=call, turn="t", tool="Bash", status=status, text=text, notes=notes)  # type: ignore[arg-type]


LOST = result("a", "interrupted", INTERRUPTED, "may have run")
NOT_RUN = result("b", "interrupted", "interrupted before it began: it did not run.")


@pytest.mark.parametrize(
    ("past", "missing"),
    [
        ([], []),
        ([PROMPT, said(), END], []),
        ([PROMPT, said("a"), began("a"), result("a"), said(), END], []),
        ([PROMPT], [CUT, STOP]),
        ([PROMPT, said("a"), began("a"), result("a")], [CUT, STOP]),
        ([PROMPT, said("a"), began("a")], [LOST, STOP]),
        ([PROMPT, began("a"), said("a", "b")], [LOST, NOT_RUN, STOP]),
        ([PROMPT, began("a"), result("a"), said("a", "b")], [NOT_RUN, STOP]),
        ([PROMPT, said("a"), began("a"), PROMPT, said(), END], []),
    ],
)
def test_what_is_missing(past: list[events.Event], missing: list[events.Event]) -> None:
    assert endings(past) == missing
    assert endings([*past, *missing]) == [], "once it is written down, nothing is missing"


def test_the_mode_it_was_left_in() -> None:
    assert last_mode([PROMPT, END]) is None
    assert last_mode([events.ModeChanged(mode="plan"), PROMPT, events.ModeChanged(mode="default"), END]) == "default"
