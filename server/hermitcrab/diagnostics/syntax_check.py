"""Our own syntax check as a source: in place for small texts, in a worker process for large ones."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from hermitcrab.core.errors import ToolError
from hermitcrab.core.ports import Diagnostic, SuggestedFix
from hermitcrab.diagnostics.values import Answer, SourceReport
from hermitcrab.syntax.languages import language_of

if TYPE_CHECKING:
    from hermitcrab.syntax.check import Check
    from hermitcrab.workspace.view import Source

NAME = "syntax"
LARGEST = 24_000_000
"""Characters beyond which no worker is asked either."""

SECONDS_IN_PLACE = 0.5
"""What a check may take in this process; parsing lets other threads run meanwhile."""


async def check(source: Source, *, timeout: float) -> Answer:  # noqa: ASYNC109
    """Return the syntax errors of a text, with the missing token as a fix where there is one."""
    language = language_of(source.path)
    if language is None:
        return Answer(SourceReport(NAME, "unavailable", f"no grammar for `{source.path.name}`"))
    if len(source.text) > LARGEST:
        return Answer(SourceReport(NAME, "unknown", "the file is too large to be parsed"))
    found = await asyncio.to_thread(_in_place, source.text, language)
    if found is None:
        found = await _in_worker(source.text, language, timeout)
    return Answer(SourceReport(NAME, "ok"), await asyncio.to_thread(_diagnostics, source, found))


def _in_place(text: str, language: str) -> Check | None:
    """Check a small text here; None when it is large, or slow to parse although it is small."""
    from hermitcrab.syntax.check import check
    from hermitcrab.syntax.parse import SMALL, TooSlowError

    if len(text) > SMALL:
        return None
    try:
        return check(text, language, seconds=SECONDS_IN_PLACE)
    except TooSlowError:
        return None


async def _in_worker(text: str, language: str, timeout: float) -> Check:  # noqa: ASYNC109
    from pathlib import Path

    from hermitcrab.procs.run import run
    from hermitcrab.syntax.check import check_from_json

    request = await asyncio.to_thread(_request, text, language)
    finished = await run(
        [sys.executable, "-P", "-m", "hermitcrab.syntax.worker"],
        cwd=Path(sys.prefix),
        env={"PYTHONPATH": _own_path(), "PYTHONUTF8": "1"},
        stdin=request,
        timeout=timeout,
        separate=True,
    )
    if finished.timed_out:
        raise ToolError(f"the syntax check did not finish within {timeout:g} s")
    try:
        reply: dict[str, Any] = json.loads(finished.output)
        if "error" in reply:
            raise ToolError(str(reply["error"]))
        return check_from_json(reply["result"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ToolError(f"the syntax check broke (exit code {finished.exit_code})") from None


def _request(text: str, language: str) -> bytes:
    return json.dumps({"op": "check", "language": language, "text": text}).encode()


def _own_path() -> str:
    """Return where this package was imported from, so that the worker runs the same code."""
    from pathlib import Path

    import hermitcrab

    return str(Path(hermitcrab.__file__ or "").parent.parent)


def _diagnostics(source: Source, found: Check) -> tuple[Diagnostic, ...]:
    from hermitcrab.syntax.parse import line_starts, place

    starts = line_starts(source.text)
    fix: SuggestedFix | None = None
    if found.repair is not None:
        at = place(starts, found.repair.offset)
        fix = SuggestedFix(found.repair.title, ((*at, *at, found.repair.text),), is_safe=found.repair.is_whole)
    return tuple(
        Diagnostic(
            source.path,
            *place(starts, problem.start),
            *place(starts, problem.end),
            severity="error",
            message=problem.message,
            source=NAME,
            code="syntax-error",
            version=source.id.version,
            fix=fix if number == 0 else None,
        )
        for number, problem in enumerate(found.problems)
    )
