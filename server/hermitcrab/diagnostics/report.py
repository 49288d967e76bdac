"""A set of diagnostics as the text a model reads.

The format is read back by rules and scripts: one line a problem, `LINE:COL-LINE:COL severity CODE [source] message`
with places counted from 1, and below it, indented, a suggested fix: its title, then its edits as JSON
`[[line, column, end line, end column, text], …]`. The last line says which sources answered.
"""

from __future__ import annotations

import json

from hermitcrab.core.ports import Diagnostic, SuggestedFix
from hermitcrab.diagnostics.values import DiagnosticSet, SourceReport

LIMIT = 200
"""Problems written out; the rest is counted."""

_FIX_LIMIT = 4000


def render(found: DiagnosticSet, name: str) -> str:
    """Return the text for `name`, the file as the model knows it."""
    state = "saved text" if found.version is None else f"version {found.version}"
    lines = [f"{name} ({state}): {_headline(found)}"]
    for item in found.items[:LIMIT]:
        lines.extend(_problem(item))
    if len(found.items) > LIMIT:
        lines.append(f"… and {len(found.items) - LIMIT} more")
    lines.append(f"sources: {'; '.join(_source(report) for report in found.reports)}")
    return "\n".join(lines)


def _headline(found: DiagnosticSet) -> str:
    if found.items:
        return f"{len(found.items)} problem{'s' if len(found.items) > 1 else ''}"
    answered = [report.name for report in found.reports if report.state == "ok"]
    silent = [report.name for report in found.reports if report.state in {"unknown", "failed"}]
    if not answered:
        return "unknown: no source could check this text"
    unknown = f"; unknown: {', '.join(silent)}" if silent else ""
    return f"no problems from {', '.join(answered)}{unknown}"


def _problem(item: Diagnostic) -> list[str]:
    place = f"{item.line + 1}:{item.column + 1}-{item.end_line + 1}:{item.end_column + 1}"
    code = _plain(item.code).replace(" ", "-") or "-"
    lines = [f"{place} {item.severity} {code} [{_plain(item.source) or '-'}] {_plain(item.message)}"]
    return lines + _fix(item.fix) if item.fix else lines


def _fix(fix: SuggestedFix) -> list[str]:
    edits = [[line + 1, column + 1, last + 1, end + 1, text] for line, column, last, end, text in fix.edits]
    data = json.dumps(edits, ensure_ascii=False, separators=(",", ":"))
    if len(data) > _FIX_LIMIT:
        return []
    return [f"  {'fix' if fix.is_safe else 'unsafe fix'}: {_plain(fix.title)}", f"    {data}"]


def _source(report: SourceReport) -> str:
    return f"{report.name} {report.state}" + (f" ({_plain(report.reason)})" if report.reason else "")


def _plain(text: str) -> str:
    """Return text on one line, without anything a terminal would obey."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
