"""Identifiers: strings, unique, sortable by time where that helps a reader."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def new_id(prefix: str) -> str:
    """Return `prefix_` and 18 characters: milliseconds since 1970, then 45 random bits."""
    return f"{prefix}_{_base32(int(time.time() * 1000), 9)}{_base32(secrets.randbits(45), 9)}"
