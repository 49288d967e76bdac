"""The definitions in a text, by one small query per language."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from hermitcrab.syntax.languages import grammar
from hermitcrab.syntax.parse import Parsed, line_starts, parse, place

if TYPE_CHECKING:
    from tree_sitter import Node, Query

_HOLDERS = frozenset({"class", "struct", "interface", "implementation", "enum", "module"})


@dataclass(frozen=True, slots=True)
class Symbol:
    """A definition: `line` and `end_line` (0-based) span all of it, `start` and `end` are the offsets of its name."""

    name: str
    kind: str
    line: int
    end_line: int
    start: int
    end: int
    container: str = ""
    depth: int = 0


def outline(text: str, language: str) -> tuple[Symbol, ...]:
    """Return the definitions of `text` in its order, each knowing what it stands in."""
    return outline_of(parse(text, language))


def outline_of(parsed: Parsed) -> tuple[Symbol, ...]:
    """Return the definitions of a parsed text in its order."""
    from tree_sitter import QueryCursor

    found: dict[tuple[int, int], tuple[Node, Node, str]] = {}
    for _, captures in QueryCursor(_query(parsed.language)).matches(parsed.tree.root_node):
        name = captures["name"][0]
        for kind, nodes in captures.items():
            if kind != "name":
                found.setdefault((name.start_byte, name.end_byte), (nodes[0], name, kind))
    ordered = sorted(found.values(), key=lambda entry: (entry[0].start_byte, -entry[0].end_byte, entry[1].start_byte))
    return _nested(parsed, ordered)


def _nested(parsed: Parsed, ordered: list[tuple[Node, Node, str]]) -> tuple[Symbol, ...]:
    starts = line_starts(parsed.text)
    symbols: list[Symbol] = []
    around: list[tuple[int, str, str]] = []  # end byte, name, kind
    for node, name, kind in ordered:
        while around and around[-1][0] <= node.start_byte:
            around.pop()
        told = "method" if kind == "function" and around and around[-1][2] in _HOLDERS - {"module"} else kind
        start, end = parsed.span(name)
        first, last = parsed.span(node)
        container = ".".join(entry[1] for entry in around)
        lines = place(starts, first)[0], place(starts, max(first, last - 1))[0]
        symbols.append(Symbol(parsed.text[start:end], told, *lines, start, end, container, len(around)))
        around.append((node.end_byte, parsed.text[start:end], kind))
    return tuple(symbols)


@functools.cache
def _query(language: str) -> Query:
    from tree_sitter import Query

    source = resources.files("hermitcrab.syntax").joinpath("queries", f"{language}.scm").read_text("utf-8")
    return Query(grammar(language), source)
