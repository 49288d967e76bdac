"""Recognises a change that was written down for the reader instead of being made."""

from __future__ import annotations

import re

_DIFF = re.compile(
    r"^(?:```(?:diff|patch)\b|diff --git |\*\*\* (?:Begin Patch|Update File:)|<{5,} ?(?:SEARCH|ORIGINAL)|--- \S.*\n\+\+\+ \S)",
    re.MULTILINE,
)
_HEADER = re.compile(r"^(?:\+\+\+ (?:b/)?|\*\*\* (?:Update|Add) File: )(?P<file>[^\s].*?)\s*$", re.MULTILINE)
_NAMED = re.compile(r"(?P<file>(?:[\w.@~+-]*/)*[\w@+-][\w.@+-]*\.\w{1,6})\b")
_READ = 200_000
"""Characters of a reply that are looked at."""


def change_in_words(text: str) -> str | None:
    """Return the file that a diff or patch in `text` is about; None when there is none, or it names no file."""
    text = text[:_READ]
    if _DIFF.search(text) is None:
        return None
    found = _HEADER.search(text) or _NAMED.search(text)
    return found["file"] if found else None
