"""Spawn -> `initialize`: what an editor waits for."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

from benches.processes import BARE_PYGLS, HERMITCRAB, PYLSP, server
from benches.values import Number, Row

_ROUNDS = 7


def measure(folder: Path) -> list[Row]:
    """Start each server in turn, several times."""
    commands: dict[str, tuple[str, ...]] = {"ours": HERMITCRAB, "bare pygls": BARE_PYGLS}
    if importlib.util.find_spec("pylsp"):
        commands["pylsp"] = PYLSP
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(_ROUNDS + 1):
        for name, command in commands.items():
            sample = once(command, folder)
            if number:  # the first of each only warms the disk
                found[name].append(sample)

    def row(what: str, place: int, limit: float) -> Row:
        numbers: dict[str, Number | None] = {
            name: Number.of((sample[place] for sample in samples), 1000) for name, samples in found.items()
        }
        ours, bare = numbers.pop("ours"), numbers["bare pygls"]
        assert ours
        assert bare
        anchors = {"pylsp": None, **numbers}
        is_met = ours.least <= limit * bare.least
        return Row("Start", what, "ms", ours, anchors, f"≤ {limit:g} × bare pygls", is_met)

    return [row("spawn → `initialize`, wall", 0, 1.3), row("spawn → `initialize`, CPU", 1, 1.3)]


def once(command: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Return wall and CPU seconds from the start of a process to its reply."""
    start = time.perf_counter()
    with server(folder, folder / "home", *command) as started:
        started.initialize()
        return time.perf_counter() - start, started.end()
