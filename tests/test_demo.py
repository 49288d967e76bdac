"""`hermitcrab demo` from the outside: it ends well for every seed, and what it says is what happened."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wire.lsp_editor import environment

_RULES = re.compile(
    r"^   (?P<place>\S+:\d+)  (?P<kind>[a-z ]+): (?P<name>.*?)(?P<beyond>   \(beyond the rules: .*\))?$", re.MULTILINE
)
_TESTS = re.compile(r"^   tests: (\d+) pass, (\d+) fail or cannot be imported$", re.MULTILINE)


def demo(tmp_path: Path, *args: str) -> str:
    """Run it in an environment that leads nowhere; return what it printed."""
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    argv = [sys.executable, "-m", "hermitcrab", "demo", "--no-color", *args]
    env = environment(home) | {"TMPDIR": str(home / "tmp")}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    if "--keep" not in args:
        assert list((home / "tmp").iterdir()) == [], "it cleans up behind itself"
    return done.stdout


def assert_told_well(told: str, seed: int) -> None:
    made = list(_RULES.finditer(told.partition("2. An editor")[0]))
    beyond = [match for match in made if match["beyond"]]
    within = [match for match in made if not match["beyond"]]
    assert f"seed {seed}" in told.splitlines()[0]
    assert (len(within) >= 5, len(beyond)) == (True, 1), told
    verdict = told.partition("3. What came of it")[2]
    for match in within:
        assert f"   ✓ {match['place']} {match['kind']}: fixed\n" in verdict
    (left,) = beyond
    assert f"   – {left['place']} {left['kind']}: not fixed, and said so\n" in verdict
    assert "your unsaved line is still there, and still unsaved" in verdict
    assert "every test of a fixed problem passes" in verdict
    assert "✗" not in verdict
    before, after = ([int(count) for count in found] for found in _TESTS.findall(told))
    assert after[0] > before[0], "more tests pass than before; what could not be imported had no count of its own"
    assert told.count("Fix with Hermitcrab") >= len(made), "a turn for each problem, more where a name is wrong twice"
    assert re.search(r"answered: Allow for this session", told), "a question was asked, shown and answered"
    assert re.search(r"^ +\d+ - ", told, re.MULTILINE), "the diffs are shown"


def test_the_demo_fixes_what_rules_can_and_names_what_they_cannot(tmp_path: Path) -> None:
    told = demo(tmp_path, "--keep")
    assert_told_well(told, 1)
    (kept,) = re.findall(r"^   kept: (.+)$", told, re.MULTILINE)
    texts = [path.read_text("utf-8") for path in Path(kept).rglob("*.py")]
    assert len(texts) > 10
    assert not [text for text in texts if "note of yours" in text], "what is not saved is not on disk"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 7])
def test_with_other_seeds_too(tmp_path: Path, seed: int) -> None:
    assert_told_well(demo(tmp_path, "--seed", str(seed)), seed)


@pytest.mark.slow
def test_on_a_copy_of_a_project_of_ones_own(tmp_path: Path) -> None:
    project = tmp_path / "mine"
    (project / "pack").mkdir(parents=True)
    lines = ["import json", "import os", "", ""]
    for number in range(12):
        lines += [
            f"def double_{number}(amount: int) -> int:",
            "    total = amount + amount",
            "    return total",
            "",
            "",
        ]
    lines += ["def names() -> str:", "    return json.dumps(sorted(os.environ))"]
    (project / "pack" / "core.py").write_text("\n".join(lines) + "\n")
    (project / "pack" / "more.py").write_text("\n".join(lines) + "\n")
    before = {path: path.read_bytes() for path in project.rglob("*.py")}
    began = time.time()
    told = demo(tmp_path, "--project", str(project), "--tests", "python3 -c 'import pack.core, pack.more'")
    assert "python3 -c 'import pack.core, pack.more'` fails" in told or "passes" in told
    assert "What came of it" in told
    assert {path: path.read_bytes() for path in project.rglob("*.py")} == before, "only the copy is touched"
    assert all(path.stat().st_mtime < began for path in before)
