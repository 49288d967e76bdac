"""Recognises a problem by its code or its words, whoever reports it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hermitcrab.providers.offline.reading import Problem

Kind = Literal["syntax", "undefined", "unused_import", "unused_variable", "other"]

_Q = r"[`'\"“]"
_UNDEFINED = re.compile(rf"(?i)undefined (?:name|variable) {_Q}(\w+)|{_Q}(\w+){_Q} is not defined")
_IMPORT = re.compile(rf"{_Q}([\w.]+(?: as \w+)?){_Q} imported but unused|(?i:import) {_Q}([\w.]+){_Q} is not accessed|Unused import {_Q}?([\w.]+)")  # fmt: skip
_VARIABLE = re.compile(rf"(?i)(?:local )?variable {_Q}(\w+){_Q} is (?:assigned to but never used|not accessed)|unused variable {_Q}(\w+)")  # fmt: skip
_SYNTAX_CODES = frozenset({"invalid-syntax", "syntax-error", "E999", "E0001"})


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a problem is, and the name it is about."""

    kind: Kind
    name: str = ""


def recognise(problem: Problem) -> Recognised:
    """Return the kind of a problem."""
    if problem.code in _SYNTAX_CODES or problem.message.startswith("SyntaxError"):
        return Recognised("syntax")
    patterns: tuple[tuple[Kind, re.Pattern[str]], ...] = (
        ("undefined", _UNDEFINED),
        ("unused_import", _IMPORT),
        ("unused_variable", _VARIABLE),
    )
    for kind, pattern in patterns:
        if match := pattern.search(problem.message):
            name = next(group for group in match.groups() if group)
            return Recognised(kind, name.rpartition(" as ")[2])
    return Recognised("other")
