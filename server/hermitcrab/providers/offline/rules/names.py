"""A misspelt name: the nearest name in scope, when there is exactly one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hermitcrab.providers.offline.edits import Change
from hermitcrab.providers.offline.verdicts import Case, Proposal, Refusal, Verdict


def misspelt(case: Case, name: str) -> Verdict:
    """Return the correction of a name nobody defines, or why none can be told."""
    start = case.start
    if case.text[start : start + len(name)] != name:
        return Refusal(f"`{name}` is not where the problem is said to be")
    match nearest(name, _usable(case.text, start)):
        case []:
            return Refusal(f"`{name}` is defined nowhere, and no name in scope is spelt nearly so")
        case [meant]:
            said = f"`{name}` → `{meant}`, the nearest name in scope"
            return Proposal((Change(start, start + len(name), meant),), said)
        case several:
            told = " or ".join(f"`{one}`" for one in several[:4])
            return Refusal(f"`{name}` could be {told}; only you can tell")


def _usable(text: str, start: int) -> list[str]:
    """Return the names in scope, without one that this very statement is only about to bind."""
    from hermitcrab.syntax.scope import names_at

    line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    usable: list[str] = []
    for known in names_at(text, start):
        behind = text[known.start + len(known.name) : start]
        is_own_target = line_start <= known.start < start and re.match(r"\s*(?::[^=]*)?=(?!=)", behind)
        if not is_own_target:
            usable.append(known.name)
    return usable


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names nearest to `name` within the slips a person makes: one in a short name, two in a long one."""
    limit = slips(name)
    best: list[str] = []
    for other in dict.fromkeys(known):
        if other == name or (other.startswith("__") and not name.startswith("_")):
            continue
        away = distance(name, other, limit)
        if away <= limit:
            best = [other] if away < limit or not best else [*best, other]
            limit = away
    return sorted(best)


def slips(name: str) -> int:
    """Return how many slips a name of this length may hide."""
    return 0 if len(name) < 3 else 1 if len(name) < 6 else 2


def distance(one: str, other: str, limit: int) -> int:
    """Return how many insertions, deletions, changes and swaps of neighbours part two words; more than `limit` is one more."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, above, row = row, before, [i]
        for j, match in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != match))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == match:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]
