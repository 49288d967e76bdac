"""Changes to text as values: what is to change, computed on which text, and what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


def text_hash(text: str) -> str:
    """Return the SHA-256 of `text` in UTF-8, the name of a text in logs and checks (lone surrogates are kept)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class TextId:
    """Names one state of a text: its hash and, when it is open in an editor, the editor's version."""

    hash: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class FileEdit:
    """One change to one file, computed on `base`."""

    path: Path
    base: TextId
    start: int  # offsets in code points into that text; line, column and encoding stay in lsp/
    end: int
    new_text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """A stretch of a text that changed: `before` stood at code point `start` of the base, `after` stands there now."""

    start: int
    before: str
    after: str

    @property
    def end(self) -> int:
        """Return the offset behind `before` in the base text."""
        return self.start + len(self.before)
