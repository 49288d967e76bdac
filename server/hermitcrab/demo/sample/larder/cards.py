"""Recipes as plain text cards of a fixed width."""

from __future__ import annotations

import textwrap

from larder.recipes import Recipe
from larder.timing import format_duration

NARROWEST = 24


def card(recipe: Recipe, width: int = 48) -> str:
    """Return a recipe as a framed card."""
    if width < NARROWEST:
        raise ValueError(f"a card needs {NARROWEST} columns, not {width}")
    inner = width - 4
    heading = recipe.title.upper().center(inner).rstrip()
    servings = f"for {recipe.servings}"
    if recipe.minutes:
        servings += f", {format_duration(recipe.minutes)}"
    lines = [heading, servings.center(inner).rstrip(), ""]
    for ingredient in recipe.ingredients:
        lines.extend(wrapped(str(ingredient), inner, "• "))
    for number, step in enumerate(recipe.steps, start=1):
        lines.extend(wrapped(step, inner, f"{number}. "))
    return framed(lines, inner)


def wrapped(text: str, width: int, bullet: str) -> list[str]:
    """Return text in lines, the first behind a bullet and the others below its text."""
    indent = " " * len(bullet)
    return textwrap.wrap(text, width, initial_indent=bullet, subsequent_indent=indent)


def framed(lines: list[str], inner: int) -> str:
    """Return lines in a frame."""
    border = "+" + "-" * (inner + 2) + "+"
    body = [f"| {line.ljust(inner)} |" for line in lines]
    return "\n".join([border, *body, border])
