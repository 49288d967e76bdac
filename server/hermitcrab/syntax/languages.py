"""Which language a file is written in, and the grammar for it."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language

GRAMMARS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "python": ("tree_sitter_python", "language"),
        "javascript": ("tree_sitter_javascript", "language"),
        "typescript": ("tree_sitter_typescript", "language_typescript"),
        "tsx": ("tree_sitter_typescript", "language_tsx"),
        "go": ("tree_sitter_go", "language"),
        "rust": ("tree_sitter_rust", "language"),
        "java": ("tree_sitter_java", "language"),
        "c": ("tree_sitter_c", "language"),
        "cpp": ("tree_sitter_cpp", "language"),
        "csharp": ("tree_sitter_c_sharp", "language"),
        "ruby": ("tree_sitter_ruby", "language"),
        "php": ("tree_sitter_php", "language_php"),
        "bash": ("tree_sitter_bash", "language"),
    }
)
"""Language to the wheel that holds its grammar, and the function in it."""

SUFFIXES: Mapping[str, str] = MappingProxyType({
    ".py": "python", ".pyi": "python", ".pyw": "python",
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx",
    ".go": "go", ".rs": "rust", ".java": "java",
    ".c": "c", ".h": "c",
    ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hh": "cpp", ".hpp": "cpp", ".hxx": "cpp", ".ipp": "cpp",
    ".cs": "csharp", ".rb": "ruby", ".rake": "ruby", ".gemspec": "ruby", ".php": "php",
    ".sh": "bash", ".bash": "bash", ".ebuild": "bash",
})  # fmt: skip
NAMES: Mapping[str, str] = MappingProxyType({
    "Rakefile": "ruby", "Gemfile": "ruby", "Vagrantfile": "ruby", "SConstruct": "python",
    ".bashrc": "bash", ".bash_profile": "bash", ".profile": "bash", "PKGBUILD": "bash",
})  # fmt: skip


def language_of(path: PurePath | str) -> str | None:
    """Return the language of a file by its name; None when we have no grammar for it."""
    name = PurePath(path).name
    return NAMES.get(name) or SUFFIXES.get(PurePath(name).suffix.lower())


@functools.cache
def grammar(language: str) -> Language:
    """Return the grammar of a language in `GRAMMARS`, loaded at its first use."""
    from tree_sitter import Language

    module, function = GRAMMARS[language]
    pointer: object = getattr(importlib.import_module(module), function)()
    return Language(pointer)
