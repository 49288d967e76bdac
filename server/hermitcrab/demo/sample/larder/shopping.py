"""From recipes to what must be bought."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable
from dataclasses import replace

from larder.ingredients import Ingredient
from larder.pantry import Pantry
from larder.recipes import Recipe
from larder.units import convert, handiest


def combined(ingredients: Iterable[Ingredient]) -> list[Ingredient]:
    """Return one entry for each name and kind of unit, in the order of the names."""
    entries = [replace(ingredient, name=ingredient.name.casefold(), remark="") for ingredient in ingredients]
    entries.sort(key=lambda entry: (entry.name, entry.unit.kind))
    result: list[Ingredient] = []
    for _, group in itertools.groupby(entries, key=lambda entry: (entry.name, entry.unit.kind)):
        first, *others = group
        total = first.amount
        for other in others:
            total += convert(other.amount, other.unit, first.unit)
        result.append(replace(first, amount=total))
    return result


def shopping_list(recipes: Iterable[Recipe], pantry: Pantry) -> list[str]:
    """Return what to buy for some recipes, in handy units, without what is in the house."""
    wanted = combined(itertools.chain.from_iterable(recipe.ingredients for recipe in recipes))
    lines: list[str] = []
    for ingredient in wanted:
        lacking = pantry.missing(ingredient)
        if lacking > 0:
            amount, unit = handiest(lacking, ingredient.unit)
            lines.append(str(replace(ingredient, amount=amount, unit=unit)))
    return lines


def most_needed(recipes: Iterable[Recipe], count: int = 3) -> list[str]:
    """Return the names of the ingredients most recipes have in common."""
    uses: dict[str, int] = {}
    for recipe in recipes:
        for name in {ingredient.name.casefold() for ingredient in recipe.ingredients}:
            uses[name] = uses.get(name, 0) + 1
    ranked = sorted(sorted(uses.items()), key=operator.itemgetter(1), reverse=True)
    return [name for name, _ in ranked[:count]]
