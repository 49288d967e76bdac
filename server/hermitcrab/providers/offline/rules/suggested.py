"""The checker's own fix, where the checker calls it safe."""

from __future__ import annotations

from hermitcrab.providers.offline.edits import Change
from hermitcrab.providers.offline.reading import Fix
from hermitcrab.providers.offline.verdicts import Case, Proposal, Refusal, Verdict, offset


def suggested(case: Case) -> Verdict:
    """Return the fix that came with the problem; an unsafe one is named, never made."""
    fix = case.problem.fix
    about = case.problem.code if case.problem.code not in {"", "-"} else f"“{case.problem.message}”"
    if fix is None:
        return Refusal(f"no rule knows `{about}`, and the checker suggests no fix; this needs judgement")
    if not fix.is_safe:
        return Refusal(f"the checker suggests “{fix.title}” but does not call it safe")
    return Proposal(changes_of(case.text, fix), fix.title)


def changes_of(text: str, fix: Fix) -> tuple[Change, ...]:
    """Return a checker's edits as changes of offsets."""
    return tuple(
        Change(offset(text, line, column), offset(text, last, end), new) for line, column, last, end, new in fix.edits
    )
