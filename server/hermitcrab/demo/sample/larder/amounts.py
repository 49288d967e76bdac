"""Amounts as cooks write them: whole numbers, decimals and fractions."""

from __future__ import annotations

import re
from fractions import Fraction

_NUMBER = re.compile(r"(?:(\d+)\s+)?(\d+)/(\d+)|(\d+(?:\.\d+)?)")
_GLYPHS = {"¼": " 1/4", "½": " 1/2", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"}


class AmountError(ValueError):
    """An amount that cannot be read."""


def parse_amount(text: str) -> Fraction:
    """Return the amount written in `text`, such as `2`, `0.5`, `1 1/2` or `1½`."""
    plain = text
    for glyph, written in _GLYPHS.items():
        plain = plain.replace(glyph, written)
    match = _NUMBER.fullmatch(plain.strip())
    if match is None:
        raise AmountError(f"not an amount: {text!r}")
    whole, top, bottom, decimal = match.groups()
    if decimal is not None:
        return Fraction(decimal)
    if int(bottom) == 0:
        raise AmountError(f"divided by nothing: {text!r}")
    return int(whole or 0) + Fraction(int(top), int(bottom))


def format_amount(amount: Fraction, largest: int = 8) -> str:
    """Return an amount as a cook would write it, with denominators up to `largest`."""
    rounded = amount.limit_denominator(largest)
    whole, rest = divmod(rounded, 1)
    if rest == 0:
        return str(whole)
    fraction = f"{rest.numerator}/{rest.denominator}"
    return f"{whole} {fraction}" if whole else fraction
