"""A text as the grammar's tokens: brackets outside strings and comments, and where the code of a line ends."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hermitcrab.syntax.parse import Parsed, leaves, line_starts

CLOSERS: Mapping[str, str] = MappingProxyType({"(": ")", "[": "]", "{": "}"})
_OPENERS: Mapping[str, str] = MappingProxyType({closer: opener for opener, closer in CLOSERS.items()})


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind in the grammar, and where it stands."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """The code of one line: `start` and `end` without indentation, comment and white space; the tokens on it."""

    number: int
    indent: int
    start: int
    end: int
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """A bracket that nothing closes; `before` is the bracket of another kind that came instead, if one did."""

    token: Token
    line: int
    before: Token | None
    is_inner: bool  # it stands inside another bracket


def tokens(parsed: Parsed) -> tuple[Token, ...]:
    """Return the tokens of a text with an extent, comments left out."""
    return tuple(
        Token(node.type, *parsed.span(node))
        for node in leaves(parsed)
        if node.end_byte > node.start_byte and "comment" not in node.type and node.type != "\n"
    )


def lines(text: str, found: tuple[Token, ...]) -> tuple[Line, ...]:
    """Return the lines of a text that carry code."""
    starts = line_starts(text)
    grouped: dict[int, list[Token]] = {}
    for token in found:
        grouped.setdefault(bisect.bisect_right(starts, token.start) - 1, []).append(token)
    return tuple(_line(text, starts, number, group) for number, group in sorted(grouped.items()))


def _line(text: str, starts: list[int], number: int, group: list[Token]) -> Line:
    begin = starts[number]
    finish = starts[number + 1] if number + 1 < len(starts) else len(text)
    end = len(text[begin : min(max(token.end for token in group), finish)].rstrip()) + begin
    return Line(number, group[0].start - begin, group[0].start, end, tuple(group))


def open_brackets(text: str, found: tuple[Token, ...]) -> tuple[Open, ...]:
    """Return the brackets nothing closes, trusting indentation where a closing brace begins a line."""
    starts = line_starts(text)
    stack: list[tuple[Token, int, int]] = []  # token, line, indentation of that line
    lost: list[Open] = []
    for token, line, indent, is_first in _brackets(text, starts, found):
        if token.kind in CLOSERS:
            stack.append((token, line, indent))
            continue
        wanted = _OPENERS[token.kind]
        if is_first and wanted == "{":
            while len(stack) > 1 and stack[-1][2] > indent and stack[-1][1] < line and _has(stack[:-1], wanted):
                top = stack.pop()
                lost.append(Open(top[0], top[1], token, is_inner=True))
        if not _has(stack, wanted):
            continue
        while stack[-1][0].kind != wanted:
            top = stack.pop()
            lost.append(Open(top[0], top[1], token, is_inner=True))
        stack.pop()
    lost.extend(Open(token, line, None, is_inner=depth > 0) for depth, (token, line, _) in enumerate(stack))
    return tuple(sorted(lost, key=lambda bracket: bracket.token.start))


def _has(stack: list[tuple[Token, int, int]], kind: str) -> bool:
    return any(entry[0].kind == kind for entry in stack)


def _brackets(text: str, starts: list[int], found: tuple[Token, ...]) -> list[tuple[Token, int, int, bool]]:
    result: list[tuple[Token, int, int, bool]] = []
    for token in found:
        kind = token.kind[-1:] if token.kind in {"${", "#{", "$("} else token.kind
        if kind not in CLOSERS and kind not in _OPENERS:
            continue
        line = bisect.bisect_right(starts, token.start) - 1
        before = text[starts[line] : token.start]
        indent = len(before) - len(before.lstrip())
        result.append((Token(kind, token.start, token.end), line, indent, not before.strip()))
    return result
