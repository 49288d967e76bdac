"""Finds the one token whose absence breaks a text, and proves it by parsing again with the token there."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from hermitcrab.syntax.parse import Parsed, TooSlowError, line_starts, parse, place
from hermitcrab.syntax.problems import SyntaxProblem, count, problems_in, python_problem
from hermitcrab.syntax.tokens import CLOSERS, Line, Open, lines, open_brackets, tokens

_HEADS = frozenset({"if", "elif", "else", "for", "while", "def", "class", "with", "try", "except", "finally", "match", "case", "async"})  # fmt: skip
_WORK = 1_500_000  # characters parsed in search of one repair
_BRACKETS = 5
_REACH = 40  # lines behind an open bracket at whose ends its closing one is tried


@dataclass(frozen=True, slots=True)
class Insertion:
    """Text to insert at an offset; `is_whole` says that nothing else is wrong with the file then."""

    offset: int
    text: str
    is_whole: bool

    @property
    def title(self) -> str:
        """Return the repair in a few words."""
        return f"Insert missing `{self.text.strip()}`"


@dataclass(frozen=True, slots=True)
class _Health:
    """How broken a text is: 0 leaves broken is sound; `first` is where Python's own parser gives up."""

    broken: int
    first: int

    def is_better_than(self, other: _Health) -> bool:
        is_further = self.first > other.first and self.broken <= other.broken
        return is_further or (self.broken < other.broken and self.first >= other.first)


