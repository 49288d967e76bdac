"""Where an import belongs in a file, and how one name is added to it."""

from __future__ import annotations

import ast
import sys

from hermitcrab.providers.offline.edits import Change
from hermitcrab.syntax.parse import line_starts


def with_import(text: str, statement: str) -> Change | None:
    """Return the change that adds an import statement to a text; None when the text does not parse."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    wanted = ast.parse(statement).body[0]
    head = _head(tree)
    for node in head:
        if (change := _joined(text, node, wanted)) is not None:
            return change
    return _on_own_line(text, tree, head, statement, wanted)


def _head(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports at the top of a module, in order, those from the future left out."""
    found: list[ast.Import | ast.ImportFrom] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__" and not node.level:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        elif not _is_docstring(node) and found:
            break
    return found


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _joined(text: str, node: ast.stmt, wanted: ast.stmt) -> Change | None:
    """Return the change that adds the wanted name to a `from … import …` of the same module on one line."""
    if not isinstance(node, ast.ImportFrom) or not isinstance(wanted, ast.ImportFrom):
        return None
    is_same = (node.module, node.level) == (wanted.module, wanted.level)
    if not is_same or node.lineno != node.end_lineno or any(alias.name == "*" for alias in node.names):
        return None
    new = wanted.names[0]
    word = new.name + (f" as {new.asname}" if new.asname else "")
    for alias in node.names:
        if alias.name > new.name:
            at = _offset(text, alias.lineno, alias.col_offset)
            return Change(at, at, f"{word}, ")
    at = _offset(text, node.lineno, node.names[-1].end_col_offset or 0)
    return Change(at, at, f", {word}")


def _on_own_line(
    text: str, tree: ast.Module, head: list[ast.Import | ast.ImportFrom], statement: str, wanted: ast.stmt
) -> Change:
    newline = "\r\n" if "\r\n" in text else "\n"
    before = [node for node in head if _rank(node) <= _rank(wanted)]
    starts = line_starts(text)
    if before:
        group = [node for node in before if _rank(node)[:1] == _rank(wanted)[:1]]
        return _behind(text, starts, before[-1], ("" if group else newline) + statement + newline)
    if head:
        gap = "" if _rank(head[0])[:1] == _rank(wanted)[:1] else newline
        return Change(starts[head[0].lineno - 1], starts[head[0].lineno - 1], statement + newline + gap)
    last = _preamble_end(tree)
    if last is not None:
        return _behind(text, starts, last, newline + statement + newline)
    at = _first_code(text, starts)
    return Change(at, at, statement + newline + (newline if at < len(text) else ""))


def _rank(node: ast.stmt) -> tuple[int, int, str]:
    """Return how people order imports: the standard library, others, one's own; whole modules first."""
    if isinstance(node, ast.ImportFrom):
        module, is_from = node.module or "", 1
        if node.level:
            return 2, 9 - min(node.level, 8), module
    elif isinstance(node, ast.Import):
        module, is_from = node.names[0].name, 0
    else:
        return 3, 0, ""
    return (0 if module.partition(".")[0] in sys.stdlib_module_names else 1), is_from, module


def _preamble_end(tree: ast.Module) -> ast.stmt | None:
    """Return the last statement that must stay before any import: the docstring or an import from the future."""
    last: ast.stmt | None = None
    for index, node in enumerate(tree.body):
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if is_future or (index == 0 and _is_docstring(node)):
            last = node
    return last


def _first_code(text: str, starts: list[int]) -> int:
    """Return the start of the first line behind a `#!` line and a coding comment."""
    for number, start in enumerate(starts[:2]):
        if not text.startswith(("#!", "# -*-", "# coding", "#coding"), start):
            return start
        if number + 1 == len(starts):
            return len(text)
    return starts[min(2, len(starts) - 1)]


def _behind(text: str, starts: list[int], node: ast.stmt, new: str) -> Change:
    line = node.end_lineno or node.lineno
    if line < len(starts):
        return Change(starts[line], starts[line], new)
    return Change(len(text), len(text), ("\r\n" if "\r\n" in text else "\n") + new)


def _offset(text: str, line: int, column: int) -> int:
    """Return the offset of a place as `ast` tells it: lines from 1, columns in UTF-8 bytes."""
    start = line_starts(text)[line - 1]
    end = text.find("\n", start)
    row = text[start : end if end >= 0 else len(text)]
    return start + len(row.encode("utf-8", "replace")[:column].decode("utf-8", "ignore"))
