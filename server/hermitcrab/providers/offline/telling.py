"""The last words of a turn: what was fixed, what was not and why, and who is speaking."""

from __future__ import annotations

from collections.abc import Sequence

from hermitcrab.providers.offline.fix import FileOutcome

WHO = (
    "I am not a language model: no model is configured, so these are Hermitcrab's built-in rules. For a model, set "
    "`ANTHROPIC_API_KEY` in the environment and choose one with `--model anthropic/…`."
)
ABILITIES = (
    "What the rules can do: fix misspelt names, missing and unused imports, unused variables and missing tokens in "
    "Python; in every language a missing token and the checker's own safe fix (`fix a.py`); say where a name is defined "
    "(`where is NAME`); outline a file (`outline a.py`); and check one (`check a.py`)."
)


def told(outcomes: Sequence[FileOutcome], *, is_whole: bool) -> str:
    """Return the account of a fix; `is_whole` when everything in the files was asked for."""
    fixed = [line for outcome in outcomes for line in outcome.fixed]
    unfixed = [line for outcome in outcomes for line in outcome.unfixed]
    parts = [_section("Fixed", fixed), *(f"not fixed: {line}" for line in unfixed)]
    parts.extend(
        f"not fixed: `{outcome.file}` could not be checked: {outcome.problem}"
        for outcome in outcomes
        if outcome.problem
    )
    if not fixed and not unfixed and not any(outcome.problem for outcome in outcomes):
        parts.append(_nothing(outcomes))
    parts.extend(_left(outcome, is_whole=is_whole) for outcome in outcomes)
    return "\n".join([*filter(None, parts), "", WHO])


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}:", *(f"- {line}" for line in lines)]) if lines else ""


def _nothing(outcomes: Sequence[FileOutcome]) -> str:
    if not outcomes:
        return "not fixed: there is no file to look at; name one, as in `fix a.py`."
    names = ", ".join(f"`{outcome.file}`" for outcome in outcomes[:8])
    more = f" and {len(outcomes) - 8} more files" if len(outcomes) > 8 else ""
    return (
        f"not fixed: the checkers report no problem in {names}{more}, and the rules go by the checkers alone: "
        "they do not understand what the code is meant to do."
    )


def _left(outcome: FileOutcome, *, is_whole: bool) -> str:
    if outcome.left is None:
        return ""
    silent = [source for source in outcome.silent if " unavailable" not in source]
    unknown = f" Not heard: {'; '.join(silent)}." if silent else ""
    if not outcome.left:
        return f"`{outcome.file}`: no problems left.{unknown}" if outcome.fixed or unknown else ""
    if is_whole and not outcome.fixed:
        return unknown.strip()
    count = len(outcome.left)
    return f"`{outcome.file}`: {count} problem{'s' if count > 1 else ''} left.{unknown}"
