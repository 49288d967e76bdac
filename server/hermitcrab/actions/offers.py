"""The lightbulb: which verbs are offered at a place, and why one is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verb = Literal["fix", "ask", "explain", "undoTurn"]

NOT_A_MODEL = "the model is `offline`, which is rules and no language model; set ANTHROPIC_API_KEY or `--model`"
NO_PROBLEM = "`offline` fixes only what a checker reports, and nothing is reported here"


@dataclass(frozen=True, slots=True)
class Problem:
    """A diagnostic at the place; lines and columns are 0-based code points."""

    line: int
    column: int
    severity: str
    source: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the user is: a caret or a selection in a file, and what is reported there."""

    file: str
    start: tuple[int, int]
    end: tuple[int, int]
    problems: tuple[Problem, ...] = ()
    symbol: str = ""
    can_undo: bool = False

    @property
    def is_selection(self) -> bool:
        """Tell whether something is selected."""
        return self.start != self.end


@dataclass(frozen=True, slots=True)
class Offer:
    """One line of the lightbulb's menu; `disabled` says why it cannot be taken now."""

    verb: Verb
    title: str
    kind: Literal["quickfix", "refactor.rewrite", "source"]
    problems: tuple[int, ...] = ()  # indexes into the place's problems
    disabled: str = ""


def offers(place: Place, *, is_language_model: bool) -> list[Offer]:
    """Return what can be done at `place`, the likeliest first; a problem is offered one by one."""
    found = [_fix(index, problem) for index, problem in enumerate(place.problems)]
    if len(found) > 1:
        found.append(
            Offer("fix", f"Fix these {len(found)} problems with Hermitcrab", "quickfix", tuple(range(len(found))))
        )
    if not found and (place.is_selection or place.symbol):
        disabled = "" if is_language_model else NO_PROBLEM
        found.append(Offer("fix", f"Fix {_what(place)} with Hermitcrab", "refactor.rewrite", disabled=disabled))
    found.append(Offer("ask", f"Ask Hermitcrab about {_what(place)}…", "refactor.rewrite"))
    disabled = "" if is_language_model else NOT_A_MODEL
    found.append(Offer("explain", f"Explain {_what(place)}", "refactor.rewrite", disabled=disabled))
    if place.can_undo:
        found.append(Offer("undoTurn", "Undo Hermitcrab's last turn", "source"))
    return found


def _fix(index: int, problem: Problem) -> Offer:
    message = problem.message.splitlines()[0] if problem.message else problem.code
    if len(message) > 60:
        message = message[:59] + "…"
    return Offer("fix", f"Fix with Hermitcrab: {message}", "quickfix", (index,))


def _what(place: Place) -> str:
    if place.is_selection:
        return "the selection"
    if place.symbol:
        return f"`{place.symbol}`"
    return "this problem" if place.problems else "this file"
