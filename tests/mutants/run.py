"""Proves that the tests of the ten laws can fail: each patch here breaks one law, and its tests must notice.

    python tests/mutants/run.py [name …]

A patch `law_N_what.patch` begins with `# law N: what is broken` and one line `# kills: tests/…::test_…` for each test that
must fail. Everything happens in temporary copies; the checkout is only read. First the tests must pass unpatched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MUTANTS = Path(__file__).parent
CHECKOUT = MUTANTS.parents[1]
COPIED = ("server", "tests", "pyproject.toml")
SECONDS_PER_TEST = 30
SECONDS = 200

_TITLE = re.compile(r"# law (\d+): (.+)")
_FAILED = re.compile(r"^FAILED (\S+?::[^\s\[]+(?:\[.*?\])?)(?: - (.*))?$", re.MULTILINE)
_NO_CODE = ("NameError", "UnboundLocalError", "SyntaxError", "IndentationError", "ImportError", "ModuleNotFoundError")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One way to break one law."""

    path: Path
    law: int
    what: str
    kills: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return what it is called here and in `docs/architecture.md`."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant: it is `killed`, or something has to be done."""

    mutant: Mutant
    outcome: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.outcome:<14} {self.mutant.name}: {self.mutant.what}"
        return f"{line}\n{' ' * 15}{self.advice}" if self.advice else line


class MutantError(Exception):
    """The mutants cannot be tried at all, and what would help."""


def mutants(*names: str) -> list[Mutant]:
    """Return the mutants of those names, or all."""
    found = [_mutant(path) for path in MUTANTS.glob("law_*.patch")]
    if unknown := set(names) - {mutant.name for mutant in found}:
        raise MutantError(f"there is no mutant `{min(unknown)}`")
    chosen = [mutant for mutant in found if not names or mutant.name in names]
    return sorted(chosen, key=lambda mutant: (mutant.law, mutant.name))


def _mutant(path: Path) -> Mutant:
    text = path.read_text("utf-8")
    title = _TITLE.match(text)
    kills = tuple(re.findall(r"^# kills: (\S+::.+)$", text, re.MULTILINE))
    if title is None or not kills or not path.stem.startswith(f"law_{title[1]}_"):
        raise MutantError(f"`{path.name}` must begin with `# law N: what` and name the tests with `# kills: …::test_…`")
    return Mutant(path, int(title[1]), title[2], kills)


def does_apply(mutant: Mutant, folder: Path = CHECKOUT, *, for_good: bool = False) -> str:
    """Apply a patch to a copy, or only try to; return what is to be done when it does not fit."""
    argv = ["git", "apply", *(() if for_good else ("--check",)), str(mutant.path)]
    # Outside of any repository: inside of one git skips what that repository does not know, in silence.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)} if for_good else None
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=30)
    if not done.returncode:
        return ""
    return (
        f"{done.stderr.strip()}: the lines it breaks have changed. Break the law in the new code in the same way "
        f"(edit, `git diff -U2 -- server`, take the edit back) and put that below the header of `{mutant.path.name}`; "
        "when another test holds the law now, name it there"
    )


def try_all(chosen: list[Mutant], jobs: int) -> list[Verdict]:
    """Try every mutant in a copy of its own; raise MutantError when the tests do not even pass unpatched."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        clean = Path(name) / "clean"
        _copy(CHECKOUT, clean)
        _check_clean(clean, sorted({test for mutant in chosen for test in mutant.kills}))
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda mutant: _try(mutant, clean), chosen))


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("*.tmp"))
        else:
            shutil.copy2(source / name, target / name)


def _check_clean(folder: Path, tests: list[str]) -> None:
    code, output = _pytest(folder, tests)
    if code == 1:  # some have an eye on the clock, and the machine may be busy
        code, output = _pytest(folder, [name for name, _ in _FAILED.findall(output)] or tests)
    if code:
        raise MutantError(f"the tests do not pass as it is; mend that first\n{output}")


def _try(mutant: Mutant, clean: Path) -> Verdict:
    folder = clean.parent / mutant.name
    try:
        _copy(clean, folder)
        if problem := does_apply(mutant, folder, for_good=True):
            return Verdict(mutant, "does not apply", problem)
        return _judge(mutant, *_pytest(folder, list(mutant.kills)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _judge(mutant: Mutant, code: int, output: str) -> Verdict:
    """Every named test must fail, and for a better reason than code that cannot run."""
    failed = {name: reason for name, reason in _FAILED.findall(output) if not reason.startswith(_NO_CODE)}
    alive = [test for test in mutant.kills if not any(name == test or name.startswith(f"{test}[") for name in failed)]
    if not alive:
        return Verdict(mutant, "killed")
    if code not in {0, 1} or "\nERROR " in output or len(failed) < len(_FAILED.findall(output)):
        return Verdict(mutant, "broke", f"it must break a law, not the code or the run of the tests:\n{output.strip()}")
    return Verdict(mutant, "survived", f"did not notice: {', '.join(alive)}; make the test fail for this")


def _pytest(folder: Path, tests: list[str]) -> tuple[int, str]:
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", "-rfE", f"--timeout={SECONDS_PER_TEST}"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "UPDATE"))}
    # The copy goes before the checkout that is installed, also in processes the tests start.
    env = {**kept, "PYTHONPATH": str(folder / "server"), "COLUMNS": "500"}
    argv = [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), *tests]
    try:
        done = subprocess.run(
            argv, cwd=folder, env=env, capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return 2, f"no end within {SECONDS} s"
    return done.returncode, done.stdout + done.stderr


def main(names: list[str]) -> int:
    """Try the mutants, say what became of each, and return an exit code."""
    try:
        verdicts = try_all(mutants(*names), min(4, os.cpu_count() or 1))
    except MutantError as error:
        print(error)
        return 2
    for verdict in verdicts:
        print(verdict)
    killed = sum(verdict.outcome == "killed" for verdict in verdicts)
    print(f"{killed} of {len(verdicts)} mutants killed, of {len({verdict.mutant.law for verdict in verdicts})} laws")
    return 0 if killed == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
