"""One small piece of text, or of a call's arguments, from the model's socket to the editor's."""

from __future__ import annotations

from pathlib import Path

from benches.own_loop import Marks, make_work
from benches.processes import HERMITCRAB, Server, mock, model_variables, server
from benches.turns import null_marks
from benches.values import Number, Row

COUNTS = (1_000, 5_000, 20_000)
_RUNS = 3
_PACED = 1_000
_MODEL = ("--model", "anthropic/bench")


def measure(folder: Path) -> list[Row]:
    """Let the mock say 1 000 to 20 000 pieces, as text and as arguments."""
    rows: list[Row] = []
    ours: dict[tuple[str, int], list[tuple[float, float]]] = {}
    null: dict[tuple[str, int], list[Marks]] = {}
    cases = [*((kind, count) for kind in ("say", "args") for count in COUNTS), ("paced", _PACED)]
    with (
        mock(folder) as url,
        server(make_work(folder / "work"), folder / "home", *HERMITCRAB, *_MODEL, **model_variables(url)) as started,
    ):
        started.begin()
        session = started.session()
        once(started, session, "@args 100")
        for _ in range(_RUNS):
            for kind, count in cases:
                ours.setdefault((kind, count), []).append(once(started, started.session(), f"@{kind} {count}"))
    root = make_work(folder / "null")
    for _ in range(_RUNS):
        with mock(folder) as url:
            found = null_marks(url, root, "@args 100", *(f"@{kind} {count}" for kind, count in cases))
        for case, marks in zip(cases, found[1:], strict=True):
            null.setdefault(case, []).append(marks)
    for kind, word in (("say", "text"), ("args", "argument")):
        per: dict[int, Number] = {}
        for count in COUNTS:
            per[count] = Number.of((cpu / count for _, cpu in ours[kind, count]), 1e6)
            anchor = Number.of(((marks[-1][1] - marks[0][1]) / count for marks in null[kind, count]), 1e6)
            what = f"CPU per {word} piece, turns of {count // 1000} 000 pieces"
            rows.append(
                Row("Pieces", what, "µs", per[count], {"null loop": anchor}, "≤ 30 µs", per[count].median <= 30)
            )
        wall = Number.of((took for took, _ in ours[kind, COUNTS[-1]]), 1000)
        null_wall = Number.of((marks[-1][0] - marks[0][0] for marks in null[kind, COUNTS[-1]]), 1000)
        rows.append(
            Row("Pieces", f"the whole turn of 20 000 {word} pieces, wall", "ms", wall, {"null loop": null_wall})
        )
        ratio = per[20_000].least / per[5_000].least * 4
        what = f"CPU of 20 000 {word} pieces : 5 000 (linear: 4)"
        rows.append(Row("Pieces", what, "×", Number(ratio, ratio), {}, "≤ 5 ×", ratio <= 5))
    paced = Number.of((cpu / _PACED for _, cpu in ours["paced", _PACED]), 1e6)
    alone = Number.of(((marks[-1][1] - marks[0][1]) / _PACED for marks in null["paced", _PACED]), 1e6)
    rows.append(Row("Pieces", "CPU per text piece, one each millisecond", "µs", paced, {"null loop": alone}))
    return rows


def once(started: Server, session: str, prompt: str) -> tuple[float, float]:
    """Return wall seconds and the server's CPU seconds of one turn."""
    before = started.cpu
    took = started.turn(session, prompt)
    used = started.cpu - before
    kind, count = prompt[1:].split()
    if kind != "args" and started.shown[0] != int(count) * 8:
        raise RuntimeError(f"`{prompt}` was shown in {started.shown[0]} characters")
    return took, used
