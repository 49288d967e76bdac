"""Git's ignore rules for folders outside any repository, matched in linear time: the files are not ours to trust."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hermitcrab.core.errors import ToolError
from hermitcrab.tools.globs import Glob, compile_glob


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """One line of a `.gitignore`."""

    glob: Glob
    ignores: bool  # False: the line began with `!`
    folders_only: bool


def read_rules(text: str) -> tuple[IgnoreRule, ...]:
    """Return the rules of one ignore file; lines without meaning are passed over, as git does."""
    return tuple(_rules(text.splitlines()))


def _rules(lines: Iterable[str]) -> Iterable[IgnoreRule]:
    for line in lines:
        pattern = re.sub(r"(?<!\\)\s+$", "", line)
        if not pattern or pattern.startswith("#"):
            continue
        ignores = not pattern.startswith("!")
        pattern = pattern if ignores else pattern[1:]
        folders_only = pattern.endswith("/")
        pattern = re.sub(r"\\([#! ])", r"\1", pattern.rstrip("/"))
        try:
            glob = compile_glob(pattern.replace("{", "[{]"))  # braces mean themselves to git
        except ToolError:
            continue
        yield IgnoreRule(glob, ignores, folders_only)


def is_ignored(rules: Sequence[tuple[str, tuple[IgnoreRule, ...]]], path: str, *, is_folder: bool) -> bool:
    """Say whether `path` is ignored by rule files given as (folder, rules), outermost first; the last rule decides."""
    for folder, lines in reversed(rules):
        inner = path.removeprefix(folder + "/") if folder else path
        for rule in reversed(lines):
            if (is_folder or not rule.folders_only) and rule.glob.matches(inner):
                return rule.ignores
    return False
