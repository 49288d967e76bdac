"""Unused imports and variables: removed where nothing else can change."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from hermitcrab.providers.offline.edits import Change
from hermitcrab.providers.offline.kinds import recognise
from hermitcrab.providers.offline.rules.names import distance, slips
from hermitcrab.providers.offline.rules.suggested import changes_of
from hermitcrab.providers.offline.verdicts import Case, Proposal, Refusal, Verdict, offset

_Import = ast.Import | ast.ImportFrom
_Assignment = ast.Assign | ast.AnnAssign


def unused_import(case: Case, name: str) -> Verdict:
    """Return the removal of an import nobody uses."""
    if (doubt := _meant(case, name.partition(".")[0])) is not None:
        return doubt
    if case.file.rpartition("/")[2] == "__init__.py":
        return Refusal(f"`{name}` may be offered to others: an import in `__init__.py` is often a re-export")
    fix = case.problem.fix
    if fix is not None and fix.is_safe:
        return Proposal(changes_of(case.text, fix), fix.title)
    for node, parent in _statements(case.text):
        if isinstance(node, _Import) and _covers(node, case.problem.line):
            for alias in node.names:
                if name in {alias.asname, alias.name, alias.name.partition(".")[0]}:
                    return Proposal(
                        (_without(case.text, node, alias, parent),), f"removed the unused import of `{name}`"
                    )
    return Refusal(f"the import of `{name}` was not found at line {case.problem.line + 1}")


def unused_variable(case: Case, name: str) -> Verdict:
    """Return the removal of an assignment nobody reads, where its right side does nothing but make a value."""
    if (doubt := _meant(case, name)) is not None:
        return doubt
    fix = case.problem.fix
    if fix is not None and fix.is_safe:
        return Proposal(changes_of(case.text, fix), fix.title)
    for node, parent in _statements(case.text):
        if isinstance(node, _Assignment) and _covers(node, case.problem.line) and _names(node) == [name]:
            if node.value is not None and (effect := next(_effects(node.value), None)) is not None:
                return Refusal(
                    f"the right side of `{name} = …` holds {effect}, which may do more than make a value; "
                    "removing it could change what the program does"
                )
            return Proposal((_removed(case.text, node, parent),), f"removed the unused `{name}`")
    return Refusal(f"`{name}` is bound in a way the rules do not remove")


def _meant(case: Case, name: str) -> Refusal | None:
    """Refuse where a name elsewhere looks like a misspelling of this one: it is used, only not well."""
    for other in case.others:
        seen = recognise(other)
        limit = slips(seen.name)
        if seen.kind == "undefined" and seen.name != name and distance(seen.name, name, limit) <= limit:
            return Refusal(
                f"`{seen.name}` on line {other.line + 1} looks like a misspelling of `{name}`; fix that first"
            )
    return None


def _statements(text: str) -> Iterator[tuple[ast.stmt, list[ast.stmt]]]:
    """Yield every statement with the block it stands in."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block: Any = getattr(node, field, [])
            if not isinstance(block, ast.expr):  # as a lambda's body is
                statements: list[ast.stmt] = block
                yield from ((statement, statements) for statement in statements)


def _covers(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line + 1 <= (node.end_lineno or node.lineno)


def _names(node: _Assignment) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id if isinstance(target, ast.Name) else "" for target in targets]


def _effects(node: ast.expr) -> Iterator[str]:
    """Yield what in an expression may do more than make a value."""
    kinds: tuple[tuple[type[ast.AST], str], ...] = (
        (ast.Call, "a call"), (ast.Await, "an `await`"), (ast.Yield, "a `yield`"), (ast.YieldFrom, "a `yield`"),
        (ast.NamedExpr, "another assignment"), (ast.Attribute, "an attribute, which may be computed"),
        (ast.Subscript, "an index, which may fail"), (ast.comprehension, "a loop"), (ast.Starred, "an unpacking"),
        (ast.BinOp, "an operator on names"), (ast.FormattedValue, "a formatted value"),
    )  # fmt: skip
    for inner in ast.walk(node):
        if isinstance(inner, ast.Lambda) and inner is node:
            return
        if isinstance(inner, ast.BinOp) and _is_constant(inner):
            continue
        for kind, words in kinds:
            if isinstance(inner, kind):
                yield words


def _is_constant(node: ast.expr) -> bool:
    """Say whether an operation is on numbers and strings alone and cannot fail."""
    if isinstance(node, ast.BinOp):
        safe = isinstance(node.op, ast.Add | ast.Sub | ast.Mult)
        return safe and _is_constant(node.left) and _is_constant(node.right)
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _removed(text: str, node: ast.stmt, block: list[ast.stmt]) -> Change:
    """Return the change that takes a statement out, with its line when it has that to itself."""
    start = _at(text, node.lineno, node.col_offset)
    end = _at(text, node.end_lineno or node.lineno, node.end_col_offset or 0)
    if len(block) == 1:
        return Change(start, end, "pass")
    line = offset(text, node.lineno - 1, 0)
    after = offset(text, (node.end_lineno or node.lineno), 0)
    rest = text[end:after].strip()
    if not text[line:start].strip() and (not rest or rest.startswith("#")):
        return Change(line, after, "")
    behind = len(text[end:after]) - len(text[end:after].lstrip(" \t;"))
    if ";" in text[end : end + behind]:
        return Change(start, end + behind, "")
    return Change(len(text[:start].rstrip(" \t;")), end, "")


def _without(text: str, node: _Import, alias: ast.alias, block: list[ast.stmt]) -> Change:
    """Return the change that takes one name out of an import, or the import with its last name."""
    if len(node.names) == 1:
        return _removed(text, node, block)
    index = node.names.index(alias)
    if index + 1 < len(node.names):
        following = node.names[index + 1]
        return Change(_at(text, alias.lineno, alias.col_offset), _at(text, following.lineno, following.col_offset), "")
    before = node.names[index - 1]
    start = _at(text, before.end_lineno or before.lineno, before.end_col_offset or 0)
    return Change(start, _at(text, alias.end_lineno or alias.lineno, alias.end_col_offset or 0), "")


def _at(text: str, line: int, column: int) -> int:
    """Return the offset of a place as `ast` tells it: lines from 1, columns in UTF-8 bytes."""
    start, end = offset(text, line - 1, 0), offset(text, line, 0)
    return start + len(text[start:end].encode("utf-8", "replace")[:column].decode("utf-8", "ignore"))
