"""The plan of a fix: look, change one thing, look again; what is not shown to be gone is not called fixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

from hermitcrab.providers.offline.conversation import Heard
from hermitcrab.providers.offline.edits import applied, replacements
from hermitcrab.providers.offline.flow import Ask
from hermitcrab.providers.offline.kinds import recognise
from hermitcrab.providers.offline.looking import Failed, diagnosed, first_line, whole_text
from hermitcrab.providers.offline.reading import Problem, Report
from hermitcrab.providers.offline.request import Target
from hermitcrab.providers.offline.solve import solve, urgency
from hermitcrab.providers.offline.verdicts import Case, Proposal, Refusal

_ROUNDS = 60
_Key = tuple[str, str]
Making = Generator[Ask, Heard, None]


@dataclass(slots=True)
class FileOutcome:
    """What came of the problems of one file."""

    file: str
    fixed: list[str] = field(default_factory=list[str])
    unfixed: list[str] = field(default_factory=list[str])
    left: tuple[Problem, ...] | None = None  # None: not known
    silent: tuple[str, ...] = ()
    problem: str = ""  # why the file could not be worked on at all


@dataclass(slots=True)
class _Work:
    """One file while it is worked on: the problems still wanted, those given up, and the newest report."""

    outcome: FileOutcome
    report: Report
    wanted: list[Problem] | None  # None: every problem of the file
    given_up: Counter[_Key] = field(default_factory=Counter[_Key])


def fix_file(file: str, targets: Sequence[Target]) -> Generator[Ask, Heard, FileOutcome]:
    """Fix the targets in one file, or everything when there are none, one problem at a time."""
    outcome = FileOutcome(file)
    report = yield from diagnosed(file, f"Checking `{file}`.")
    if isinstance(report, Failed):
        outcome.problem = report.reason
        return outcome
    work = _Work(outcome, report, _bound(targets, report) if targets else None)
    for _ in range(_ROUNDS):
        problem = _next(work)
        if problem is None:
            break
        if not (yield from _attempt(work, problem)):
            break
    outcome.left, outcome.silent = work.report.problems, work.report.silent
    return outcome


def _bound(targets: Sequence[Target], report: Report) -> list[Problem]:
    """Return the problems meant, as the checkers tell them now; one they do not know stays as the user told it."""
    free = list(report.problems)
    bound: list[Problem] = []
    for target in targets:
        found = _match(target.problem, free)
        if found is not None:
            free.remove(found)
        bound.append(found or target.problem)
    return bound


def _match(wanted: Problem, problems: Sequence[Problem]) -> Problem | None:
    """Return the same problem in another report: the same words, else the same kind and name; the nearest line."""
    seen = recognise(wanted)
    same = [problem for problem in problems if problem.message == wanted.message]
    if not same and seen.kind != "other":
        same = [problem for problem in problems if recognise(problem) == seen]
    if not same and wanted.code not in {"", "-"}:
        same = [problem for problem in problems if problem.code == wanted.code and problem.line == wanted.line]
    away = [(abs(problem.line - wanted.line), abs(problem.column - wanted.column)) for problem in same]
    return same[away.index(min(away))] if same else None


def _next(work: _Work) -> Problem | None:
    """Return the problem to take on now; what hides others comes first."""
    known = work.wanted if work.wanted is not None else list(work.report.problems)
    tried = Counter(work.given_up)
    open_problems: list[Problem] = []
    for problem in known:
        if tried[_key(problem)] > 0:
            tried[_key(problem)] -= 1
        else:
            open_problems.append(problem)
    if not open_problems:
        return None
    return min(open_problems, key=lambda problem: urgency(Case(work.outcome.file, "", problem)))


def _key(problem: Problem) -> _Key:
    return problem.code, problem.message


def _attempt(work: _Work, problem: Problem) -> Generator[Ask, Heard, bool]:
    """Try to fix one problem; False when the file can be worked on no further."""
    text = yield from whole_text(work.outcome.file)
    if isinstance(text, Failed):
        _give_up(work, problem, text.reason)
        return False
    others = tuple(other for other in work.report.problems if other != problem)
    verdict = yield from solve(Case(work.outcome.file, text, problem, others))
    if isinstance(verdict, Refusal):
        _give_up(work, problem, verdict.reason)
        return True
    if verdict is None or applied(text, verdict.changes) == text:
        _give_up(work, problem, "the rules come to no change")
        return True
    return (yield from _edit(work, problem, verdict, text))


def _edit(work: _Work, problem: Problem, proposal: Proposal, text: str) -> Generator[Ask, Heard, bool]:
    for part in replacements(text, proposal.changes):
        arguments = {"file_path": work.outcome.file, "old_string": part.old, "new_string": part.new}
        heard = yield Ask("Edit", arguments, f"Line {problem.line + 1}: {proposal.said}.")
        if heard.is_error:
            _give_up(work, problem, f"the edit was not made: {first_line(heard.text)}")
            return False
    before = work.report
    after = yield from diagnosed(work.outcome.file)
    if isinstance(after, Failed):
        _give_up(work, problem, f"edited ({proposal.said}), but it could not be checked: {after.reason}")
        return False
    work.report = after
    _judge(work, problem, proposal, before)
    return True


def _judge(work: _Work, problem: Problem, proposal: Proposal, before: Report) -> None:
    """Compare the reports before and after an edit: only a problem that is gone was fixed."""
    after = work.report
    counts, now = Counter(map(_key, before.problems)), Counter(map(_key, after.problems))
    was_known = counts[_key(problem)] > 0
    is_gone = now[_key(problem)] < counts[_key(problem)] or _moved_on(problem, after)
    _forget(work, problem)
    if not was_known:
        work.outcome.unfixed.append(
            f"{_named(work, problem)}: edited ({proposal.said}); our checkers do not report it, before or after, "
            "so whether it is gone is for its reporter to say"
        )
    elif not is_gone:
        work.given_up[_key(problem)] += 1
        work.outcome.unfixed.append(f"{_named(work, problem)}: edited ({proposal.said}), but the problem remains")
    else:
        new = [other for other in after.problems if now[_key(other)] > counts[_key(other)]]
        work.outcome.fixed.append(f"{work.outcome.file}:{problem.line + 1}: {proposal.said}{_also(problem, new)}")


def _moved_on(problem: Problem, after: Report) -> bool:
    """Say whether a syntax error is gone although another of the same words stands further down."""
    if recognise(problem).kind != "syntax":
        return False
    rest = [other for other in after.problems if recognise(other).kind == "syntax"]
    return not rest or min(other.line for other in rest) > problem.line + 1


def _also(problem: Problem, new: Sequence[Problem]) -> str:
    if not new:
        return ""
    told = "; ".join(f"{other.place} {other.message}" for other in new[:3])
    told += f" and {len(new) - 3} more" if len(new) > 3 else ""
    verb = "now visible" if recognise(problem).kind == "syntax" else "now also reported"
    return f" ({verb}: {told})"


def _forget(work: _Work, problem: Problem) -> None:
    """Take a problem off the list and find the others again where they are now."""
    if work.wanted is None:
        return
    rest = list(work.wanted)
    rest.remove(problem)
    free = list(work.report.problems)
    work.wanted = []
    for wanted in rest:
        found = _match(wanted, free)
        if found is not None:
            free.remove(found)
        work.wanted.append(found or replace(wanted))


def _give_up(work: _Work, problem: Problem, reason: str) -> None:
    work.given_up[_key(problem)] += 1
    work.outcome.unfixed.append(f"{_named(work, problem)}: {reason}")


def _named(work: _Work, problem: Problem) -> str:
    return f"{work.outcome.file}:{problem.place} {problem.message}"
