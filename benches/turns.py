"""What a tool turn costs beside the model: at the first turns and at the two hundredth, with our loop and the null loop."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from benches.own_loop import Marked, Marks, make_work, marks_of, over_the_wire, scripted, steps
from benches.processes import mock
from benches.values import Number, Row, percentile

_STEPS = 200
_RUNS = 3


def measure(folder: Path) -> list[Row]:
    """Run 200 tool turns of each kind, several times."""
    sync = _fdatasync(folder)
    rows = [Row("Turns", "one fdatasync of 500 new bytes on this disk", "ms", sync)]
    for kind in ("read", "edit"):
        rows += _scripted(kind, folder, sync)
    for kind in ("read", "edit"):
        rows += _wired(kind, folder)
    return rows


def _fdatasync(folder: Path) -> Number:
    import time

    found: list[float] = []
    with (folder / "sync").open("ab", buffering=0) as file:
        for _ in range(50):
            start = time.perf_counter()
            file.write(b"x" * 500)
            os.fdatasync(file.fileno())
            found.append(time.perf_counter() - start)
    return Number.of(found, 1000)


def run(kind: str, provider: Marked, folder: Path) -> Marks:
    """Run one conversation in a fresh folder."""
    root = make_work(folder / "work")
    (marks,) = asyncio.run(marks_of(provider, root, folder / "home", f"@{kind} {_STEPS}"))
    _check(kind, root)
    return marks


def _check(kind: str, root: Path) -> None:
    """See that what was measured was done: a tool that fails is quick."""
    first = (root / "work.py").read_text().partition("\n")[0]
    if first != (f"step = {_STEPS}" if kind == "edit" else "step = 0"):
        raise RuntimeError(f"after {_STEPS} measured turns the file says `{first}`")


def _scripted(kind: str, folder: Path, sync: Number) -> list[Row]:
    found = [run(kind, scripted(kind, _STEPS), folder / f"{kind}-scripted-{n}") for n in range(_RUNS)]
    early, late = _ends(found)
    limit = 3.0 if kind == "read" else 3.0 + 2 * sync.median
    goal = "≤ 3 ms" if kind == "read" else "≤ 3 ms + two fdatasyncs"
    name = f"{kind.capitalize()}, scripted model"
    rows = [
        Row("Turns", f"{name}, turn {which}, wall", "ms", number[0], {}, goal, number[0].median <= limit)
        for which, number in (("1", early), (str(_STEPS), late))
    ]
    rows.append(Row("Turns", f"{name}, turn 1, CPU", "ms", early[1]))
    growth = Number.of(_growth(marks) for marks in found)
    what = f"{name}, CPU of turn {_STEPS} : turn 1"
    rows.append(Row("Turns", what, "×", growth, {}, "≤ 1.2 ×", growth.median <= 1.2))
    return rows


def _growth(marks: Marks) -> float:
    """Return how much more CPU the last twenty turns take than twenty near the beginning; quarters from below."""
    cpu = [sample[1] for sample in steps(marks)]
    return percentile(cpu[_STEPS - 20 : _STEPS], 0.25) / percentile(cpu[2:22], 0.25)


def _wired(kind: str, folder: Path) -> list[Row]:
    ours: list[Marks] = []
    null: list[Marks] = []
    for number in range(_RUNS):
        place = folder / f"{kind}-wire-{number}"
        place.mkdir()
        with mock(place) as url:
            ours.append(run(kind, over_the_wire(url), place / "ours"))
        with mock(place) as url:
            null.append(null_marks(url, make_work(place / "null"), f"@{kind} {_STEPS}")[0])
        _check(kind, place / "null")
    rows: list[Row] = []
    for which, mine, theirs in zip(("1", str(_STEPS)), _ends(ours), _ends(null), strict=True):
        for clock, place in (("wall", 0), ("CPU", 1)):
            what = f"{kind.capitalize()}, Anthropic's wire, turn {which}, {clock}"
            rows.append(Row("Turns", what, "ms", mine[place], {"null loop": theirs[place]}))
    return rows


def null_marks(url: str, root: Path, *prompts: str) -> list[Marks]:
    """Run the null loop in a process of its own."""
    return null_loop(url, root, *prompts)["marks"]


def null_loop(url: str, root: Path, *prompts: str) -> dict[str, list[Marks]]:
    """Return all that the null loop has to say."""
    home = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "benches.null_loop", url, *prompts],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def _ends(runs: list[Marks]) -> tuple[tuple[Number, Number], tuple[Number, Number]]:
    """Return (wall, CPU) of ten turns near the beginning, and of the last ten, of all runs."""
    early = [sample for marks in runs for sample in steps(marks)[2:12]]
    late = [sample for marks in runs for sample in steps(marks)[_STEPS - 10 : _STEPS]]
    return _both(early), _both(late)


def _both(samples: list[tuple[float, float]]) -> tuple[Number, Number]:
    return Number.of((sample[0] for sample in samples), 1000), Number.of((sample[1] for sample in samples), 1000)
