"""From a problem to a verdict: the rules in the order in which they may speak."""

from __future__ import annotations

from hermitcrab.providers.offline.kinds import recognise
from hermitcrab.providers.offline.rules.imports import missing
from hermitcrab.providers.offline.rules.names import misspelt
from hermitcrab.providers.offline.rules.suggested import suggested
from hermitcrab.providers.offline.rules.tokens import missing_token
from hermitcrab.providers.offline.rules.unused import unused_import, unused_variable
from hermitcrab.providers.offline.verdicts import Case, Judging
from hermitcrab.syntax.languages import language_of

_ORDER = {"syntax": 0, "undefined": 1, "other": 2, "unused_import": 3, "unused_variable": 3}


def urgency(case: Case) -> tuple[int, int, int]:
    """Return when a problem is best taken on: what hides others first, what others may still use last."""
    return _ORDER[recognise(case.problem).kind], case.problem.line, case.problem.column


def solve(case: Case) -> Judging:
    """Return how to fix a problem, or why the rules do not."""
    seen = recognise(case.problem)
    if seen.kind == "syntax":
        return missing_token(case)
    if language_of(case.file) != "python" or seen.kind == "other":
        return suggested(case)
    if seen.kind == "unused_import":
        return unused_import(case, seen.name)
    if seen.kind == "unused_variable":
        return unused_variable(case, seen.name)
    verdict = yield from missing(case, seen.name)
    return verdict if verdict is not None else misspelt(case, seen.name)
