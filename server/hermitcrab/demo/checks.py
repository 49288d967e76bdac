"""Copies of a project for the demo to work in, and the user's own test command run in them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hermitcrab.demo.sample_tests import write_files
from hermitcrab.procs.run import run

_SECONDS: Final = 600.0
_LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv", "venv", "node_modules", "__pycache__", "build", "dist")


async def run_command(command: str, folder: Path) -> bool:
    """Run the user's own test command; tell whether it said yes."""
    from hermitcrab.procs.shell import find_shell

    finished = await run(find_shell().argv(command), cwd=folder, env=os.environ, timeout=_SECONDS)
    return finished.exit_code == 0


class Copies:
    """Folders thrown together as often as wanted, of files or of a whole project, and removed all at once."""

    def __init__(self, project: Path | None, files: Mapping[str, str]) -> None:
        self._project, self._files = project, files
        self._folders: list[Path] = []

    def make(self, changed: Mapping[str, str]) -> Path:
        """Copy everything, changed files instead of their originals; return the folder."""
        folder = Path(tempfile.mkdtemp(prefix="hermitcrab-demo-")).resolve()
        self._folders.append(folder)
        if self._project is not None:
            shutil.copytree(self._project, folder, dirs_exist_ok=True, symlinks=True, ignore=_LEFT_OUT)
            write_files(folder, changed)
        else:
            write_files(folder, {**self._files, **changed})
        return folder

    def remove(self) -> None:
        """Remove all."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
