"""What a newcomer does first: clone, `make demo`. In an empty folder, with an empty home, from what is committed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
# What says where packages come from and how they are reached; nothing else of this user's reaches the newcomer.
_KEPT = ("PATH", "LANG", "TMPDIR", "CI")
_REGISTRY = (
    "PIP_",
    "UV_",
    "SSL_",
    "REQUESTS_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def newcomer(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_REGISTRY)}
    return {**kept, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


def _registry_problem(python: str, env: dict[str, str], folder: Path) -> str:
    """Say why no package can be had; empty when one can."""
    argv = [python, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "hatchling"]
    asked = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    return "" if asked.returncode == 0 else (asked.stderr.strip().splitlines() or ["no answer"])[-1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_newcomer_clones_and_runs_the_demo(tmp_path: Path) -> None:
    for program in ("git", "make"):
        assert shutil.which(program), f"`{program}` is needed"
    home = tmp_path / "home"
    home.mkdir()
    env = newcomer(home)
    if problem := _registry_problem(sys.executable, env, tmp_path / "probe"):
        message = f"no package registry can be reached: {problem}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(clone)], env=env, check=True, timeout=60)
    python = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run(
        ["make", "demo", f"PYTHON={python}"],
        cwd=clone,
        env=env,
        capture_output=True,
        text=True,
        timeout=570,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3. What came of it" in done.stdout
    assert "✗" not in done.stdout
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert changed.stdout == "", "the checkout stays as it was cloned"
