"""The names a Python program may use at one place, also while other places are broken."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermitcrab.syntax.parse import Parsed, leaves, parse

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTIONS = frozenset({"function_definition", "lambda"})
_COMPREHENSIONS = frozenset({"list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression"})  # fmt: skip
_SCOPES = _FUNCTIONS | _COMPREHENSIONS | {"class_definition", "module"}
_TARGETS = {
    "assignment": "left", "augmented_assignment": "left", "for_statement": "left", "for_in_clause": "left",
    "named_expression": "name", "type_alias_statement": "left",
}  # fmt: skip
_PATTERNS = frozenset({"pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern", "tuple", "list", "parenthesized_expression"})  # fmt: skip
_PARAMETERS = frozenset({"parameters", "lambda_parameters"})


@dataclass(frozen=True, slots=True)
class ScopeName:
    """A name that means something at the place asked about; `level` counts scopes outwards, builtins come last."""

    name: str
    level: int
    start: int  # offset of its nearest binding, -1 for a builtin


def names_at(text: str, offset: int) -> tuple[ScopeName, ...]:
    """Return the names in scope at an offset of a Python text, the inner ones first."""
    parsed = parse(text, "python")
    byte = len(text[:offset].encode("utf-8", "replace"))
    found: dict[str, ScopeName] = {}
    level = 0
    for level, scope in enumerate(_around(parsed.tree.root_node, byte)):
        for name in _bindings(scope):
            word = parsed.of(name)
            found.setdefault(word, ScopeName(word, level, parsed.offset(name.start_byte)))
    for word in dir(builtins):
        found.setdefault(word, ScopeName(word, level + 1, -1))
    return tuple(found.values())


def _around(root: Node, byte: int) -> Iterator[Node]:
    """Yield the scopes around a place, the inner ones first; a class is one only for what stands directly in it."""
    path = _path(root, byte)
    is_direct = True
    for index in range(len(path) - 1, -1, -1):
        node = path[index]
        below = path[index + 1] if index + 1 < len(path) else None
        if index > 0 and not _holds(node, below):
            continue
        if is_direct or node.type != "class_definition":
            yield node
        is_direct = is_direct and node.type in _COMPREHENSIONS


def _path(root: Node, byte: int) -> list[Node]:
    """Return the nodes around a place from the root inwards."""
    cursor = root.walk()
    path = [root]
    while cursor.goto_first_child_for_byte(byte) is not None:
        node = cursor.node
        if node is None or node.start_byte > byte:
            break
        path.append(node)
    return path


def _holds(node: Node, below: Node | None) -> bool:
    """Say whether a node is the scope of the child we came from: not of decorators, defaults and base classes."""
    if node.type in _COMPREHENSIONS:
        return True
    if node.type not in _SCOPES:
        return False
    return below is not None and below == node.child_by_field_name("body")


def _bindings(scope: Node) -> Iterator[Node]:
    """Yield the identifiers bound in a scope itself, not in the scopes within."""
    stack = list(reversed(scope.children))
    while stack:
        node = stack.pop()
        yield from _bound_by(node)
        if node.type in _SCOPES:
            continue
        stack.extend(reversed(node.children))


def _bound_by(node: Node) -> Iterator[Node]:
    kind = node.type
    if kind in {"function_definition", "class_definition"}:
        yield from _field(node, "name")
    elif kind in _TARGETS:
        target = node.child_by_field_name(_TARGETS[kind])
        yield from _names(target) if target is not None else ()
    elif kind in _PARAMETERS:
        yield from _parameters(node)
    elif kind in {"import_statement", "import_from_statement"}:
        yield from _imported(node)
    elif kind == "as_pattern_target":
        yield from _names(node.children[0]) if node.children else ()
    elif kind == "as_pattern" and node.children and node.children[-1].type == "identifier":
        yield node.children[-1]
    elif kind in {"case_pattern", "splat_pattern", "keyword_pattern"}:
        yield from _captured(node)
    elif kind == "global_statement":
        yield from (child for child in node.children if child.type == "identifier")


def _field(node: Node, field: str) -> Iterator[Node]:
    child = node.child_by_field_name(field)
    if child is not None:
        yield child


def _names(target: Node) -> Iterator[Node]:
    """Yield the names in an assignment's target; attributes and items bind nothing."""
    stack = [target]
    while stack:
        node = stack.pop()
        if node.type == "identifier":
            yield node
        elif node.type in _PATTERNS or node.type in {"as_pattern_target", "type"}:
            stack.extend(reversed(node.children))


def _parameters(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.type == "identifier":
            yield child
        elif child.type in {"default_parameter", "typed_default_parameter"}:
            yield from _field(child, "name")
        elif child.type in {"typed_parameter", "list_splat_pattern", "dictionary_splat_pattern"}:
            yield from _first_identifier(child)


def _first_identifier(node: Node) -> Iterator[Node]:
    while node.children:
        inner = next((child for child in node.children if child.is_named), None)
        if inner is None:
            return
        node = inner
    if node.type == "identifier":
        yield node


def _imported(node: Node) -> Iterator[Node]:
    for child in node.children_by_field_name("name"):
        if child.type == "aliased_import":
            yield from _field(child, "alias")
        elif node.type == "import_statement" and child.children:
            yield child.children[0]
        elif child.children:
            yield child.children[-1]


def _captured(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.type == "dotted_name" and child.child_count == 1 and child.children[0].type == "identifier":
            yield child.children[0]
        elif child.type == "identifier" and node.type == "splat_pattern":
            yield child


def identifiers(parsed: Parsed) -> Iterator[tuple[str, int]]:
    """Yield every identifier of a parsed text with its offset."""
    for node in leaves(parsed):
        if node.type == "identifier":
            yield parsed.of(node), parsed.offset(node.start_byte)
