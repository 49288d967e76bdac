"""What the sources said of one text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hermitcrab.core.ports import Diagnostic

SourceState = Literal["ok", "unknown", "unavailable", "failed"]
"""`unknown` did not answer for this version, `unavailable` is not there or not for this file, `failed` broke."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """Whether one source answered for this text, and why not."""

    name: str
    state: SourceState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source said."""

    report: SourceReport
    items: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class DiagnosticSet:
    """The problems of one text, in its order; `version` is the editor's, None for text on disk."""

    items: tuple[Diagnostic, ...]
    version: int | None
    reports: tuple[SourceReport, ...]
