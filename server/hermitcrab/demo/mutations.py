"""Makes problems in Python projects by a seed: those the rules can fix, and one that they cannot.

The same files and the same seed make the same problems. Each one is shown to our checkers before it counts, and where
the project's tests are run, each that changes what the code does makes a named test fail.
"""

from __future__ import annotations

import ast
import os
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from hermitcrab.demo.mutation_kinds import BEYOND, KINDS, QUIET, SYNTAX, Making, PythonFile, Spot

if TYPE_CHECKING:
    from hermitcrab.core.ports import Diagnostic
    from hermitcrab.diagnostics.collect import Collector

Check = Callable[[str, str], Awaitable[Sequence["Diagnostic"]]]
"""Returns what the checkers say of a file: its name, its text."""

Fails = Callable[[Mapping[str, str]], Awaitable[frozenset[str]]]
"""Returns the names of the tests that fail when these files stand in the project."""

_PASSED_OVER = frozenset({"__pycache__", "node_modules", "venv", "env", "site-packages", "build", "dist", "vendor"})
_MOST_FILES = 2000
_LARGEST = 100_000  # bytes of one file
_TRIES = 12  # places of one kind tried in one file


@dataclass(frozen=True, slots=True)
class Mutation:
    """One problem made: `start` and `end` are offsets into the untouched text of `file`."""

    kind: str
    file: str
    start: int
    end: int
    text: str
    name: str
    line: int  # of the untouched text, from 1
    is_within_rules: bool
    is_reported: bool  # a checker sees it
    failing: tuple[str, ...] = ()  # tests that fail because of it alone; empty where tests were not run

    def apply(self, text: str) -> str:
        """Return the untouched text with this problem in it."""
        return text[: self.start] + self.text + text[self.end :]


@dataclass(frozen=True, slots=True)
class Mutated:
    """What became of a project: its changed files whole, and what is wrong in them."""

    files: Mapping[str, str]
    mutations: tuple[Mutation, ...]


def sample_files() -> dict[str, str]:
    """Return the sample project: names with `/` below its root, and texts."""
    root = resources.files("hermitcrab.demo").joinpath("sample")
    return dict(sorted(_texts(root, "")))


def project_files(root: Path) -> dict[str, str]:
    """Return the Python files of a project, by names with `/` below its root: those in UTF-8, of a size to work on."""
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER and not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if len(found) < _MOST_FILES and name.endswith(".py") and path.is_file() and not path.is_symlink():
                with suppress(OSError, UnicodeDecodeError):
                    if path.stat().st_size <= _LARGEST:
                        found[path.relative_to(root).as_posix()] = path.read_bytes().decode("utf-8")
    return found


