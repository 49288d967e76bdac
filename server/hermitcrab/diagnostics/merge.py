"""One problem told by several sources is one problem."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from hermitcrab.core.ports import Diagnostic

_RANK = {"error": 0, "warning": 1, "information": 2, "hint": 3}
_QUOTED = re.compile(r"[`'\"]([^`'\"]+)[`'\"]")
_SYNTAX_CODES = frozenset({"invalid-syntax", "syntax-error", "E999"})


def merged(items: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the problems in the order of the text, each once: the first source's words, the strictest severity."""
    kept: list[Diagnostic] = []
    for item in _one_voice_on_syntax(list(items)):
        for index, other in enumerate(kept):
            if _is_same(item, other):
                kept[index] = _joined(other, item)
                break
        else:
            kept.append(item)
    return tuple(sorted(kept, key=lambda item: (item.line, item.column, _RANK[item.severity], item.source)))


def is_syntax(item: Diagnostic) -> bool:
    """Say whether a problem is that the text does not parse."""
    return item.code in _SYNTAX_CODES


def _one_voice_on_syntax(items: list[Diagnostic]) -> list[Diagnostic]:
    """Keep the repairable syntax error alone: what other parsers stumble over behind it are its consequences."""
    ours = [item for item in items if item.code == "syntax-error" and item.source == "syntax"]
    others = [item for item in items if is_syntax(item) and item not in ours]
    if not ours or not others:
        return items
    if ours[0].fix is not None and ours[0].fix.is_safe:
        return [item for item in items if item not in others]
    told = [item for item in ours if item.fix is None and any(abs(item.line - other.line) <= 1 for other in others)]
    return [item for item in items if item not in told]


def _is_same(one: Diagnostic, other: Diagnostic) -> bool:
    if one.line != other.line or one.end_line != other.end_line:
        return False
    if one.message == other.message and one.column == other.column:
        return True
    if one.source == other.source:
        return False
    if is_syntax(one) and is_syntax(other):
        return True
    overlap = one.column < other.end_column and other.column < one.end_column
    about = set(_QUOTED.findall(one.message)) & set(_QUOTED.findall(other.message))
    return (overlap or one.column == other.column) and (bool(about) or (one.code == other.code and one.code != ""))


def _joined(first: Diagnostic, second: Diagnostic) -> Diagnostic:
    severity = min(first.severity, second.severity, key=lambda severity: _RANK[severity])
    return dataclasses.replace(first, severity=severity, fix=first.fix or second.fix)
