"""Where our own files live."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hermitcrab.store.files import make_private
from hermitcrab.store.paths import Paths


def test_everything_below_one_folder(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    assert all(folder.parent == tmp_path for folder in paths.own)
    assert len(set(paths.own)) == 5
    assert Paths.default({"HERMITCRAB_HOME": str(tmp_path)}) == paths


def test_the_systems_places() -> None:
    code = "from hermitcrab.store.paths import Paths; print(*Paths.default({}).own, sep='\\n')"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": "/home/me", "PYTHONPATH": str(Path(__file__).parents[2] / "server")},
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert shown.stdout.splitlines()[:4] == [
        "/home/me/.config/hermitcrab",
        "/home/me/.local/share/hermitcrab",
        "/home/me/.local/state/hermitcrab",
        "/home/me/.cache/hermitcrab",
    ]


def test_folders_are_made_private_and_existing_ones_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "a" / "b")
    make_private(tmp_path / "a" / "b")
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
