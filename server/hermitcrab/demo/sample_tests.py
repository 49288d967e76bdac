"""Runs a project's unittest suite in a copy and says which tests failed."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_RESULT = re.compile(
    r"^(?P<name>[\w.]+) \((?P<where>[\w.]+)\)(?:\n.*)?? \.\.\. (?P<result>ok|FAIL|ERROR|skipped)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class TestRun:
    """What a run of the tests came to; a module that cannot be imported counts as one failed test."""

    passed: frozenset[str]
    failed: frozenset[str]
    output: str

    __test__ = False


async def run_tests(root: Path, *, timeout: float = 60.0) -> TestRun:  # noqa: ASYNC109 - a process is ended by procs
    """Run `python -m unittest` in `root` and return which tests passed and failed."""
    from hermitcrab.procs.run import run

    finished = await run(
        [sys.executable, "-B", "-m", "unittest", "discover", "-v", "-t", ".", "-s", "."],
        cwd=root,
        env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
        timeout=timeout,
    )
    return read_results(finished.output)


def read_results(output: str) -> TestRun:
    """Read what `unittest -v` printed."""
    passed: set[str] = set()
    failed: set[str] = set()
    for match in _RESULT.finditer(output):
        where = match["where"].removeprefix("unittest.loader._FailedTest.")
        name = where if where.endswith(match["name"]) else f"{where}.{match['name']}"
        (failed if match["result"] in {"FAIL", "ERROR"} else passed).add(name)
    return TestRun(frozenset(passed - failed), frozenset(failed), output)


class TestsInCopy:
    """Runs the tests of a project with some files replaced, in a folder of its own; call `close` at the end."""

    __test__ = False

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._folder = tempfile.TemporaryDirectory(prefix="hermitcrab-tests-")

    async def __call__(self, changed: Mapping[str, str]) -> frozenset[str]:
        """Return the names of the tests that fail with these files."""
        root = Path(self._folder.name)
        await asyncio.to_thread(write_files, root, {**self._files, **changed})
        return (await run_tests(root)).failed

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder, byte for byte."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="")
