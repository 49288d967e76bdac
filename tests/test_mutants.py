"""The tests of the ten laws can fail: for each law something is broken on purpose, and they must notice."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mutants import run

CHECKOUT = Path(__file__).parents[1]
ALL = run.mutants()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_mutant_is_killed() -> None:
    runner = CHECKOUT / "tests" / "mutants" / "run.py"
    done = subprocess.run([sys.executable, str(runner)], capture_output=True, text=True, check=False, timeout=390)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mutant", ALL, ids=[mutant.name for mutant in ALL])
def test_a_mutant_still_fits_the_code(mutant: run.Mutant) -> None:
    problem = run.does_apply(mutant)
    assert not problem, problem


def test_each_law_has_its_mutants_and_the_architecture_names_them() -> None:
    laws = {mutant.law for mutant in ALL}
    assert laws == set(range(1, 11))
    page = (CHECKOUT / "docs" / "architecture.md").read_text("utf-8")
    assert set(re.findall(r"`(law_\d+_\w+)`", page)) == {mutant.name for mutant in ALL}


# The runner itself.

TEST = "tests/unit/test_x.py::test_a"
MUTANT = run.Mutant(Path("law_1_x.patch"), 1, "something", (TEST,))


@pytest.mark.parametrize(
    ("code", "output", "outcome"),
    [
        (1, f"F\nFAILED {TEST} - assert 1 == 2\n1 failed", "killed"),
        (1, f"F\nFAILED {TEST}[some case] - assert 1 == 2\n1 failed", "killed"),
        (1, f"FE\nFAILED {TEST} - assert 1 == 2\nERROR {TEST} - ResourceWarning\n1 failed", "killed"),
        (0, "1 passed", "survived"),
        (1, f"F\nFAILED {TEST}_and_b - assert 1 == 2\n1 failed, 1 passed", "survived"),
        (1, f"F\nFAILED {TEST} - NameError: name 'x' is not defined\n1 failed", "broke"),
        (2, "\nERROR tests/unit/test_x.py - SyntaxError: invalid syntax\n1 error", "broke"),
        (2, "no end within 100 s", "broke"),
    ],
)
def test_what_counts_as_killed(code: int, output: str, outcome: str) -> None:
    assert run._judge(MUTANT, code, output).outcome == outcome


def test_a_mutant_that_kills_one_of_two_survives_the_other() -> None:
    mutant = run.Mutant(MUTANT.path, 1, "something", (TEST, "tests/unit/test_x.py::test_b"))
    verdict = run._judge(mutant, 1, f"F.\nFAILED {TEST} - assert 1 == 2\n1 failed, 1 passed")
    assert (verdict.outcome, "test_b" in verdict.advice, "test_a" in verdict.advice) == ("survived", True, False)


def test_a_patch_that_does_not_fit_says_what_to_do(tmp_path: Path) -> None:
    patch = tmp_path / "law_1_x.patch"
    patch.write_text("--- a/server/x.py\n+++ b/server/x.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n")
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "x.py").write_text("a\nz\n")
    problem = run.does_apply(run.Mutant(patch, 1, "", ()), tmp_path, for_good=True)
    assert "server/x.py" in problem
    assert "edit, `git diff -U2 -- server`" in problem
    (tmp_path / "server" / "x.py").write_text("a\nb\n")
    assert run.does_apply(run.Mutant(patch, 1, "", ()), tmp_path, for_good=True) == ""
    assert (tmp_path / "server" / "x.py").read_text() == "a\nc\n"


def test_a_name_that_is_no_mutants_is_told() -> None:
    with pytest.raises(run.MutantError, match="`law_11`"):
        run.mutants("law_11")
