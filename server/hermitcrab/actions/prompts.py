"""The words each verb puts to the model."""

from __future__ import annotations

from hermitcrab.actions.offers import Place, Problem


def fix_prompt(place: Place, problems: tuple[Problem, ...]) -> str:
    """Ask for problems, or else a selection or symbol, to be fixed."""
    if problems:
        what = "this problem" if len(problems) == 1 else "these problems"
        return "\n".join([f"Fix {what} in {place.file}:", *(problem_line(place.file, problem) for problem in problems)])
    return f"Fix what is wrong with {_where(place)}."


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
