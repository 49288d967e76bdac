"""One line of a recipe's list of ingredients."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from larder.amounts import format_amount, parse_amount
from larder.units import UNITS, Unit, find_unit

_LEADING = re.compile(r"\s*((?:\d[\d./\s]*)?[¼½¾⅓⅔]|\d[\d./\s]*)?\s*(.*)")


@dataclass(frozen=True)
class Ingredient:
    """So much of something, with a remark on how to prepare it."""

    name: str
    amount: Fraction
    unit: Unit
    remark: str = ""

    def scaled(self, factor: Fraction) -> Ingredient:
        """Return the same ingredient, `factor` times as much."""
        return replace(self, amount=self.amount * factor)

    def __str__(self) -> str:
        unit = "" if self.unit.kind == "count" else f"{self.unit.name} "
        remark = f", {self.remark}" if self.remark else ""
        return f"{format_amount(self.amount)} {unit}{self.name}{remark}"


def parse_ingredient(line: str) -> Ingredient:
    """Read a line such as `1 1/2 cups flour, sifted`."""
    match = _LEADING.fullmatch(line)
    if match is None or not match[2]:
        raise ValueError(f"not an ingredient: {line!r}")
    amount = parse_amount(match[1]) if match[1] else Fraction(1)
    described, _, remark = match[2].partition(",")
    first, _, following = described.strip().partition(" ")
    unit = find_unit(first)
    if unit is None or not following:
        unit, following = UNITS["piece"], described.strip()
    return Ingredient(following.strip(), amount, unit, remark.strip())
