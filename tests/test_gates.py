"""What must not get worse, in ratios, counts and CPU time alone: no machine is too slow or too busy to pass.

`python -m benches` measures the same things against anchors, in wall time too; `docs/benchmarks.md` is what it found.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from benches import deltas, keystrokes, own_loop, requests
from benches.processes import HERMITCRAB, Server, mock, model_variables, server

# What stands between an editor and its first answer, beside the standard library; a new name here is a decision.
START_UP = {"hermitcrab", "pygls", "lsprotocol", "attr", "attrs", "cattr", "cattrs", "typing_extensions"}
TRIED = {"annotationlib", "org"}  # other Pythons have them: the standard library and attrs ask, in vain
_IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s*(\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The requests of one long session: thoughts, reads side by side, edits, mistakes, many prompts."""
    return requests.conversation(tmp_path_factory.mktemp("conversation"))


def test_every_request_begins_with_the_whole_of_the_one_before(bodies: list[bytes]) -> None:
    shares = requests.prefix_shares(bodies)
    assert len(shares) >= 200
    assert min(shares) == 1.0
    assert len(requests.canonical(bodies[-1])) > 20 * len(requests.canonical(bodies[0])), "nothing was said"


def test_the_share_sees_one_changed_character(bodies: list[bytes]) -> None:
    changed = json.loads(bodies[100])
    changed["messages"][50]["content"][0] = {"type": "text", "text": "x"}
    (share,) = requests.prefix_shares([bodies[99], json.dumps(changed).encode()])
    assert 0.1 < share < 0.9


def test_the_first_request_is_small(bodies: list[bytes]) -> None:
    assert len(bodies[0]) <= 12_000
    assert len(json.loads(bodies[0])["tools"]) >= 8
    assert b"fix the bug" in bodies[0]


def test_turn_two_hundred_costs_little_more_than_turn_one(tmp_path: Path) -> None:
    provider = own_loop.scripted("read", 200)
    root = own_loop.make_work(tmp_path / "work")
    (marks,) = asyncio.run(own_loop.marks_of(provider, root, tmp_path / "home", "look"))
    cpu = sorted(own_loop.steps(marks[3:43]), key=lambda step: step[1])
    late = sorted(own_loop.steps(marks[-41:-1]), key=lambda step: step[1])
    first, last = cpu[10][1], late[10][1]  # a quarter from below: what is slow by chance does not count
    assert last <= 2.5 * first, f"CPU per turn went from {first * 1000:.1f} to {last * 1000:.1f} ms"


def cpu_of(act: Callable[[], object], count: int) -> float:
    """Return the CPU seconds of the cheapest of `count` acts."""
    found: list[float] = []
    for _ in range(count):
        before = time.process_time()
        act()
        found.append(time.process_time() - before)
    return min(found)


def test_a_keystroke_into_twenty_megabytes_is_nothing_beside_joining_them() -> None:
    text = keystrokes.text_of(20_000_000)
    lines = text.splitlines(keepends=True)
    type_one = keystrokes.own_keystroke(text, len(lines) // 2, 8)
    type_one()
    hundred = cpu_of(lambda: [type_one() for _ in range(100)], 5)
    joining = cpu_of(lambda: "".join(lines), 5)
    assert hundred <= joining, f"100 keystrokes took {hundred * 1000:.1f} ms, joining the text {joining * 1000:.1f} ms"


def test_a_keystroke_into_one_huge_line_is_a_few_copies_of_it() -> None:
    line = "x" * 5_000_000
    type_one = keystrokes.own_keystroke(line, 0, 2_500_000)
    type_one()
    ten = cpu_of(lambda: [type_one() for _ in range(10)], 5)
    encoding = cpu_of(lambda: [line.encode("utf-16-le") for _ in range(10)], 5)
    assert ten <= 4 * encoding, f"10 keystrokes took {ten * 1000:.1f} ms, encoding ten times {encoding * 1000:.1f} ms"


@pytest.mark.parametrize("kind", ["say", "args"])
def test_pieces_cost_the_same_each_however_many_there_are(tmp_path: Path, kind: str) -> None:
    """From the model's socket to the editor's, in the server's CPU time; linear would be 4."""

    def cheapest(started: Server, count: int) -> float:
        return min(deltas.once(started, started.session(), f"@{kind} {count}")[1] for _ in range(3))

    root = own_loop.make_work(tmp_path / "work")
    model = ("--model", "anthropic/bench")
    with mock(tmp_path) as url, server(root, tmp_path / "home", *HERMITCRAB, *model, **model_variables(url)) as started:
        started.begin()
        deltas.once(started, started.session(), f"@{kind} 500")
        few, many = cheapest(started, 5_000), cheapest(started, 20_000)
    assert many <= 6 * few, f"5 000 pieces took {few * 1000:.0f} ms of CPU, 20 000 took {many * 1000:.0f} ms"


def test_start_up_loads_what_is_listed_and_nothing_else(tmp_path: Path) -> None:
    with server(tmp_path, tmp_path / "home", "-X", "importtime", *HERMITCRAB) as started:
        started.initialize()
        started.end()
    idle = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"], stderr=subprocess.PIPE, text=True, check=True
    )
    loaded = packages((tmp_path / "home" / "stderr.txt").read_text())
    foreign = loaded - packages(idle.stderr) - {name.lstrip("_") for name in sys.stdlib_module_names} - TRIED
    assert {"hermitcrab", "pygls", "lsprotocol"} <= foreign, "the probe sees nothing"
    assert foreign - START_UP == set()


def packages(told: str) -> set[str]:
    return {name.partition(".")[0].lstrip("_") for name in _IMPORTED.findall(told)}
