"""One text checked: its syntax errors and, where a single token is missing, the repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hermitcrab.syntax.problems import SyntaxProblem, problems
from hermitcrab.syntax.repair import Insertion, missing_token


@dataclass(frozen=True, slots=True)
class Check:
    """What the syntax check found; `repair` mends the first problem, or all of them when it `is_whole`."""

    problems: tuple[SyntaxProblem, ...]
    repair: Insertion | None


def check(text: str, language: str) -> Check:
    """Return the syntax errors of `text` and the one token that would mend them."""
    found = problems(text, language)
    return Check(found, missing_token(text, language) if found else None)


def check_from_json(data: dict[str, Any]) -> Check:
    """Return the check a worker process sent."""
    repair = data["repair"]
    found = tuple(SyntaxProblem(**problem) for problem in data["problems"])
    return Check(found, Insertion(**repair) if repair else None)
