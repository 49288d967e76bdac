"""A missing bracket, colon, quote or semicolon."""

from __future__ import annotations

from hermitcrab.providers.offline.edits import Change
from hermitcrab.providers.offline.rules.suggested import changes_of
from hermitcrab.providers.offline.verdicts import Case, Proposal, Refusal, Verdict
from hermitcrab.syntax.languages import language_of


def missing_token(case: Case) -> Verdict:
    """Return the one insertion that makes the text parse (further)."""
    fix = case.problem.fix
    if fix is not None and fix.title.startswith("Insert missing"):
        return Proposal(changes_of(case.text, fix), fix.title)
    language = language_of(case.file)
    if language is None:
        return Refusal("there is no grammar for this kind of file")
    from hermitcrab.syntax.repair import missing_token as search

    found = search(case.text, language)
    if found is None:
        return Refusal("no single missing token explains the syntax error")
    return Proposal((Change(found.offset, found.offset, found.text),), found.title)
