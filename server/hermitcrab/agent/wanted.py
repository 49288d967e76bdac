"""What a *Fix* prompt points at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """A problem the user pointed at and wants gone; the line is 0-based, `label` is its source and code."""

    file: str
    line: int
    label: str
    message: str
