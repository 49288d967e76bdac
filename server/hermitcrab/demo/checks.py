"""The demo's proofs: a project's tests, run on any state of its files."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermitcrab.procs.run import run

_SECONDS: Final = 120.0
_FAILED: Final = re.compile(r"^(?:FAIL|ERROR): (\S+) \(([^)]*)\)", re.MULTILINE)
_RAN: Final = re.compile(r"^Ran (\d+) test", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TestRun:
    """What the tests said."""

    ran: int
    failing: frozenset[str]


async def run_tests(folder: Path) -> TestRun:
    """Run a project's unittest tests, without leaving anything behind in it."""
    argv = [sys.executable, "-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."]
    finished = await run(argv, cwd=folder, env=_environment(), timeout=_SECONDS)
    found = _RAN.search(finished.output)
    failing = frozenset(_name(test, where) for test, where in _FAILED.findall(finished.output))
    return TestRun(int(found[1]) if found else 0, failing)


async def run_command(command: str, folder: Path) -> bool:
    """Run the user's own test command; tell whether it said yes."""
    from hermitcrab.procs.shell import find_shell

    finished = await run(find_shell().argv(command), cwd=folder, env=_environment(), timeout=_SECONDS * 5)
    return finished.exit_code == 0


def _name(test: str, where: str) -> str:
    """Return one name for a test; a module that cannot be imported counts as one."""
    if "_FailedTest" in where:
        return f"{test.removeprefix('tests.')} (cannot be imported)"
    return where.removeprefix("tests.") if where.endswith(f".{test}") else f"{where.removeprefix('tests.')}.{test}"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


class Copies:
    """Throws together a project's files in a folder of their own, as often as wanted, and removes them all."""

    def __init__(self) -> None:
        self._folders: list[Path] = []

    def make(self, files: Mapping[str, str], changed: Mapping[str, str] = {}) -> Path:
        """Write files, changed ones instead of their originals; return the folder."""
        folder = Path(tempfile.mkdtemp(prefix="hermitcrab-demo-")).resolve()
        self._folders.append(folder)
        for name, text in {**files, **changed}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return folder

    def remove(self) -> None:
        """Remove all."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


def project_files(root: Path) -> dict[str, str]:
    """Return a project's text files, without what is hidden, built, or very large."""
    found: dict[str, str] = {}
    skipped = {"node_modules", "__pycache__", "venv", "build", "dist"}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in skipped)
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or path.is_symlink() or path.stat().st_size > 1_000_000:
                continue
            try:
                found[path.relative_to(root).as_posix()] = path.read_bytes().decode()
            except (OSError, UnicodeDecodeError):
                continue
    return found
