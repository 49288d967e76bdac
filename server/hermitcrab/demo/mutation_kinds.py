"""One kind of problem a function: places in a Python file where it can be made, and what it makes of the text."""

from __future__ import annotations

import ast
import builtins
import keyword
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hermitcrab.providers.offline.rules.names import distance, nearest, slips
from hermitcrab.providers.offline.rules.standard import HOMES, NOT_MODULES
from hermitcrab.syntax.languages import language_of
from hermitcrab.syntax.parse import line_starts, parse
from hermitcrab.syntax.scope import names_at
from hermitcrab.syntax.tokens import Line, tokens
from hermitcrab.syntax.tokens import lines as code_lines

_SPARE_MODULES = ("base64", "bisect", "calendar", "colorsys", "fnmatch", "getpass", "heapq", "statistics", "zlib")
_SPARE_NAMES = ("leftover", "scratch_value", "was_wanted", "unused_limit", "old_default", "draft_count")
_STRANGERS = ("quuxification", "zyxwvutsrq", "blorptangle", "wumpusdrift", "frobnitzery", "snarkjaguar")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Spot:
    """A change that makes one problem: text between two offsets is replaced; `name` is what it is about."""

    start: int
    end: int
    text: str
    name: str


@dataclass(frozen=True, slots=True)
class PythonFile:
    """A Python file to be mutated, with what all kinds want to know of it."""

    name: str
    text: str
    tree: ast.Module
    words: frozenset[str]  # every word of the project: a made-up name must be none of them
    homes: Mapping[str, frozenset[str]]  # name to the project's files that define or import it at top level

    @classmethod
    def read(
        cls, name: str, text: str, words: frozenset[str], homes: Mapping[str, frozenset[str]]
    ) -> PythonFile | None:
        """Return the file ready to be mutated; None when it is no Python or does not parse as it is."""
        if language_of(name) != "python":
            return None
        try:
            return cls(name, text, ast.parse(text), words, homes)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def at(self, line: int, column: int) -> int:
        """Return the offset of a place as `ast` tells it: lines from 1, columns in UTF-8 bytes."""
        starts = line_starts(self.text)
        start = starts[line - 1]
        end = starts[line] if line < len(starts) else len(self.text)
        return start + len(self.text[start:end].encode()[:column].decode("utf-8", "ignore"))


Making = Callable[[PythonFile, random.Random], Iterator[Spot]]
"""Yields the places for one kind of problem, in an order the seed decides."""


