"""What a measure says: rows of numbers, each with its anchors."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Number:
    """The median of several runs and the best of them."""

    median: float
    least: float

    @classmethod
    def of(cls, samples: Iterable[float], scale: float = 1.0) -> Number:
        """Return both of `samples`, each times `scale`."""
        found = [sample * scale for sample in samples]
        return cls(statistics.median(found), min(found))


@dataclass(frozen=True, slots=True)
class Row:
    """One number of ours; `is_met` says whether the goal is reached, None where there is no goal."""

    section: str
    what: str
    unit: str
    ours: Number
    anchors: dict[str, Number | None] = field(default_factory=dict)  # None: not installed
    goal: str = ""
    is_met: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Row:
        """Read it again."""
        anchors = {name: Number(**number) if number else None for name, number in value["anchors"].items()}
        inside: dict[str, Any] = {"ours": Number(**value["ours"]), "anchors": anchors}
        return cls(**{**value, **inside})


def percentile(samples: Iterable[float], share: float) -> float:
    """Return the sample below which `share` of all samples lie."""
    found = sorted(samples)
    return found[min(len(found) - 1, int(len(found) * share))]
