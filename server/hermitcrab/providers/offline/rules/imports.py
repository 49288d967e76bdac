"""A missing import: from the standard library, or from where the workspace itself has the name."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Generator
from pathlib import PurePosixPath

from hermitcrab.providers.offline.conversation import Heard
from hermitcrab.providers.offline.flow import Ask
from hermitcrab.providers.offline.reading import Hit, files, hits
from hermitcrab.providers.offline.rules.placing import with_import
from hermitcrab.providers.offline.rules.standard import DATETIME_CLASS_METHODS, HOMES, NOT_MODULES
from hermitcrab.providers.offline.verdicts import Case, Judging, Proposal, Refusal, Verdict


def missing(case: Case, name: str) -> Judging:
    """Return the import that would define `name`; None when nothing by this very name is known."""
    statement = standard(case, name)
    if statement is None:
        found = yield from _in_workspace(case, name)
        if isinstance(found, Refusal):
            return found
        statement = found
    if statement is None:
        return None
    return _proposal(case, statement)


def _proposal(case: Case, statement: str) -> Verdict:
    change = with_import(case.text, statement)
    if change is None:
        return Refusal("the file does not parse, so there is no telling where an import belongs")
    return Proposal((change,), f"added `{statement}`")


def standard(case: Case, name: str) -> str | None:
    """Return the import of a name of the standard library, judging by how it is used."""
    after = case.text[case.start + len(name) :]
    attribute = re.match(r"\s*\.\s*(\w+)", after)
    if name == "datetime":
        is_class = after.lstrip().startswith("(") or (attribute and attribute[1] in DATETIME_CLASS_METHODS)
        return "from datetime import datetime" if is_class else "import datetime" if attribute else None
    if attribute and name in sys.stdlib_module_names and name not in NOT_MODULES and not name.startswith("_"):
        return f"import {name}"
    if name in HOMES:
        return f"from {HOMES[name]} import {name}"
    return None


def _in_workspace(case: Case, name: str) -> Generator[Ask, Heard, str | Refusal | None]:
    """Look for files that define the name or import it."""
    pattern = (
        rf"^(\s*(from\s+\S+\s+)?import\s.*\b{name}\b|(async\s+)?def\s+{name}\b|class\s+{name}\b|{name}\s*(:[^=]+)?=)"
    )
    arguments = {"pattern": pattern, "glob": "*.py", "output_mode": "content", "head_limit": 200}
    heard = yield Ask("Grep", arguments, f"Looking for `{name}` in the workspace.")
    if heard.is_error:
        return None
    here = yield from _own_name(PurePosixPath(case.file))
    found = [hit for hit in hits(heard.text) if PurePosixPath(hit.file) != here]
    imported = {line for hit in found for line in _imports_of(hit, name, here)}
    if len(imported) == 1:
        return imported.pop()
    defined = sorted({hit.file for hit in found if re.match(rf"(async\s+)?(def|class)\s|{name}\b", hit.text)})
    if len(imported) > 1 and len(defined) != 1:
        return Refusal(f"`{name}` is imported in different ways: {', '.join(f'`{one}`' for one in sorted(imported))}")
    if len(defined) > 1:
        return Refusal(f"`{name}` is defined in {' and '.join(f'`{one}`' for one in defined[:4])}; only you can tell")
    if defined:
        return (yield from _from_file(case, here, PurePosixPath(defined[0]), name))
    return (yield from _module(case, here, name))


def _own_name(here: PurePosixPath) -> Generator[Ask, Heard, PurePosixPath]:
    """Return our file's name as searches tell it: below the root, where the request gave a whole path."""
    if not here.is_absolute():
        return here
    heard = yield Ask("Glob", {"pattern": f"**/{here.name}"})
    names = [] if heard.is_error else [PurePosixPath(file) for file in files(heard.text)]
    return next((name for name in names if here.parts[-len(name.parts) :] == name.parts), here)


def _imports_of(hit: Hit, name: str, here: PurePosixPath) -> set[str]:
    """Return the imports in a line that bind `name` and mean the same in our file."""
    try:
        body = ast.parse(hit.text.strip()).body
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.ImportFrom) and node.level and PurePosixPath(hit.file).parent != here.parent:
            continue
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                found.add(ast.unparse(ast.ImportFrom(node.module, [alias], node.level) if isinstance(node, ast.ImportFrom) else ast.Import([alias])))  # fmt: skip
    return found


def _from_file(
    case: Case, here: PurePosixPath, there: PurePosixPath, name: str
) -> Generator[Ask, Heard, str | Refusal | None]:
    """Return the import of a name defined in another file, written as this file writes its imports."""
    packages = yield from _packages()
    if there.parent == here.parent and (here.parent not in packages or _is_relative(case.text)):
        dot = "." if here.parent in packages else ""
        module = there.stem if there.stem != "__init__" else ""
        return f"from {dot}{module} import {name}"
    module = _absolute(there, packages)
    if module is None:
        return Refusal(f"`{name}` is defined in `{there}`, which is in no package this file could import from")
    return f"from {module} import {name}"


def _module(case: Case, here: PurePosixPath, name: str) -> Generator[Ask, Heard, str | None]:
    """Return the import of a workspace module of this name, when the name is used as one."""
    if not re.match(r"\s*\.\s*\w", case.text[case.start + len(name) :]):
        return None
    heard = yield Ask("Glob", {"pattern": f"**/{name}.py"}, f"Looking for a module `{name}`.")
    found = [] if heard.is_error else [PurePosixPath(file) for file in files(heard.text)]
    if len(found) != 1:
        return None
    packages = yield from _packages()
    if found[0].parent == here.parent and here.parent not in packages:
        return f"import {name}"
    if found[0].parent == here.parent and _is_relative(case.text):
        return f"from . import {name}"
    module = _absolute(found[0], packages)
    if module is None:
        return None
    package = module.rpartition(".")[0]
    return f"from {package} import {name}" if package else f"import {name}"


def _packages() -> Generator[Ask, Heard, frozenset[PurePosixPath]]:
    heard = yield Ask("Glob", {"pattern": "**/__init__.py"})
    return frozenset(PurePosixPath(file).parent for file in files(heard.text)) if not heard.is_error else frozenset()


def _absolute(file: PurePosixPath, packages: frozenset[PurePosixPath]) -> str | None:
    """Return the dotted name of a file from its outermost package."""
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while folder in packages and folder.name:
        parts.insert(0, folder.name)
        folder = folder.parent
    is_importable = len(parts) > 1 or file.stem == "__init__" or folder.name in {"", ".", "src", "lib"}
    return ".".join(parts) if is_importable and parts and all(part.isidentifier() for part in parts) else None


def _is_relative(text: str) -> bool:
    return re.search(r"(?m)^\s*from\s+\.", text) is not None
