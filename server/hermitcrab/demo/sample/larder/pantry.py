"""What is in the house already."""

from __future__ import annotations

import json
from collections import defaultdict
from fractions import Fraction

from larder.amounts import format_amount, parse_amount
from larder.ingredients import Ingredient
from larder.units import UNITS, convert


class Pantry:
    """Stock by name, kept in the unit it was first counted in."""

    def __init__(self) -> None:
        self._stock: dict[str, tuple[Fraction, str]] = {}

    def put(self, ingredient: Ingredient) -> None:
        """Add to the stock."""
        name = ingredient.name.casefold()
        if name not in self._stock:
            self._stock[name] = (ingredient.amount, ingredient.unit.name)
            return
        present, unit_name = self._stock[name]
        added = convert(ingredient.amount, ingredient.unit, UNITS[unit_name])
        self._stock[name] = (present + added, unit_name)

    def missing(self, ingredient: Ingredient) -> Fraction:
        """Return how much of an ingredient is not there, in the ingredient's own unit."""
        name = ingredient.name.casefold()
        if name not in self._stock:
            return ingredient.amount
        present, unit_name = self._stock[name]
        available = convert(present, UNITS[unit_name], ingredient.unit)
        return max(ingredient.amount - available, Fraction(0))

    def by_unit(self) -> dict[str, list[str]]:
        """Return the names in stock, grouped by the unit they are counted in."""
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for name, (_, unit_name) in self._stock.items():
            groups[unit_name].append(name)
        return {unit_name: sorted(names) for unit_name, names in groups.items()}

    def to_json(self) -> str:
        """Return the stock as text to be stored."""
        entries = {name: [format_amount(amount, 1000), unit] for name, (amount, unit) in self._stock.items()}
        return json.dumps(entries, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Pantry:
        """Read a stored stock."""
        pantry = cls()
        for name, (amount, unit) in json.loads(text).items():
            pantry.put(Ingredient(name, parse_amount(amount), UNITS[unit]))
        return pantry
