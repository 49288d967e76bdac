"""Recipes: what they are made of, and how to make them for more people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from larder.ingredients import Ingredient, parse_ingredient
from larder.timing import parse_duration


@dataclass(frozen=True)
class Recipe:
    """A dish for a number of servings; `minutes` is what its steps take together."""

    title: str
    servings: int
    ingredients: tuple[Ingredient, ...]
    steps: tuple[str, ...] = ()
    minutes: int = 0

    def scaled_to(self, servings: int) -> Recipe:
        """Return the recipe for another number of servings."""
        if servings < 1:
            raise ValueError(f"nobody would eat: {servings} servings")
        factor = Fraction(servings, self.servings)
        scaled = tuple(ingredient.scaled(factor) for ingredient in self.ingredients)
        return replace(self, servings=servings, ingredients=scaled)

    def uses(self, name: str) -> bool:
        """Say whether an ingredient of that name is in the recipe."""
        wanted = name.casefold()
        return any(wanted in ingredient.name.casefold() for ingredient in self.ingredients)


def parse_recipe(text: str) -> Recipe:
    """Read a recipe: a title, `serves N`, lines of ingredients with `-`, then numbered steps."""
    title = ""
    servings = 1
    ingredients: list[Ingredient] = []
    steps: list[str] = []
    for line in _lines(text):
        head, _, rest = line.partition(" ")
        if head == "-":
            ingredients.append(parse_ingredient(rest))
        elif head.lower() == "serves":
            servings = int(rest)
        elif head.rstrip(".").isdigit():
            steps.append(rest)
        elif not title:
            title = line
    minutes = sum(parse_duration(step) for step in steps)
    return Recipe(title, servings, tuple(ingredients), tuple(steps), minutes)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        stripped = line.strip()
        if stripped:
            yield stripped