def misspelt_name(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield slips of the finger in names that stay recognisable."""
    for node in _uses(file, dice):
        start = file.at(node.lineno, node.col_offset)
        scope = [known.name for known in names_at(file.text, start)]
        for slip in _slips(node.id, dice):
            if _is_free(slip, file) and slip not in scope and nearest(slip, scope) == [node.id]:
                yield Spot(start, start + len(node.id), slip, slip)
                break


def unknown_name(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield names replaced by one that nobody could guess: beyond any rule."""
    for node in _uses(file, dice):
        start = file.at(node.lineno, node.col_offset)
        word = dice.choice(_STRANGERS)
        scope = [known.name for known in names_at(file.text, start)]
        if _is_free(word, file) and not nearest(word, scope):
            yield Spot(start, start + len(node.id), word, word)


def wrong_operator(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield operators turned into others: no checker sees it, and no rule can."""
    swaps = {"+": "-", "-": "+", "*": "+", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!="}
    found = [token for token in tokens(parse(file.text, "python")) if token.kind in swaps]
    dice.shuffle(found)
    for token in found:
        yield Spot(token.start, token.end, swaps[token.kind], token.kind)


def missing_import(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield imports taken out whose names can be traced: to the standard library or to one file of the project."""
    used = Counter(node.id for node in ast.walk(file.tree) if isinstance(node, ast.Name))
    found = [node for node in file.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    dice.shuffle(found)
    for node in found:
        for alias in dice.sample(node.names, len(node.names)):
            if alias.asname is None and used[alias.name] and _is_traceable(file, node, alias.name):
                yield _without(file, node, alias)


def unused_import(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield imports of modules that the file has no use for."""
    found = [node for node in file.tree.body if isinstance(node, ast.Import | ast.ImportFrom) and not _is_future(node)]
    if not found or file.name.endswith("__init__.py"):
        return
    at = file.at(found[0].lineno, 0)
    for module in dice.sample(_SPARE_MODULES, len(_SPARE_MODULES)):
        if _is_free(module, file, may_be_module=True):
            yield Spot(at, at, f"import {module}{_newline(file)}", module)


def unused_variable(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield assignments nobody reads."""
    found = [node for node in ast.walk(file.tree) if isinstance(node, ast.FunctionDef) and not _calls_locals(node)]
    dice.shuffle(found)
    for node in found:
        first = node.body[1 if ast.get_docstring(node) is not None and len(node.body) > 1 else 0]
        at = file.at(first.lineno, 0)
        name = dice.choice(_SPARE_NAMES)
        margin = file.text[at : file.at(first.lineno, first.col_offset)]
        if not margin.strip() and first.lineno > node.lineno and _is_free(name, file):
            yield Spot(at, at, f"{margin}{name} = {dice.randrange(2, 90)}{_newline(file)}", name)


def missing_colon(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield block heads on one line without their colon."""
    heads = ("if", "elif", "else", "for", "while", "def", "class", "with", "try", "except", "finally")
    for line in _shuffled_lines(file, dice):
        if line.tokens[0].kind in heads and line.tokens[-1].kind == ":":
            yield Spot(line.end - 1, line.end, "", ":")


def missing_bracket(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield lines without their last closing bracket, where it was opened on the same line."""
    pairs = {")": "(", "]": "[", "}": "{"}
    for line in _shuffled_lines(file, dice):
        code = line.tokens[:-1] if line.tokens[-1].kind == ":" else line.tokens
        if not code or code[-1].kind not in pairs:
            continue
        kinds = [token.kind for token in line.tokens]
        if all(kinds.count(closer) == kinds.count(opener) for closer, opener in pairs.items()):
            yield Spot(code[-1].start, code[-1].end, "", code[-1].kind)


def missing_quote(file: PythonFile, dice: random.Random) -> Iterator[Spot]:
    """Yield strings without their closing quote, where only closing brackets follow on the line."""
    for line in _shuffled_lines(file, dice):
        code = file.text[line.start : line.end]
        match = re.search(r"(?<![\\'\"])(?P<quote>['\"])[)\]}]*$", code)
        quotes = [token for token in line.tokens if token.kind in {"string_start", "string_end"}]
        if match is None or len(quotes) < 2 or code.count(match["quote"]) % 2:
            continue
        last = quotes[-1]
        content = file.text[quotes[-2].end : last.start]
        is_plain = last.end - last.start == 1 and content and content[-1] not in ")]}:,; " and "{" not in content
        if last.start == line.start + match.start() and is_plain and quotes[-2].kind == "string_start":
            yield Spot(last.start, last.end, "", match["quote"])


KINDS: Mapping[str, Making] = MappingProxyType(
    {
        "misspelt_name": misspelt_name,
        "missing_import": missing_import,
        "unused_import": unused_import,
        "unused_variable": unused_variable,
        "missing_colon": missing_colon,
        "missing_bracket": missing_bracket,
        "missing_quote": missing_quote,
    }
)
"""The kinds within the rules."""

BEYOND: Mapping[str, Making] = MappingProxyType({"unknown_name": unknown_name, "wrong_operator": wrong_operator})
"""The kinds beyond them."""

SYNTAX = frozenset({"missing_colon", "missing_bracket", "missing_quote"})
"""Kinds that hide every other problem of their file."""

QUIET = frozenset({"unused_import", "unused_variable"})
"""Kinds that change nothing a test could see."""


def _uses(file: PythonFile, dice: random.Random) -> list[ast.Name]:
    """Return uses of names inside functions, of names long enough and used elsewhere too, annotations left out."""
    annotations = {id(inner) for node in ast.walk(file.tree) for inner in _annotations(node)}
    counted = Counter(node.id for node in ast.walk(file.tree) if isinstance(node, ast.Name) and _is_load(node))
    found = [
        node
        for function in ast.walk(file.tree)
        if isinstance(function, ast.FunctionDef)
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and _is_load(node) and id(node) not in annotations
    ]
    free = [node for node in found if len(node.id) >= 5 and counted[node.id] > 1 and not hasattr(builtins, node.id)]
    unique = list({(node.lineno, node.col_offset): node for node in free}.values())
    dice.shuffle(unique)
    return unique


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    for field in ("annotation", "returns"):
        annotation = getattr(node, field, None)
        if isinstance(annotation, ast.AST):
            yield from ast.walk(annotation)
    if isinstance(node, ast.JoinedStr):  # before Python 3.12 places inside an f-string are not where they seem
        yield from ast.walk(node)


def _is_load(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _slips(word: str, dice: random.Random) -> list[str]:
    """Return a word with two letters swapped, one lost, one doubled or one wrong."""
    at = dice.randrange(1, len(word) - 1)
    found = [
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + dice.choice(_LETTERS) + word[at + 1 :],
    ]
    dice.shuffle(found)
    return [slip for slip in found if slip != word and slip.isidentifier()]


def _is_free(word: str, file: PythonFile, *, may_be_module: bool = False) -> bool:
    is_taken = word in file.words or keyword.iskeyword(word) or hasattr(builtins, word) or word in HOMES
    near = any(distance(word, other, slips(word)) <= slips(word) for other in file.words) if may_be_module else False
    return not is_taken and not near and (may_be_module or word not in sys.stdlib_module_names)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_traceable(file: PythonFile, node: ast.Import | ast.ImportFrom, name: str) -> bool:
    """Say whether a reader who knows the standard library and the project could tell where a name came from."""
    if isinstance(node, ast.Import):
        is_module = name in sys.stdlib_module_names and name not in NOT_MODULES and name != "datetime"
        return is_module and name not in file.homes and _always_dotted(file, name)
    if node.level or _is_future(node):
        return False
    if HOMES.get(name) == node.module:
        return True
    others = file.homes.get(name, frozenset()) - {file.name}
    return len(others) == 1 and _file_of(node.module or "", others) in others and name not in HOMES


def _file_of(module: str, files: frozenset[str]) -> str:
    """Return the file of the project a module is, the empty string when it is none of `files`."""
    path = module.replace(".", "/")
    return next((file for file in files if re.search(rf"(^|/){re.escape(path)}(/__init__)?\.py$", file)), "")


def _always_dotted(file: PythonFile, name: str) -> bool:
    dotted = {id(node.value) for node in ast.walk(file.tree) if isinstance(node, ast.Attribute)}
    return all(id(node) in dotted for node in ast.walk(file.tree) if isinstance(node, ast.Name) and node.id == name)


def _without(file: PythonFile, node: ast.Import | ast.ImportFrom, alias: ast.alias) -> Spot:
    if len(node.names) == 1:
        return Spot(
            file.at(node.lineno, 0), file.at(node.end_lineno or node.lineno, 0) + _rest(file, node), "", alias.name
        )
    index = node.names.index(alias)
    first, last = (alias, node.names[index + 1]) if index + 1 < len(node.names) else (node.names[index - 1], alias)
    if first is alias:
        return Spot(file.at(alias.lineno, alias.col_offset), file.at(last.lineno, last.col_offset), "", alias.name)
    start = file.at(first.end_lineno or 0, first.end_col_offset or 0)
    return Spot(start, file.at(alias.end_lineno or 0, alias.end_col_offset or 0), "", alias.name)


def _rest(file: PythonFile, node: ast.stmt) -> int:
    """Return the length of a statement's last line with its end."""
    start = file.at(node.end_lineno or node.lineno, 0)
    starts = line_starts(file.text)
    following = node.end_lineno or node.lineno
    return (starts[following] if following < len(starts) else len(file.text)) - start


def _calls_locals(node: ast.FunctionDef) -> bool:
    return any(
        isinstance(inner, ast.Name) and inner.id in {"locals", "vars", "eval", "exec"} for inner in ast.walk(node)
    )


def _newline(file: PythonFile) -> str:
    return "\r\n" if "\r\n" in file.text else "\n"


def _shuffled_lines(file: PythonFile, dice: random.Random) -> list[Line]:
    found = list(code_lines(file.text, tokens(parse(file.text, "python"))))
    dice.shuffle(found)
    return found
