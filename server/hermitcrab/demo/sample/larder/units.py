"""Units of the kitchen and the way from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Unit:
    """A unit: `size` counts the base unit of its kind."""

    name: str
    kind: str
    size: Fraction


class UnitError(ValueError):
    """Two units that measure different things."""


UNITS = {
    unit.name: unit
    for unit in (
        Unit("g", "mass", Fraction(1)),
        Unit("kg", "mass", Fraction(1000)),
        Unit("ml", "volume", Fraction(1)),
        Unit("l", "volume", Fraction(1000)),
        Unit("tsp", "volume", Fraction(5)),
        Unit("tbsp", "volume", Fraction(15)),
        Unit("cup", "volume", Fraction(240)),
        Unit("piece", "count", Fraction(1)),
    )
}
PLURALS = {"cups": "cup", "pieces": "piece", "litre": "l", "litres": "l", "gram": "g", "grams": "g"}


def find_unit(word: str) -> Unit | None:
    """Return the unit a word names, None when it names none."""
    lowered = word.lower().rstrip(".")
    return UNITS.get(PLURALS.get(lowered, lowered))


def convert(amount: Fraction, source: Unit, target: Unit) -> Fraction:
    """Return an amount of `source` counted in `target`."""
    if source.kind != target.kind:
        raise UnitError(f"{source.name} measures {source.kind}, {target.name} measures {target.kind}")
    return amount * source.size / target.size


def handiest(amount: Fraction, unit: Unit) -> tuple[Fraction, Unit]:
    """Return the same amount in the metric unit that needs the fewest digits."""
    if unit.kind == "count":
        return amount, unit
    small, large = (UNITS["g"], UNITS["kg"]) if unit.kind == "mass" else (UNITS["ml"], UNITS["l"])
    counted = convert(amount, unit, small)
    if counted >= large.size:
        return convert(counted, small, large), large
    return counted, small
