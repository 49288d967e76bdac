"""Notices when a model goes round in circles: the same calls with the same results, or calls that cannot run at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hermitcrab.core import events
from hermitcrab.core.messages import BrokenCall, ToolCall

TOLD_AFTER, ENDED_AFTER = 3, 5
"""Rounds of the same calls with the same results: after so many the model is told, and then the turn ends."""

TOLD_AFTER_USELESS, ENDED_AFTER_USELESS = 4, 8
"""The same for calls in a row that could not even begin: no such tool, wrong arguments, nothing to change."""

_LONGEST = 3


@dataclass(frozen=True, slots=True)
class Deed:
    """One call with what came of it."""

    tool: str
    arguments: str
    result: str
    is_useless: bool


@dataclass(frozen=True, slots=True)
class Circle:
    """What is to be said of a circle; `is_over` when the turn has to end."""

    told: str
    is_over: bool


class Loops:
    """Watches the calls of one turn."""

    def __init__(self) -> None:
        self._deeds: list[Deed] = []
        self._useless = 0
        self._is_told = False

    def take(
        self, calls: Sequence[ToolCall | BrokenCall], results: dict[str, events.ToolCallFinished], began: set[str]
    ) -> Circle | None:
        """Add one reply's calls; return what is to be said, if anything."""
        for call in calls:
            if (result := results.get(call.id)) is not None:
                self._add(_deed(call, result, has_begun=call.id in began))
        rounds, length = self._rounds()
        if rounds < TOLD_AFTER and self._useless < TOLD_AFTER_USELESS:
            self._is_told = False
            return None
        what = self._what(rounds, length)
        if rounds >= ENDED_AFTER or self._useless >= ENDED_AFTER_USELESS:
            return Circle(f"stopped: the model made {what}; say *go on* to continue", is_over=True)
        if self._is_told:
            return None
        self._is_told = True
        return Circle(f"You made {what}. {_ADVICE}", is_over=False)

    def _add(self, deed: Deed) -> None:
        self._deeds = [*self._deeds[-_LONGEST * ENDED_AFTER :], deed]
        self._useless = self._useless + 1 if deed.is_useless else 0

    def _rounds(self) -> tuple[int, int]:
        """Return how often the newest calls were made one after the other, and how many calls one round has."""
        return max(((self._count(length), length) for length in range(1, _LONGEST + 1)), key=lambda found: found[0])

    def _count(self, length: int) -> int:
        newest, count = self._deeds[-length:], 0
        while len(newest) == length and self._deeds[len(self._deeds) - length * (count + 1) :][:length] == newest:
            count += 1
            if length * (count + 1) > len(self._deeds):
                break
        return count

    def _what(self, rounds: int, length: int) -> str:
        names = ", ".join(f"`{deed.tool}`" for deed in self._deeds[-length:])
        if rounds < TOLD_AFTER:
            return f"{self._useless} calls in a row that could not be carried out"
        return f"the same call{'s' if length > 1 else ''} ({names}) {rounds} times in a row, with the same result each time"


_ADVICE = "Once more will not change that: take what you know, do something else, or end and say what is in the way."


def _deed(call: ToolCall | BrokenCall, result: events.ToolCallFinished, *, has_begun: bool) -> Deed:
    arguments = json.dumps(call.arguments, sort_keys=True) if isinstance(call, ToolCall) else "broken"
    is_useless = result.status == "failed" and not has_begun
    return Deed(call.name, arguments, f"{result.status} {result.text}", is_useless)
