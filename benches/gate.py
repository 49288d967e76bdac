"""The decision on a call, and what it costs to remember it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benches.values import Number, Row, percentile
from hermitcrab.permissions.access import Access
from hermitcrab.permissions.decide import Policy, decide
from hermitcrab.permissions.rules import Rule
from hermitcrab.store.blobs import BlobStore
from hermitcrab.store.log import SessionLog

_RUNS = 3


def measure(folder: Path) -> list[Row]:
    """Decide many calls under many rules; append many records."""
    return [*_decisions(folder), *asyncio.run(_log(folder))]


def _decisions(folder: Path) -> list[Row]:
    rules = tuple(Rule("ask", tool) for tool in ("WebFetch", "WebSearch", "Git", "Rename") * 12)
    own = tuple(folder / name for name in ("config", "data", "state", "cache"))
    policy = Policy("default", folder, rules, trusted=True, has_reviewer=True, own=own)
    accesses = [_access(number, folder) for number in range(2_000)]
    runs = [_times(accesses, policy) for _ in range(_RUNS)]
    p50 = Number.of((percentile(run, 0.5) for run in runs), 1e6)
    p99 = Number.of((percentile(run, 0.99) for run in runs), 1e6)
    return [
        Row("Permissions", "one decision under 48 rules, CPU p50", "µs", p50),
        Row("Permissions", "one decision under 48 rules, CPU p99", "µs", p99, {}, "< 5 ms", p99.median < 5_000),
    ]


def _access(number: int, folder: Path) -> Access:
    path = folder / "a" / "deep" / "folder" / f"file_{number}.py"
    match number % 4:
        case 0:
            return Access("Read", "read", "read", "", (path,), named=(path,))
        case 1:
            return Access("Edit", "edit", "edit", "- a\n+ b", (path,), named=(path,))
        case 2:
            named = folder / ".git" / "hooks" / f"hook_{number}"
            return Access("Write", "edit", "write", "x", (named,), named=(named,))
        case _:
            command = f"cd src && pytest -q tests/test_{number}.py | tail -5"
            return Access("Bash", "execute", "run", command, command=command)


def _times(accesses: list[Access], policy: Policy) -> list[float]:
    found: list[float] = []
    for access in accesses:
        start = time.thread_time()  # one in a hundred would else be one the scheduler interrupted
        decide(access, policy)
        found.append(time.thread_time() - start)
    return found


async def _log(folder: Path) -> list[Row]:
    log = SessionLog("ses_1", folder / "log.jsonl", BlobStore(folder / "blobs"))
    log.open()
    payload: dict[str, Any] = {"call": "toolu_1", "tool": "Read", "text": "x = 1\n" * 160}
    line = json.dumps({"kind": "tool_result", **payload}).encode() + b"\n"
    handle = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def append() -> None:
        await log.append("tool_result", payload)

    async def append_sync() -> None:
        await log.append("tool_result", payload, sync=True)

    async def write() -> None:
        await asyncio.to_thread(os.write, handle, line)

    async def write_sync() -> None:
        await asyncio.to_thread(_write_sync, handle, line)

    plain, bare = [await _series(act, 1_000) for act in (append, write)]
    synced, bare_synced = [await _series(act, 100) for act in (append_sync, write_sync)]
    log.close()
    os.close(handle)
    return [
        Row("Log", "append of a 1 kB record", "µs", plain, {"`write` in a thread": bare}),
        Row("Log", "append and sync", "µs", synced, {"`write` and `fdatasync` in a thread": bare_synced}),
    ]


def _write_sync(handle: int, line: bytes) -> None:
    os.write(handle, line)
    os.fdatasync(handle)


async def _series(act: Callable[[], Awaitable[None]], count: int) -> Number:
    found: list[float] = []
    for _ in range(count):
        start = time.perf_counter()
        await act()
        found.append(time.perf_counter() - start)
    return Number.of(found, 1e6)