def missing_token(text: str, language: str, *, until: float = math.inf) -> Insertion | None:
    """Return the insertion that makes a broken text parse, or parse further; None when no single token does.

    Where the token may stand in several places the end of the statement is taken, as people do. Raises TooSlowError
    when time is up before the search is over.
    """
    parsed = parse(text, language, until=until)
    found = problems_in(parsed, until=until)
    if not found:
        return None
    health = _health(parsed)
    partly: Insertion | None = None
    tries = max(4, min(120, _WORK // max(len(text), 1)))
    for offset, token in _unique(_candidates(parsed, found), tries):
        if time.monotonic() > until:
            raise TooSlowError("looking for a missing token took too long")
        after = _health(parse(text[:offset] + token + text[offset:], language, until=until))
        if after.broken == 0:
            return Insertion(offset, token, is_whole=True)
        if partly is None and after.is_better_than(health):
            partly = Insertion(offset, token, is_whole=False)
    return partly


def _unique(candidates: Iterator[tuple[int, str]], limit: int) -> Iterator[tuple[int, str]]:
    seen: set[tuple[int, str]] = set()
    for candidate in candidates:
        if candidate not in seen:
            seen.add(candidate)
            yield candidate
        if len(seen) == limit:
            return


def _health(parsed: Parsed) -> _Health:
    broken = count(parsed)
    if parsed.language != "python":
        return _Health(broken, 0)
    problem = python_problem(parsed.text)
    if problem is None:
        return _Health(0, len(parsed.text) + 1)
    return _Health(max(broken, 1), problem.start)


def _candidates(parsed: Parsed, found: tuple[SyntaxProblem, ...]) -> Iterator[tuple[int, str]]:
    """Yield places and tokens to try, the likeliest first."""
    text = parsed.text
    everything = tokens(parsed)
    code = lines(text, everything)
    for problem in found:
        if problem.missing and problem.missing not in CLOSERS.values():
            yield len(text[: problem.start].rstrip(" \t")), problem.missing
    if parsed.language == "python":
        yield from _quotes(text, found)
        yield from _colons(text, code, found)
    for bracket in _likeliest(open_brackets(text, everything)):
        yield from _closings(text, code, bracket, parsed.language)
    for problem in found:
        if problem.missing:
            yield len(text[: problem.start].rstrip()), problem.missing
    if parsed.language != "python":
        yield from _quotes(text, found)
        yield from _semicolons(text, code, found)


def _likeliest(found: tuple[Open, ...]) -> tuple[Open, ...]:
    """Return the first open brackets and the last ones: between them no single token mends anything."""
    return found if len(found) <= 2 * _BRACKETS else (*found[:_BRACKETS], *found[-_BRACKETS:])


def _colons(text: str, code: tuple[Line, ...], found: tuple[SyntaxProblem, ...]) -> Iterator[tuple[int, str]]:
    """Yield the ends of block heads without a colon, those next to the problem first."""
    starts = line_starts(text)
    at = place(starts, found[0].start)[0]
    heads = [line for line in code if line.tokens[0].kind in _HEADS and not text[: line.end].endswith(":")]
    for line in sorted(heads, key=lambda head: abs(head.number - at))[:12]:
        yield line.end, ":"


def _closings(text: str, code: tuple[Line, ...], bracket: Open, language: str) -> Iterator[tuple[int, str]]:
    closer = CLOSERS[bracket.token.kind]
    if _hangs(code, bracket) or (closer == "}" and language not in {"python", "bash"}):
        yield from _on_own_line(text, code, bracket)
    if bracket.before is not None:
        yield len(text[: bracket.before.start].rstrip()), closer
    limit = bracket.before.start if bracket.before else len(text)
    for line in code:
        if line.number < bracket.line or line.end > limit:
            continue
        if line.number > bracket.line + _REACH:
            return
        for end in _ends(text, line, ":;{," if bracket.is_inner else ":;{"):
            if end > bracket.token.start:
                yield end, closer


def _hangs(code: tuple[Line, ...], bracket: Open) -> bool:
    """Say whether nothing follows an opening bracket on its line, so that its closing one has a line of its own."""
    return any(line.number == bracket.line and line.end == bracket.token.end for line in code)


def _ends(text: str, line: Line, marks: str) -> Iterator[int]:
    """Yield where a closing bracket may stand at the end of a line: before its last marks, then behind them.

    A comma behind an outermost bracket is no such mark: it would make a tuple of what was a list.
    """
    end = line.end
    while end > line.start and text[end - 1] in marks:
        end = len(text[: end - 1].rstrip())
    yield end
    if end != line.end:
        yield line.end


def _on_own_line(text: str, code: tuple[Line, ...], bracket: Open) -> Iterator[tuple[int, str]]:
    """Yield a new line with a closing bracket before the first line that stands no deeper than the opening one's."""
    closer = CLOSERS[bracket.token.kind]
    starts = line_starts(text)
    opening = next((line for line in code if line.number == bracket.line), None)
    if opening is None:
        return
    newline = "\r\n" if "\r\n" in text else "\n"
    margin = text[starts[opening.number] : opening.start]
    after = next((line for line in code if line.number > opening.number and line.indent <= opening.indent), None)
    if after is not None:
        last = max((line for line in code if line.number < after.number), key=lambda line: line.number)
        yield last.end, f"{newline}{margin}{closer}"
    else:
        yield code[-1].end, f"{newline}{margin}{closer}"


def _quotes(text: str, found: tuple[SyntaxProblem, ...]) -> Iterator[tuple[int, str]]:
    """Yield the end of a line whose string is not closed, then the places before its closing marks."""
    starts = line_starts(text)
    for problem in found:
        line = place(starts, problem.start)[0]
        for number in (line, line - 1):
            if number < 0:
                continue
            finish = starts[number + 1] if number + 1 < len(starts) else len(text)
            for end in _possible_ends(text, starts[number], finish):
                for quote in _odd_quotes(text[starts[number] : end]):
                    position = end
                    yield position, quote
                    while position > starts[number] and text[position - 1] in ")]}:,; ":
                        position -= 1
                        yield position, quote


def _possible_ends(text: str, start: int, finish: int) -> Iterator[int]:
    """Yield where the code of a line may end: at its end, and before whatever may be a comment."""
    line = text[start:finish].rstrip()
    yield start + len(line)
    for mark in re.finditer(r"\s+(?:#|//)", line):
        yield start + mark.start()


def _odd_quotes(line: str) -> Iterator[str]:
    """Yield the quotes that occur an odd number of times on a line, triple ones first."""
    for quote in ('"""', "'''"):
        if line.count(quote) % 2:
            yield quote
    for quote in ('"', "'", "`"):
        if line.replace("\\" + quote, "").replace(quote * 3, "").count(quote) % 2:
            yield quote


def _semicolons(text: str, code: tuple[Line, ...], found: tuple[SyntaxProblem, ...]) -> Iterator[tuple[int, str]]:
    starts = line_starts(text)
    for problem in found:
        at = place(starts, problem.start)[0]
        for line in reversed([line for line in code if at - 2 <= line.number <= at]):
            if text[line.end - 1] not in ";{,":
                yield line.end, ";"