def _texts(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__" and not entry.name.startswith("."):
                yield from _texts(entry, f"{prefix}{entry.name}/")
        elif not entry.name.endswith(".pyc"):
            yield f"{prefix}{entry.name}", entry.read_text("utf-8")


def checked_by(collector: Collector, root: Path) -> Check:
    """Return a check by our own collector, as for a folder nobody trusts: no project configuration has a say."""
    from hermitcrab.core.edits import TextId, text_hash
    from hermitcrab.workspace.view import Source

    async def check(name: str, text: str) -> Sequence[Diagnostic]:
        source = Source(root / name, text, TextId(text_hash(text)), is_open=False, is_saved=True)
        return (await collector.collect(source, editor=None, is_trusted=False)).items

    return check


async def mutate(
    files: Mapping[str, str],
    *,
    seed: int,
    check: Check,
    count: int = len(KINDS),
    beyond: str | None = "unknown_name",
    fails: Fails | None = None,
) -> Mutated:
    """Return a project with up to `count` problems within the rules and one beyond them.

    Fewer come back where the files offer no more places; tests and what does not parse are left alone.
    """
    dice = random.Random(seed)  # noqa: S311 - a seed makes it repeatable, which is the point
    maker = _Maker(_readable(files), files, check, fails)
    if beyond is not None:
        await maker.add(beyond, BEYOND[beyond], dice)
    kinds = list(KINDS)
    wanted = [kinds[number % len(kinds)] for number in range(count)]
    for kind in sorted(wanted, key=lambda kind: kind not in SYNTAX):
        await maker.add(kind, KINDS[kind], dice)
    return maker.result()


def _readable(files: Mapping[str, str]) -> list[PythonFile]:
    words = frozenset(word for text in files.values() for word in re.findall(r"\w+", text))
    homes: dict[str, set[str]] = {}
    for name, text in files.items():
        for word in _defined(name, text):
            homes.setdefault(word, set()).add(name)
    frozen = {word: frozenset(names) for word, names in homes.items()}
    found = (PythonFile.read(name, text, words, frozen) for name, text in sorted(files.items()) if not _is_test(name))
    return [file for file in found if file is not None and file.tree.body]


def _is_test(name: str) -> bool:
    parts = name.split("/")
    return any(part in {"test", "tests", "testing"} for part in parts[:-1]) or bool(
        re.match(r"(test_.*|.*_test|conftest|setup|noxfile)\.py$", parts[-1])
    )


def _defined(name: str, text: str) -> set[str]:
    """Return the names a file defines at its top level, as a search for definitions would find them."""
    if not name.endswith((".py", ".pyi")):
        return set()
    return set(re.findall(r"(?m)^(?:(?:async\s+)?def\s+|class\s+)?(\w+)(?=\s*[(:=\[])", text))


class _Maker:
    """Collects mutations; each must be seen by the checkers, alone and beside the others in its file."""

    def __init__(self, found: list[PythonFile], files: Mapping[str, str], check: Check, fails: Fails | None) -> None:
        self._found = found
        self._files = files
        self._check = check
        self._fails = fails
        self._made: list[Mutation] = []

    def result(self) -> Mutated:
        """Return what was made, in the order of files and lines."""
        ordered = sorted(self._made, key=lambda made: (made.file, made.start))
        return Mutated({made.file: self._with(made.file, ordered) for made in ordered}, tuple(ordered))

    async def add(self, kind: str, making: Making, dice: random.Random) -> bool:
        """Make one problem of a kind in one of the files, the least touched first; False when there is no place."""
        order = dice.sample(self._found, len(self._found))
        for file in sorted(order, key=lambda file: self._count(file.name)):
            if not self._has_room(file.name, kind):
                continue
            for spot in islice(making(file, dice), _TRIES):
                made = await self._proved(kind, file, spot)
                if made is not None:
                    self._made.append(made)
                    return True
        return False

    def _count(self, name: str) -> int:
        return sum(1 for made in self._made if made.file == name)

    def _has_room(self, name: str, kind: str) -> bool:
        """Say whether a file can take one more: a syntax error stands alone, for it hides the others."""
        there = [made.kind for made in self._made if made.file == name]
        return not there or (kind not in SYNTAX and not SYNTAX & set(there))

    async def _proved(self, kind: str, file: PythonFile, spot: Spot) -> Mutation | None:
        line = file.text.count("\n", 0, spot.start) + 1
        made = Mutation(
            kind, file.name, spot.start, spot.end, spot.text, spot.name, line,
            is_within_rules=kind in KINDS, is_reported=kind != "wrong_operator",
        )  # fmt: skip
        beside = [other for other in self._made if other.file == file.name]
        if any(abs(other.line - line) < 2 for other in beside):
            return None
        if not await self._is_seen(made, beside):
            return None
        return await self._tested(made)

    async def _is_seen(self, made: Mutation, beside: list[Mutation]) -> bool:
        """Say whether the checkers report this problem and nothing else that was not there before."""
        text = self._with(made.file, [*beside, made])
        if (_parses(text)) == (made.kind in SYNTAX):
            return False
        before = _told(await self._check(made.file, self._with(made.file, beside)))
        new = _told(await self._check(made.file, text)) - before
        if not made.is_reported:
            return not new
        return bool(new) and (made.kind in SYNTAX or all(made.name in message for _, message in new))

    async def _tested(self, made: Mutation) -> Mutation | None:
        """Run the tests, if that is wanted, with this problem alone in the project."""
        if self._fails is None or made.kind in QUIET:
            return made
        failing = await self._fails({made.file: made.apply(self._files[made.file])})
        hidden = {name for other in self._made if not other.is_within_rules for name in other.failing}
        if not failing - hidden:
            return None
        return replace(made, failing=tuple(sorted(failing)))

    def _with(self, name: str, mutations: Sequence[Mutation]) -> str:
        text = self._files[name]
        for made in sorted(mutations, key=lambda made: made.start, reverse=True):
            if made.file == name:
                text = made.apply(text)
        return text


def _told(problems: Sequence[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((problem.code, problem.message) for problem in problems)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True
