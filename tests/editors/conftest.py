"""Real editors: missing ones are skipped with the reason, or fail where `HERMITCRAB_REQUIRE_EDITORS=1`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from editors import nvim


def _require(missing: str) -> None:
    if missing and os.environ.get("HERMITCRAB_REQUIRE_EDITORS") == "1":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def neovim_path() -> Path:
    """Where Neovim is."""
    _require(nvim.what_is_missing())
    return nvim.editor_path()


class OpenNeovim(Protocol):
    """Opens files of a project in Neovim; `script` is what the model says, None for the model `offline`."""

    def __call__(self, script: str | None, *files: str) -> nvim.Neovim: ...


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    return root


@pytest.fixture
def neovim(neovim_path: Path, project: Path, tmp_path: Path) -> Iterator[OpenNeovim]:
    """Open files in Neovim; all are closed at the end of the test."""
    opened: list[nvim.Neovim] = []

    def open_files(script: str | None, *files: str) -> nvim.Neovim:
        model = "offline"
        if script is not None:
            path = tmp_path / "script.txt"
            path.write_text(script, encoding="utf-8")
            model = f"scripted:{path}"
        editor = nvim.Neovim(project, tmp_path / "home", model=model, files=files)
        opened.append(editor)
        editor.wait_for_server()
        return editor

    yield open_files
    for editor in opened:
        editor.close()
