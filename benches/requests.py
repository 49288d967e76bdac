"""What is sent: the size of the first request, and how much of each request repeats the one before."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any, cast

from benches.own_loop import make_work, marks_of, over_the_wire
from benches.processes import mock
from benches.turns import null_loop
from benches.values import Number, Row

_ROUNDS = 4
_PROMPTS = 13  # of four requests a round and a last word each: 221 requests


def measure(folder: Path) -> list[Row]:
    """Hold a long conversation with edits, mistakes, thoughts and reads side by side; look at every request."""
    bodies = conversation(folder)
    with mock(folder) as url:
        null: Any = null_loop(url, make_work(folder / "null"), "fix the bug")["sizes"]
    shares = prefix_shares(bodies)
    first = json.loads(bodies[0])
    size = len(bodies[0])
    return [
        Row("Requests", "first request, core tools", "bytes", _one(size), {"null loop": _one(null[0])}, "≤ 12 000 bytes", size <= 12_000),
        Row("Requests", "of it, descriptions of tools", "bytes", _one(len(json.dumps(first["tools"])))),
        Row("Requests", "of it, system text", "bytes", _one(len(json.dumps(first["system"])))),
        Row("Requests", f"least prefix share over {len(bodies)} requests", "", _one(min(shares)), {}, "= 1.0000", min(shares) == 1.0),
    ]  # fmt: skip


def conversation(folder: Path) -> list[bytes]:
    """Return the bodies of more than 200 requests of one session."""
    record = folder / "bodies"
    with mock(folder, record=record) as url:
        prompts = ["fix the bug", *(f"@mixed {_ROUNDS}" for _ in range(_PROMPTS))]
        asyncio.run(marks_of(over_the_wire(url), make_work(folder / "work"), folder / "home", *prompts))
    return record.read_bytes().splitlines()


def prefix_shares(bodies: list[bytes]) -> list[float]:
    """Return, for each request but the first, how much of the one before stands at its beginning."""
    prompts = [canonical(body) for body in bodies]
    return [_common(before, after) / len(before) for before, after in itertools.pairwise(prompts)]


def canonical(body: bytes) -> bytes:
    """Return the prompt in the order a vendor reads it: tools, system, messages; without cache marks."""
    value = json.loads(body)
    parts: list[Any] = [*value.get("tools", ()), *value.get("system", ())]
    for message in value["messages"]:
        parts += [[message["role"], block] for block in message["content"]]
    return b"\n".join(json.dumps(_unmarked(part), ensure_ascii=False).encode() for part in parts)


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {key: _unmarked(item) for key, item in members if key != "cache_control"}
    return [_unmarked(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _common(first: bytes, second: bytes) -> int:
    if second.startswith(first):
        return len(first)
    return next(at for at, (a, b) in enumerate(zip(first, second + b"\0", strict=False)) if a != b)


def _one(value: float) -> Number:
    return Number(value, value)
