"""The table, for a terminal and as `docs/benchmarks.md`."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Iterable, Iterator

from benches.values import Number, Row

_INTRODUCTION = """\
# Benchmarks

What Hermitcrab costs beside the model, each number with its anchor from the same run: the best that is known or the least
that is possible, good or bad. `make bench` measures again (about two minutes, loopback only), `make bench MARKDOWN=1`
writes this page. A number is the median of several runs, the best of them in parentheses; a machine that does other
things at the same time makes both larger, so compare columns, not runs. What CI holds is in `tests/test_gates.py`: ratios,
counts and CPU time, never an absolute time.

The model is a mock on loopback: never run against a hosted model by us.

Measured on: {machine}.

- *bare pygls*: a server on stock pygls without a single handler; *pylsp*: python-lsp-server; *pygls*: its text document.
- *null loop*: `benches/null_loop.py`, the least an agent on httpx can be: four tools, no log, no permissions, no editor. It
  speaks to the same mock model on loopback, a process of its own.
- *Turns* are tool turns of one conversation: from one model request to the next. *turn 1* is the median of the third to the
  twelfth, *turn 200* of the last ten. A Read shows 20 lines; an Edit changes one line of a file on disk, which we write
  through a temporary file, with the intent synced before and the result after, where the null loop overwrites the file.
- *Pieces* go from the model's socket through provider, turn, log and outbox to an LSP client; the null loop only collects them.
  Pieces of arguments are not shown to clients, the call is. The mock sends as fast as it can, so that neighbours are merged
  on their way; *one each millisecond* is the case in which nothing can be merged.
- An Edit of a file on disk is our dearest turn. Looked at once with a profiler: about fourteen hops to threads, the file read
  three times, five records in the log, four syncs (intent, file, folder, result) and a whole copy kept for the undo.
- *Start* is judged by the best run of each server, everything else by the median.
"""


def text(rows: Iterable[Row]) -> str:
    """Return the table in columns."""
    lines: list[str] = []
    for section, group in itertools.groupby(rows, lambda row: row.section):
        lines += ["", section]
        lines += [
            f"  {row.what:<58} {_number(row.ours, row.unit):>26}  {_anchors(row)}  {_verdict(row)}" for row in group
        ]
    return "\n".join(line.rstrip() for line in lines)


def markdown(rows: Iterable[Row]) -> str:
    """Return the page."""
    found = list(rows)
    lines = [*_missed(found), *_tables(found)]
    return _INTRODUCTION.format(machine=machine()) + "".join(f"{line}\n" for line in lines)


def machine() -> str:
    """Return what was measured on, in neutral words."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.system()}, {platform.python_implementation()} {platform.python_version()}"


def _missed(rows: Iterable[Row]) -> Iterator[str]:
    missed = [row for row in rows if row.is_met is False]
    yield from ("", "## Goals missed in this run", "")
    yield from (f"- {row.what}: {_number(row.ours, row.unit)}, the goal is {row.goal}" for row in missed)
    if not missed:
        yield "none"


def _tables(rows: Iterable[Row]) -> Iterator[str]:
    for section, group in itertools.groupby(rows, lambda row: row.section):
        yield from ("", f"## {section}", "", "| what | ours | anchor | goal |", "|---|---|---|---|")
        for row in group:
            yield f"| {row.what} | {_number(row.ours, row.unit)} | {_anchors(row)} | {_verdict(row)} |"


def _verdict(row: Row) -> str:
    if row.is_met is None:
        return row.goal
    return f"{row.goal}: {'reached' if row.is_met else 'MISSED'}"


def _anchors(row: Row) -> str:
    return "; ".join(
        f"{name} {_number(number, row.unit)}" if number else f"{name} not installed"
        for name, number in row.anchors.items()
    )


def _number(number: Number, unit: str) -> str:
    if number.median == number.least:
        return f"{_digits(number.median, unit)} {unit}".strip()
    return f"{_digits(number.median, unit)} ({_digits(number.least, unit)}) {unit}".strip()


def _digits(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value:.0f}"
    if not unit:
        return f"{value:.4f}"
    return (
        f"{value:.0f}"
        if value >= 100
        else f"{value:.1f}"
        if value >= 10
        else f"{value:.2f}"
        if value >= 0.1
        else f"{value:.3f}"
    )
