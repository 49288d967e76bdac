"""Ruff on the text as it is on the screen, with the project's configuration only where the folder is trusted."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hermitcrab.core.errors import ToolError
from hermitcrab.core.ports import Diagnostic, SuggestedFix
from hermitcrab.diagnostics.values import Answer, SourceReport
from hermitcrab.syntax.languages import language_of

if TYPE_CHECKING:
    from hermitcrab.workspace.view import Source

NAME = "ruff"
RULES = "F,E9,PLE,B006,B008,W605"
"""Checked where the project has not chosen rules itself: what is wrong, never what is merely unusual."""

NEWEST = "py314"
"""Where no Python version is known, no syntax is too new."""

LARGEST = 8_000_000
_OUTPUT_LIMIT = 16_000_000
_ERRORS = re.compile(r"invalid-syntax|F(82[123]|40[47]|50\d|52\d|62[12]|63[34]|70\d|722)|E9\d\d|PLE\d+")


async def check(source: Source, *, env: Mapping[str, str], is_trusted: bool, timeout: float) -> Answer:  # noqa: ASYNC109
    """Return what ruff says of a text given on its standard input; nothing is written anywhere."""
    if language_of(source.path) != "python":
        return Answer(SourceReport(NAME, "unavailable", "it checks Python only"))
    if len(source.text) > LARGEST:
        return Answer(SourceReport(NAME, "unknown", "the file is too large to be checked"))
    program = await asyncio.to_thread(find)
    if program is None:
        return Answer(SourceReport(NAME, "unavailable", "it is not installed; `pip install ruff` brings it"))
    options = await asyncio.to_thread(_options, source.path) if is_trusted else _isolated()
    from hermitcrab.procs.run import run

    finished = await run(
        [program, "check", "--quiet", "--no-fix", "--no-cache", "--exit-zero", "--output-format", "json", *options,
         "--stdin-filename", str(source.path), "-"],
        cwd=await asyncio.to_thread(_directory, source.path) if is_trusted else Path(sys.prefix),
        env={name: value for name, value in env.items() if not name.upper().startswith("RUFF_")},
        stdin=await asyncio.to_thread(source.text.encode, "utf-8", "replace"),
        timeout=timeout,
        output_limit=_OUTPUT_LIMIT,
        separate=True,
    )  # fmt: skip
    if finished.timed_out:
        raise ToolError(f"it did not finish within {timeout:g} s")
    if finished.exit_code != 0 or finished.truncated:
        raise ToolError(_first_line(finished.errors) or f"it ended with exit code {finished.exit_code}")
    return Answer(SourceReport(NAME, "ok"), await asyncio.to_thread(_diagnostics, source, finished.output))


def find() -> str | None:
    """Return our own installation's ruff, never one a workspace brings."""
    try:
        from ruff import find_ruff_bin

        return str(find_ruff_bin())
    except (ImportError, FileNotFoundError):
        beside = Path(sys.executable).with_name("ruff")
        return str(beside) if beside.is_file() else None


def _isolated() -> list[str]:
    return ["--isolated", "--select", RULES, "--target-version", NEWEST]


def _options(path: Path) -> list[str]:
    """Return no options where a configuration speaks for this file, else our own rules."""
    for directory in path.parents:
        if any((directory / name).is_file() for name in ("ruff.toml", ".ruff.toml")):
            return []
        tables = _pyproject(directory / "pyproject.toml")
        if "ruff" in tables.get("tool", {}):
            return []
        if "requires-python" in tables.get("project", {}):
            return ["--select", RULES]
    return ["--select", RULES, "--target-version", NEWEST]


def _pyproject(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _directory(path: Path) -> Path:
    return next((parent for parent in path.parents if parent.is_dir()), Path(sys.prefix))


def _first_line(text: str) -> str:
    return next((line.strip()[:300] for line in text.splitlines() if line.strip()), "")


def _diagnostics(source: Source, output: str) -> tuple[Diagnostic, ...]:
    if not output.lstrip().startswith("["):
        raise ToolError(f"its answer could not be read: `{_first_line(output)[:80]}`")
    try:
        found: list[dict[str, Any]] = json.loads(output)
        return tuple(_diagnostic(source, item) for item in found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ToolError(f"its answer could not be read: {error}") from None


def _diagnostic(source: Source, item: dict[str, Any]) -> Diagnostic:
    """Turn one of ruff's findings, whose lines and columns count code points from 1."""
    code = str(item.get("code") or "invalid-syntax")
    severity: Literal["error", "warning"] = "error" if _ERRORS.fullmatch(code) else "warning"
    message = str(item["message"]).removeprefix("SyntaxError: ")
    return Diagnostic(
        source.path,
        *_place(item["location"]),
        *_place(item["end_location"]),
        severity=severity,
        message=message,
        source=NAME,
        code=code,
        version=source.id.version,
        fix=_fix(item.get("fix")),
    )


def _fix(fix: dict[str, Any] | None) -> SuggestedFix | None:
    if not fix or not fix.get("edits"):
        return None
    edits = tuple(
        (*_place(edit["location"]), *_place(edit["end_location"]), str(edit["content"])) for edit in fix["edits"]
    )
    return SuggestedFix(str(fix.get("message") or "Apply the suggested fix"), edits, fix.get("applicability") == "safe")


def _place(location: dict[str, int]) -> tuple[int, int]:
    return location["row"] - 1, location["column"] - 1
