"""The words each verb puts to the model."""

from __future__ import annotations

import re

from hermitcrab.actions.offers import Place, Problem
from hermitcrab.agent.wanted import Wanted

_HEADING = re.compile(r"Fix (?:this problem|these problems) in (?P<file>.+):")
_PROBLEM = re.compile(r":(?P<line>\d{1,9}):\d{1,9}: \S+ \[(?P<label>[^\]]*)\] (?P<message>.*)")


def fix_prompt(place: Place, problems: tuple[Problem, ...]) -> str:
    """Ask for problems, or else a selection or symbol, to be fixed."""
    if problems:
        what = "this problem" if len(problems) == 1 else "these problems"
        return "\n".join([f"Fix {what} in {place.file}:", *(problem_line(place.file, problem) for problem in problems)])
    return f"Fix what is wrong with {_where(place)}."


def wanted_in(prompt: str) -> tuple[Wanted, ...]:
    """Return the problems that a prompt of `fix_prompt` asks to be fixed; none for any other words."""
    head, _, rest = prompt.partition("\n")
    if (heading := _HEADING.fullmatch(head.strip())) is None:
        return ()
    lines = (line.strip() for line in rest.splitlines())
    return tuple(filter(None, (_wanted(heading["file"], line) for line in lines)))


def _wanted(file: str, line: str) -> Wanted | None:
    """Read one problem; it may stand in a list, and a file's name may look as if it did."""
    if not line.startswith(f"{file}:"):
        line = line.removeprefix("- ")
    if not line.startswith(f"{file}:") or (found := _PROBLEM.fullmatch(line[len(file) :])) is None:
        return None
    return Wanted(file, max(int(found["line"]) - 1, 0), found["label"], found["message"])


def ask_prompt(place: Place, question: str) -> str:
    """Ask a question about a place."""
    return f"About {_where(place)}:\n{question}"


def explain_prompt(place: Place) -> str:
    """Ask for an explanation."""
    lines = [f"Explain {_where(place)}. Change nothing."]
    lines += [problem_line(place.file, problem) for problem in place.problems]
    return "\n".join(lines)


def problem_line(file: str, problem: Problem) -> str:
    """Return a problem as compilers print it, lines and columns from 1."""
    label = f"{problem.source} {problem.code}".strip() or "editor"
    message = " ".join(problem.message.split())
    return f"{file}:{problem.line + 1}:{problem.column + 1}: {problem.severity} [{label}] {message}"


def _where(place: Place) -> str:
    first, last = place.start[0] + 1, place.end[0] + 1
    if place.is_selection:
        lines = f"line {first}" if first == last else f"lines {first} to {last}"
        return f"the selection in {place.file}, {lines}"
    if place.symbol:
        return f"`{place.symbol}` at {place.file}:{first}:{place.start[1] + 1}"
    return f"{place.file}, line {first}"
