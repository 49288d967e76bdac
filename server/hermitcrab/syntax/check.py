"""One text checked: its syntax errors and, where a single token is missing, the repair."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from hermitcrab.syntax.parse import TooSlowError
from hermitcrab.syntax.problems import SyntaxProblem, problems
from hermitcrab.syntax.repair import Insertion, missing_token


@dataclass(frozen=True, slots=True)
class Check:
    """What the syntax check found; `repair` mends the first problem, or all of them when it `is_whole`."""

    problems: tuple[SyntaxProblem, ...]
    repair: Insertion | None


def check(text: str, language: str, *, seconds: float = math.inf) -> Check:
    """Return the syntax errors of `text` and the one token that would mend them; raise TooSlowError in time."""
    until = time.monotonic() + seconds
    found = problems(text, language, until=until)
    return Check(found, missing_token(text, language, until=until) if found else None)


def check_patiently(text: str, language: str, *, seconds: float) -> Check:
    """Return the syntax errors even when there is no time left for a repair."""
    until = time.monotonic() + seconds
    found = problems(text, language, until=until)
    try:
        return Check(found, missing_token(text, language, until=until) if found else None)
    except TooSlowError:
        return Check(found, None)


def check_from_json(data: dict[str, Any]) -> Check:
    """Return the check a worker process sent."""
    repair = data["repair"]
    found = tuple(SyntaxProblem(**problem) for problem in data["problems"])
    return Check(found, Insertion(**repair) if repair else None)
