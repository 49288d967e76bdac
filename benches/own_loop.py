"""Our own loop, in this process: an engine, a session, and marks of when each model request began."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from benches.processes import model_variables
from hermitcrab.app import build_engine
from hermitcrab.core.messages import (
    BlockPart,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    Prompt,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ToolCall,
)
from hermitcrab.core.ports import PermissionQuestion, Provider
from hermitcrab.engine.connection import Connection
from hermitcrab.providers.pick import ProviderOptions, pick
from hermitcrab.store.paths import Paths

Marks = list[tuple[float, float]]


class Marked:
    """A provider that notes when it is asked, in wall time and in CPU time of this process."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.wire = provider.wire
        self.marks: Marks = []

    def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        self.mark()
        return self._provider.stream(prompt)

    def mark(self) -> None:
        self.marks.append((time.perf_counter(), time.process_time()))

    async def close(self) -> None:
        await self._provider.close()


class Nobody:
    """Is never asked; a measure that asks is wrong."""

    async def ask(self, question: PermissionQuestion) -> Any:
        raise AssertionError(question)


def over_the_wire(url: str) -> Marked:
    """Return the real provider, led to the mock."""
    return Marked(pick("anthropic/bench", ProviderOptions(environment=model_variables(url))))


class Script:
    """A model without latency or cost that says the same as the mock."""

    wire = "scripted"

    def __init__(self, kind: str, count: int) -> None:
        if kind == "read":
            calls = [("Read", {"file_path": "work.py", "offset": 1 + n % 220, "limit": 20}) for n in range(count)]
        else:
            edits = [(f"step = {n}\n", f"step = {n + 1}\n") for n in range(count)]
            calls = [("Read", {"file_path": "work.py"})]
            calls += [("Edit", {"file_path": "work.py", "old_string": old, "new_string": new}) for old, new in edits]
        self._replies = iter([*(_called(*call, number) for number, call in enumerate(calls)), _DONE])

    async def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        del prompt
        for part in next(self._replies):
            yield part

    async def close(self) -> None:
        pass


def _called(name: str, arguments: dict[str, Any], number: int) -> list[StreamPart]:
    call = f"call_{number}"
    raw = {"type": "tool_use", "id": call, "name": name, "input": arguments}
    pieces: list[StreamPart] = [CallStartPart(call, name), CallArgumentsPart(call, json.dumps(arguments))]
    return [*pieces, BlockPart(CallBlock(ToolCall(call, name, arguments)), raw), StopPart("tool_use")]


_DONE: list[StreamPart] = [
    TextPart("Done."),
    BlockPart(TextBlock("Done."), {"type": "text", "text": "Done."}),
    StopPart("end_turn"),
]


def scripted(kind: str, count: int) -> Marked:
    """Return the model without latency."""
    return Marked(Script(kind, count))


def make_work(root: Path) -> Path:
    """Make the folder that is worked in, with one file of 240 lines."""
    root.mkdir(parents=True)
    lines = ["step = 0", *(f"value_{n:03d} = compute(value_{n - 1:03d}, {n})  # {'x' * 20}" for n in range(1, 240))]
    (root / "work.py").write_text("\n".join(lines) + "\n")
    return root


async def marks_of(provider: Marked, root: Path, home: Path, *prompts: str) -> list[Marks]:
    """Run prompts in one session; return the marks of each."""
    engine = build_engine(paths=Paths.under(home), provider=provider)
    connection = Connection(
        id="bench",
        asker=Nobody(),
        listener=lambda _session, _event: None,
        environment={"PATH": "/usr/bin:/bin"},
        roots=(root,),
        command_line={"model": "anthropic/bench", "mode": "acceptEdits", "max_turns": 1000},
    )
    engine.connect(connection)
    found: list[Marks] = []
    try:
        session = await engine.new_session(connection, root)
        for prompt in prompts:
            provider.marks.clear()
            engine.prompt(session, prompt, connection)
            end = await session.wait()
            provider.mark()
            if end is None or end.reason != "end_turn":
                raise RuntimeError(f"a measured turn ended with {end}")
            found.append(list(provider.marks))
    finally:
        await engine.close()
        await provider.close()
    return found


def steps(marks: Marks) -> list[tuple[float, float]]:
    """Return wall and CPU seconds from each request to the next."""
    return [(after[0] - before[0], after[1] - before[1]) for before, after in itertools.pairwise(marks)]
