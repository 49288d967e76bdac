"""A plan as a generator: it yields calls, is sent their results, and returns its last words.

Nothing is kept between two requests: the plan is run again from its start and given the results it already had. The
rules are deterministic, so it comes to the same place; where another model's calls stand in between, it starts over
behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from hermitcrab.core.messages import JsonObject
from hermitcrab.providers.offline.conversation import Heard, Step

MAX_CALLS = 200
"""Calls of one turn: far beyond what a request needs, and an end to what would never end."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A tool call, with the words said before it."""

    tool: str
    arguments: JsonObject
    said: str = ""


Asking = Generator[Ask, Heard, str]
"""A plan: it ends with what is to be told."""


class _StrangerError(Exception):
    """A step that this plan did not make."""


def advance(plan: Callable[[], Asking], steps: Sequence[Step]) -> Ask | str:
    """Return the next call, or the last words, of a plan whose calls so far were `steps`."""
    if len(steps) >= MAX_CALLS:
        return f"Stopped after {MAX_CALLS} calls: nothing more was tried."
    for start in range(len(steps) + 1):
        try:
            return _replay(plan(), steps[start:])
        except _StrangerError:
            continue
    raise AssertionError("the empty rest of the steps can always be replayed")


def _replay(asking: Asking, steps: Sequence[Step]) -> Ask | str:
    try:
        ask = next(asking)
        for step in steps:
            if (step.tool, step.arguments) != (ask.tool, ask.arguments):
                raise _StrangerError
            ask = asking.send(step.result)
    except StopIteration as stop:
        return str(stop.value)
    return ask
