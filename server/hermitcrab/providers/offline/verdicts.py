"""What a rule says of a problem: how to fix it, or why not."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from hermitcrab.providers.offline.conversation import Heard
from hermitcrab.providers.offline.edits import Change
from hermitcrab.providers.offline.flow import Ask
from hermitcrab.providers.offline.reading import Problem
from hermitcrab.syntax.parse import line_starts


@dataclass(frozen=True, slots=True)
class Proposal:
    """A way to fix a problem, and what it is in a few words."""

    changes: tuple[Change, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the rules do not fix a problem."""

    reason: str


Verdict = Proposal | Refusal
Judging = Generator[Ask, Heard, Verdict | None]
"""A rule that may look around first; None: the problem is not its business."""


@dataclass(frozen=True, slots=True)
class Case:
    """A problem in the text it stands in, with the other problems of that text."""

    file: str
    text: str
    problem: Problem
    others: tuple[Problem, ...] = ()

    @property
    def start(self) -> int:
        """Return the offset of the problem."""
        return offset(self.text, self.problem.line, self.problem.column)


def offset(text: str, line: int, column: int) -> int:
    """Return the offset of a place; one behind a line's end or the text's end is that end."""
    starts = line_starts(text)
    if line >= len(starts):
        return len(text)
    end = starts[line + 1] if line + 1 < len(starts) else len(text)
    return min(starts[line] + column, end)
