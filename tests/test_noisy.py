"""Imperfect models: how often the loop and the tools bring them to the goal, and whether a false claim ever stands."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hermitcrab.app import build_engine
from hermitcrab.core import events
from hermitcrab.core.ports import PermissionQuestion
from hermitcrab.engine import session as engine_session
from hermitcrab.engine.connection import Connection
from hermitcrab.providers.profiles import profile_of
from hermitcrab.store.paths import Paths
from hermitcrab.workspace.documents import Documents
from noisy import IMPERFECTIONS, Noisy, Task
from simulator.editor import InProcess, Manners

RECORD = Path(__file__).with_name("noisy_rate.json")
QUICK, SLOW = 2, 19
"""Seeds of each imperfection: about 60 runs and about 500."""
WORST_LOSS = 2.0
FILE = "src/shop.py"
LINES = """\
import sys

def add(prices):
    total = 0
    for price in prices:
        total += price
    print("sum:", total)
    return total

def mean(prices):
    count = len(prices)
    total = add(prices)
    print("mean of", {wrong}, "prices")
    print("done", file=sys.stderr)
    return total / count

def main():
    print("mean:", mean([1, 2, 3]))
"""


@dataclass
class Outcome:
    kind: str
    seed: int
    is_fixed: bool
    is_claimed: bool  # the turn ended well and nothing says that the problem is still there
    is_stubborn: bool
    end: events.TurnFinished
    seen: list[events.Event] = field(repr=False)


class Yes:
    async def ask(self, question: PermissionQuestion) -> Any:
        return "allow_once"


def task_for(chance: random.Random) -> Task:
    wrong = chance.choice(["coutn", "cnt", "countt"])
    text = LINES.format(wrong=wrong)
    if chance.random() < 0.25:
        text = text.replace("    ", "\t")
    lines = tuple(text.splitlines())
    return Task(FILE, lines, 1 + next(at for at, line in enumerate(lines) if wrong in line), wrong, "count")


def written(task: Task, chance: random.Random) -> bytes:
    end = "\r\n" if chance.random() < 0.3 else "\n"
    return "".join(line + end for line in task.lines).encode()


def is_fixed(text: str, task: Task) -> bool:
    """Say whether the line is right and the file still is Python; shares no code with the product."""
    rows = text.replace("\r\n", "\n").split("\n")
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return any(row.split("  #")[0] == task.fixed(task.old) for row in rows) and task.wrong not in text


async def play(kind: str, seed: int, base: Path, *, is_deaf: bool = False) -> Outcome:
    chance = random.Random(f"{seed} {kind}")
    task = task_for(chance)
    root = base / "project"
    file = root / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(content := written(task, chance))
    model, documents, seen = Noisy(task, kind, seed, is_deaf=is_deaf), Documents(), []
    engine = build_engine(
        paths=Paths.under(base / "home"), documents=documents, provider=model, profile=profile_of("scripted:noisy")
    )
    editor = InProcess(documents, "window", Manners(latency=0.0, saves=chance.random() < 0.5))
    connection = Connection(
        id="window",
        asker=Yes(),
        listener=lambda _, event: seen.append(event),
        editor=editor,
        environment={"PATH": "/usr/bin:/bin"},
        roots=(root,),
    )
    engine.connect(connection)
    uri = file.resolve().as_uri()
    try:
        if kind == "hanging_command":
            engine.services.trust.trust(root.resolve())
        if chance.random() < 0.5:
            editor.editor.open(uri, content.decode())
        session = await engine.new_session(connection, root)
        column = task.old.index(task.wrong) + 1
        place = f"{FILE}:{task.line}:{column}: error [ruff F821] Undefined name `{task.wrong}`"
        engine.prompt(session, f"Fix this problem in {FILE}:\n{place}", connection)
        end = await asyncio.wait_for(session.wait(), 60)
        assert end is not None
    finally:
        await engine.close()
    text = editor.editor.buffers[uri].text if uri in editor.editor.buffers else file.read_bytes().decode()
    claimed = end.reason == "end_turn" and "still reported" not in end.message
    return Outcome(kind, seed, is_fixed(text, task), claimed, model.is_stubborn, end, seen)


def play_all(seeds: Iterable[int], base: Path, *, is_deaf: bool = False) -> list[Outcome]:
    found = []
    for kind in IMPERFECTIONS:
        for seed in seeds:
            found.append(asyncio.run(play(kind, seed, base / f"{kind}-{seed}", is_deaf=is_deaf)))
    return found


def table(found: list[Outcome]) -> str:
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in found:
        by_kind[outcome.kind].append(outcome)
    rows = [f"{'imperfection':30} runs fixed   rate stubborn"]
    for kind, outcomes in sorted(by_kind.items()):
        fixed, stubborn = sum(one.is_fixed for one in outcomes), sum(one.is_stubborn for one in outcomes)
        rows.append(f"{kind:30} {len(outcomes):4} {fixed:5} {100 * fixed / len(outcomes):5.0f}% {stubborn:8}")
    rows.append(f"{'all':30} {len(found):4} {sum(one.is_fixed for one in found):5} {rate(found):5.1f}%")
    return "\n".join(rows)


def rate(found: list[Outcome]) -> float:
    return round(100 * sum(one.is_fixed for one in found) / len(found), 1)


def judge(found: list[Outcome], name: str) -> None:
    print(table(found))
    false = [f"{one.kind} {one.seed}: {one.end}" for one in found if one.is_claimed and not one.is_fixed]
    assert not false, "a claim of success stands with the problem still there:\n" + "\n".join(false)
    recorded = json.loads(RECORD.read_text())
    now = rate(found)
    if os.environ.get("UPDATE"):
        RECORD.write_text(json.dumps({**recorded, name: now}, indent=2) + "\n")
        return
    assert now >= recorded[name] - WORST_LOSS, f"{now} % recovered, {recorded[name]} % when last recorded"
    if now > recorded[name]:
        print(f"better than recorded ({recorded[name]} %): run this test with UPDATE=1")


def test_imperfect_models_recover_and_no_false_claim_stands(tmp_path: Path) -> None:
    judge(play_all(range(QUICK), tmp_path), "quick")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_hundred_imperfect_models(tmp_path: Path) -> None:
    judge(play_all(range(1000, 1000 + SLOW), tmp_path), "slow")


def test_without_the_look_at_the_end_a_false_claim_would_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_session, "wanted_in", lambda _: ())
    outcome = asyncio.run(play("claims_success", 0, tmp_path))
    assert (outcome.is_claimed, outcome.is_fixed) == (True, False)


def test_it_is_our_words_that_help(tmp_path: Path) -> None:
    """The same models, hearing only that something failed, come to the goal far less often, and claim nothing either."""
    deaf = play_all(range(1), tmp_path / "deaf", is_deaf=True)
    print(table(deaf))
    assert not [one for one in deaf if one.is_claimed and not one.is_fixed]
    assert rate(deaf) < json.loads(RECORD.read_text())["quick"] - 20
