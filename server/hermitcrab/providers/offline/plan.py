"""From a request to the plan that answers it."""

from __future__ import annotations

from collections.abc import Generator

from hermitcrab.providers.offline.answers import check, located, outline, where
from hermitcrab.providers.offline.conversation import Heard
from hermitcrab.providers.offline.fix import FileOutcome, fix_file
from hermitcrab.providers.offline.flow import Ask, Asking
from hermitcrab.providers.offline.looking import first_line
from hermitcrab.providers.offline.reading import files
from hermitcrab.providers.offline.request import Request, request
from hermitcrab.providers.offline.telling import ABILITIES, WHO, told

MOST_FILES = 40
"""Files looked at when none was named."""

_NEEDED = {"fix": ("Diagnostics", "Read", "Edit"), "check": ("Diagnostics",), "where": ("Grep",), "outline": ("Read",)}


def plan(text: str, tools: frozenset[str]) -> Asking:
    """Return the plan for the user's words with the tools there are."""
    wanted = request(text)
    lacking = [tool for tool in _NEEDED.get(wanted.verb, ()) if tool not in tools]
    if lacking:
        return (yield from _said(f"This needs the tools {', '.join(lacking)}, which are not offered here.\n\n{WHO}"))
    if wanted.verb == "fix":
        return (yield from _fix(wanted))
    if wanted.verb == "check":
        return (yield from check(wanted.files))
    if wanted.verb == "where":
        return (yield from where(wanted.name))
    if wanted.verb == "outline":
        return (yield from outline(wanted.files))
    return (yield from _said(f"This needs a language model.\n\n{WHO}\n\n{ABILITIES}"))


def _said(words: str) -> Asking:
    yield from ()
    return words


def _fix(wanted: Request) -> Asking:
    names = wanted.files
    if not names:
        heard = yield Ask("Glob", {"pattern": "**/*.py"}, "Looking for Python files to check.")
        if heard.is_error:
            return f"not fixed: {first_line(heard.text)}\n\n{WHO}"
        names = tuple(sorted(files(heard.text)))
    outcomes: list[FileOutcome] = []
    for name in names[:MOST_FILES]:
        outcome = yield from _fix_one(name, wanted)
        outcomes.append(outcome)
    text = told(outcomes, is_whole=not wanted.targets)
    if len(names) > MOST_FILES:
        text = f"Looked at {MOST_FILES} of {len(names)} files.\n{text}"
    return text


def _fix_one(name: str, wanted: Request) -> Generator[Ask, Heard, FileOutcome]:
    targets = [target for target in wanted.targets if target.file == name]
    file = name if targets or not wanted.files else (yield from located(name))
    return (yield from fix_file(file, targets))
