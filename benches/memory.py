"""Memory of the whole tree of processes, two seconds after the last request."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

from benches.own_loop import make_work
from benches.processes import BARE_PYGLS, HERMITCRAB, PYLSP, Server, mock, model_variables, server
from benches.values import Number, Row

_PAUSE = 2.0


def measure(folder: Path) -> list[Row]:
    """Look at a server that was started, that did one turn, that did two hundred."""
    root = make_work(folder / "work")
    anchors: dict[str, Number | None] = {"bare pygls": _idle(BARE_PYGLS, root, folder)}
    anchors["pylsp"] = _idle(PYLSP, root, folder) if importlib.util.find_spec("pylsp") else None
    with (
        mock(folder) as url,
        server(root, folder / "home", *HERMITCRAB, "--model", "anthropic/bench", **model_variables(url)) as started,
    ):
        started.begin()
        idle = _pss(started)
        session = started.session()
        started.turn(session, "@read 1")
        first = _pss(started)
        for _ in range(10):
            started.turn(session, "@read 20")
        last = _pss(started)
    return [
        _row("after `initialize`, engine built", idle, anchors, 60),
        _row("after one turn", first, {}, 60),
        _row("after 200 tool turns", last, {}, 90),
    ]


def _row(what: str, ours: Number, anchors: dict[str, Number | None], limit: float) -> Row:
    return Row("Memory", f"PSS {what}", "MB", ours, anchors, f"≤ {limit:g} MB", ours.median <= limit)


def _idle(command: tuple[str, ...], root: Path, folder: Path) -> Number:
    with server(root, folder / "home", *command) as started:
        started.initialize()
        return _pss(started)


def _pss(started: Server) -> Number:
    time.sleep(_PAUSE)
    return Number.of(started.pss for _ in range(3))
