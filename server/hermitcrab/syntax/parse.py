"""Text to tree, with places as code point offsets: the grammars count bytes, nobody else here does."""

from __future__ import annotations

import bisect
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.syntax.languages import grammar

if TYPE_CHECKING:
    from tree_sitter import LogType, Node, Tree

SMALL = 128_000
"""Characters up to which a document may be parsed in place; a longer one belongs in a worker process."""

_STEP = 1024
_SLICE = 65536
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text, its tree, and the way from the tree's bytes to the text's code points."""

    text: str
    language: str
    tree: Tree
    data: bytes
    marks: tuple[int, ...]  # bytes before every 1024th code point; empty for ASCII

    def offset(self, byte: int) -> int:
        """Return the code point offset of a byte offset of the tree."""
        if not self.marks:
            return byte
        index = bisect.bisect_right(self.marks, byte) - 1
        return index * _STEP + len(self.data[self.marks[index] : byte].decode("utf-8", "ignore"))

    def span(self, node: Node) -> tuple[int, int]:
        """Return where a node starts and ends in the text."""
        return self.offset(node.start_byte), self.offset(node.end_byte)

    def of(self, node: Node) -> str:
        """Return the text of a node."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")


class TooSlowError(HermitcrabError):
    """Parsing took longer than it was given: grammars are native code, and some texts bring them to a crawl."""


def parse(text: str, language: str, *, until: float = math.inf) -> Parsed:
    """Parse `text`, at most until a time of `time.monotonic`.

    Lone surrogates become question marks, so that every code point keeps its place.
    """
    data = text.encode("utf-8", "replace")
    return Parsed(text, language, parse_bytes(data, language, until=until), data, _marks(text, data))


def parse_bytes(
    data: bytes, language: str, *, until: float = math.inf, logger: Callable[[LogType, str], None] | None = None
) -> Tree:
    """Return the tree of a text in UTF-8; raise TooSlowError when its time is over."""
    from tree_sitter import Parser

    parser = Parser(grammar(language), logger=logger)
    try:
        return parser.parse(
            lambda offset, _: data[offset : offset + _SLICE],
            progress_callback=lambda _offset, _error: time.monotonic() > until,
        )
    except ValueError:
        raise TooSlowError(f"parsing {len(data):,} bytes of {language} took too long") from None


def _marks(text: str, data: bytes) -> tuple[int, ...]:
    if len(text) == len(data):
        return ()
    marks = [0]
    for start in range(0, len(text) - _STEP + 1, _STEP):
        marks.append(marks[-1] + len(text[start : start + _STEP].encode("utf-8", "replace")))
    return tuple(marks)


def leaves(parsed: Parsed) -> Iterator[Node]:
    """Yield the nodes without children in the order of the text, however deep the tree."""
    cursor = parsed.tree.walk()
    while True:
        if cursor.goto_first_child():
            continue
        if cursor.node is not None:
            yield cursor.node
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def line_starts(text: str) -> list[int]:
    """Return where each line begins; LF, CRLF and CR end a line, nothing else does."""
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


def place(starts: list[int], offset: int) -> tuple[int, int]:
    """Return line and column (0-based) of an offset."""
    line = bisect.bisect_right(starts, offset) - 1
    return line, offset - starts[line]
