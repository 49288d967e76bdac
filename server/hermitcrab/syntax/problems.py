"""What a grammar cannot make sense of in a text, said so that a person can act on it."""

from __future__ import annotations

import ast
import itertools
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hermitcrab.syntax.parse import Parsed, line_starts, parse, parse_bytes

if TYPE_CHECKING:
    from tree_sitter import Node

LIMIT = 100
"""Problems told for one text: behind a hundred syntax errors there is no hundred-and-first worth reading."""

_LOGGED = 48_000  # bytes up to which the parser's log is asked for exact places: it makes parsing ten times slower


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """A place the grammar stumbled over; `missing` is the token it named, to be inserted at `start`."""

    start: int
    end: int
    message: str
    missing: str = ""


def problems(text: str, language: str, *, until: float = math.inf) -> tuple[SyntaxProblem, ...]:
    """Return the syntax errors of `text` in its order, at most `LIMIT`; raise TooSlowError when time is up."""
    return problems_in(parse(text, language, until=until), until=until)


def problems_in(parsed: Parsed, *, until: float = math.inf) -> tuple[SyntaxProblem, ...]:
    """Return the syntax errors of a parsed text in its order, at most `LIMIT`.

    Python's own parser is asked too: its places and words are better, and a grammar may lag behind the language.
    """
    if not parsed.tree.root_node.has_error:
        return ()
    if parsed.language == "python":
        if (heard := python_problem(parsed.text)) is None:
            return ()
        return (heard,)
    detected = _detected(parsed, until)
    return tuple(_told(parsed, node, detected) for node in itertools.islice(_broken(parsed), LIMIT))


def python_problem(text: str) -> SyntaxProblem | None:
    """Return the first syntax error Python's own parser sees in `text`, None when there is none."""
    if text.startswith("\ufeff"):
        problem = python_problem(text[1:])
        return problem and replace(problem, start=problem.start + 1, end=problem.end + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text.encode("utf-8", "replace").decode())
    except SyntaxError as error:
        return _from_python(text, error)
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxProblem(0, 0, f"The code cannot be parsed: {error or 'it is nested too deeply'}")
    return None


def _from_python(text: str, error: SyntaxError) -> SyntaxProblem:
    starts = line_starts(text)
    line = min(max((error.lineno or 1) - 1, 0), len(starts) - 1)
    start = min(starts[line] + max((error.offset or 1) - 1, 0), len(text))
    end = start
    if error.end_lineno == error.lineno and error.end_offset:
        end = min(max(start, starts[line] + error.end_offset - 1), len(text))
    if end == start and text[start : start + 1] not in {"", "\r", "\n"}:
        end += 1
    message = error.msg[:1].upper() + error.msg[1:]
    expected = re.fullmatch(r"expected '(\W)'", error.msg)
    return SyntaxProblem(start, end, message.replace("'", "`"), expected.group(1) if expected else "")


def _broken(parsed: Parsed) -> Iterator[Node]:
    """Yield the outermost ERROR nodes and every MISSING node, looking only where the tree says there is one."""
    cursor = parsed.tree.walk()
    while True:
        node = cursor.node
        if node is not None and (node.is_error or node.is_missing):
            yield node
        elif node is not None and node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _told(parsed: Parsed, node: Node, detected: list[int]) -> SyntaxProblem:
    return _missing(parsed, node) if node.is_missing else _error(parsed, node, detected)


def _missing(parsed: Parsed, node: Node) -> SyntaxProblem:
    """Place a missing token behind the token before it, where a person would type it."""
    offset = len(parsed.text[: parsed.offset(node.start_byte)].rstrip())
    if node.is_named:
        return SyntaxProblem(offset, offset, f"Expected {_words(node.type)} here")
    return SyntaxProblem(offset, offset, f"Missing `{node.type}`", node.type)


def _error(parsed: Parsed, node: Node, detected: list[int]) -> SyntaxProblem:
    """Place an ERROR at the token the parser could not take; the node itself often begins long before it."""
    inside = [byte for byte in detected if node.start_byte <= byte <= node.end_byte]
    byte = inside[0] if inside else node.start_byte
    byte += len(parsed.data[byte:]) - len(parsed.data[byte:].lstrip())
    token = parsed.tree.root_node.descendant_for_byte_range(byte, byte + 1)
    start = parsed.offset(byte)
    if token is None or token.child_count or token.end_byte <= byte:
        words = parsed.text[start : start + 80].split()
        if not words:
            end = len(parsed.text[:start].rstrip())
            return SyntaxProblem(end, end, "The code ends before it is complete")
        token_end = start + len(words[0])
    else:
        token_end = parsed.offset(token.end_byte)
    word = _short(parsed.text[start:token_end])
    return SyntaxProblem(start, token_end, f"Unexpected `{word}`" if word else "The code does not parse here")


def _detected(parsed: Parsed, until: float) -> list[int]:
    """Return the byte offsets where the parser met a token it could not take, as its own log tells them."""
    if len(parsed.data) > _LOGGED:
        return []
    rows = [0, *(match.end() for match in re.finditer(rb"\n", parsed.data))]
    found: dict[int, bool] = {}
    here = 0
    is_sure = True

    def heard(_: object, message: str) -> None:
        nonlocal here, is_sure
        if message.startswith("process version"):
            numbers = [int(number) for number in re.findall(r"\d+", message)]
            here, is_sure = rows[min(numbers[3], len(rows) - 1)] + numbers[4], numbers[1] == 1
        elif message.startswith("detect_error"):
            found[here] = found.get(here, False) or is_sure

    parse_bytes(parsed.data, parsed.language, until=until, logger=heard)
    return sorted(byte for byte, sure in found.items() if sure) or sorted(found)


def _short(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= 40 else line[:37] + "…"


def _words(kind: str) -> str:
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind.replace('_', ' ')}"


def count(parsed: Parsed) -> int:
    """Return how many leaves of the tree are broken: the measure by which a repair must make things better."""
    cursor = parsed.tree.walk()
    around = [False]  # for each open node: is it an ERROR
    broken = 0
    while True:
        node = cursor.node
        is_error = node is not None and node.is_error
        if node is not None and (node.has_error or around[-1]) and cursor.goto_first_child():
            around.append(is_error)
            continue
        if node is not None and (node.is_missing or is_error or (around[-1] and node.child_count == 0)):
            broken += 1
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return broken
            around.pop()
