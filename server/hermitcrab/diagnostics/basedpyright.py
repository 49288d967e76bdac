"""The type checker, where the folder is trusted, the project asks for it and it is installed."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hermitcrab.core.errors import ToolError
from hermitcrab.core.ports import Diagnostic
from hermitcrab.core.text import column_to_codepoints, split_lines
from hermitcrab.diagnostics.values import Answer, SourceReport
from hermitcrab.syntax.languages import language_of

if TYPE_CHECKING:
    from hermitcrab.workspace.view import Source

NAME = "basedpyright"
_OUTPUT_LIMIT = 16_000_000
_Severity = Literal["error", "warning", "information", "hint"]


async def check(source: Source, *, env: Mapping[str, str], is_trusted: bool, timeout: float) -> Answer:  # noqa: ASYNC109
    """Return what the type checker says of the saved file; of unsaved text it knows nothing, and says so."""
    if language_of(source.path) != "python":
        return Answer(SourceReport(NAME, "unavailable", "it checks Python only"))
    if not is_trusted:
        return Answer(SourceReport(NAME, "unavailable", "the folder is not trusted"))
    root = await asyncio.to_thread(configured_root, source.path)
    if root is None:
        return Answer(SourceReport(NAME, "unavailable", "the project does not configure it"))
    program = await asyncio.to_thread(find, env)
    if program is None:
        return Answer(SourceReport(NAME, "unavailable", "it is not installed"))
    if not source.is_saved:
        return Answer(SourceReport(NAME, "unknown", "it reads saved text, and this text is not saved"))
    from hermitcrab.procs.environment import for_child
    from hermitcrab.procs.run import run

    finished = await run(
        [program, "--outputjson", str(source.path)],
        cwd=root,
        env=for_child(env),
        timeout=timeout,
        output_limit=_OUTPUT_LIMIT,
        separate=True,
    )
    if finished.timed_out:
        return Answer(SourceReport(NAME, "unknown", f"it did not finish within {timeout:g} s"))
    return Answer(SourceReport(NAME, "ok"), await asyncio.to_thread(_diagnostics, source, finished.output))


def configured_root(path: Path) -> Path | None:
    """Return the folder above `path` whose configuration asks for a pyright."""
    import tomllib

    for directory in path.parents:
        if (directory / "pyrightconfig.json").is_file():
            return directory
        try:
            tool: dict[str, Any] = tomllib.loads((directory / "pyproject.toml").read_text("utf-8")).get("tool", {})
        except (OSError, ValueError):
            continue
        if "basedpyright" in tool or "pyright" in tool:
            return directory
    return None


def find(env: Mapping[str, str]) -> str | None:
    """Return the session's own type checker, else the one beside our interpreter."""
    for name in ("basedpyright", "pyright"):
        if found := shutil.which(name, path=env.get("PATH", "")):
            return found
    beside = Path(sys.executable).with_name(NAME)
    return str(beside) if beside.is_file() else None


def _diagnostics(source: Source, output: str) -> tuple[Diagnostic, ...]:
    try:
        items: list[dict[str, Any]] = json.loads(output)["generalDiagnostics"]
        lines = split_lines(source.text)
        return tuple(_diagnostic(source, lines, item) for item in items if Path(item["file"]) == source.path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ToolError(f"its answer could not be read: {error}") from None


def _diagnostic(source: Source, lines: list[str], item: dict[str, Any]) -> Diagnostic:
    severities: dict[str, _Severity] = {"error": "error", "warning": "warning"}
    return Diagnostic(
        source.path,
        *_place(lines, item["range"]["start"]),
        *_place(lines, item["range"]["end"]),
        severity=severities.get(str(item["severity"]), "information"),
        message=str(item["message"]),
        source=NAME,
        code=str(item.get("rule", "")),
        version=source.id.version,
    )


def _place(lines: list[str], position: dict[str, int]) -> tuple[int, int]:
    line = position["line"]
    text = lines[line] if 0 <= line < len(lines) else ""
    return line, column_to_codepoints(text, position["character"], "utf-16")
