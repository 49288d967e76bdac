"""The agent loop alone: a model of parts, tools that do as they are told, a real log, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hermitcrab.agent.context import TurnContext
from hermitcrab.agent.history import History
from hermitcrab.agent.journal import Journal
from hermitcrab.agent.turn import run_turn
from hermitcrab.core.events import Event, ToolCallFinished, TurnFinished
from hermitcrab.core.messages import (
    BlockPart,
    CallBlock,
    CallStartPart,
    Prompt,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ToolCall,
    ToolSpec,
    Usage,
    UsagePart,
)
from hermitcrab.core.ports import PermissionQuestion
from hermitcrab.permissions.access import Access
from hermitcrab.permissions.decide import Policy
from hermitcrab.permissions.rules import Rule
from hermitcrab.store.blobs import BlobStore
from hermitcrab.store.log import SessionLog, read_log
from hermitcrab.tools.base import SessionMemory, Tool, ToolInput, ToolResult

Step = StreamPart | Callable[[], Awaitable[None]] | Exception


def call(name: str, tool: str, **arguments: Any) -> list[StreamPart]:
    """The parts of one whole call."""
    block = CallBlock(ToolCall(name, tool, arguments))
    raw = {"type": "tool_use", "id": name, "name": tool, "input": arguments}
    return [CallStartPart(name, tool), BlockPart(block, raw)]


def say(text: str) -> list[StreamPart]:
    return [TextPart(text), BlockPart(TextBlock(text), {"type": "text", "text": text})]


def reply(*parts: Sequence[Step], stop: Any = "end_turn", usage: Usage | None = None) -> list[Step]:
    return [step for part in parts for step in part] + [UsagePart(usage or Usage()), StopPart(stop)]


@dataclass
class Model:
    """Says its replies one by one, and remembers what it was asked."""

    replies: list[list[Step]]
    prompts: list[Prompt] = field(default_factory=list)
    wire: str = "test"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        self.prompts.append(prompt)
        for step in self.replies.pop(0):
            if isinstance(step, Exception):
                raise step
            if callable(step):
                await step()
            else:
                yield step

    async def close(self) -> None:
        pass


class Nothing(ToolInput):
    """No arguments but a word."""

    word: str = ""


class Deed(Tool[Nothing]):
    """A tool whose doing is given to it."""

    kind = "edit"
    input = Nothing
    spec = ToolSpec("deed", "", {})  # type: ignore[assignment]

    def __init__(self, name: str, do: Callable[[str], Awaitable[str]], *, is_effectful: bool) -> None:
        self.name, self.is_effectful, self._do = name, is_effectful, do  # type: ignore[misc]

    async def access(self, args: Nothing, context: Any) -> Access:
        return Access(self.name, "edit" if self.is_effectful else "none", self.name, args.word, (Path("/root/a"),))

    async def run(self, args: Nothing, context: Any) -> AsyncGenerator[Event | ToolResult]:
        yield ToolResult(await self._do(args.word))


@dataclass
class Rights:
    """Edits in the root are free unless a rule asks."""

    rules: tuple[Rule, ...] = ()
    granted: list[tuple[str, str | None]] = field(default_factory=list)

    def policy(self) -> Policy:
        return Policy("acceptEdits", Path("/root"), self.rules)

    def grant(self, tool: str, command: str | None) -> None:
        self.granted.append((tool, command))

    async def trust(self) -> None:
        raise AssertionError


@dataclass
class Answers:
    """Answers what is asked; without an answer it waits for ever."""

    answers: list[Any] = field(default_factory=list)
    asked: list[PermissionQuestion] = field(default_factory=list)

    async def ask(self, question: PermissionQuestion) -> Any:
        self.asked.append(question)
        if not self.answers:
            await asyncio.Event().wait()
        return self.answers.pop(0)


class FailingLog:
    """A log on a disk that is full for the kinds it is told."""

    def __init__(self, log: SessionLog, *kinds: str) -> None:
        self._log, self.kinds = log, set(kinds)

    async def append(self, kind: str, payload: Any, *, sync: bool = False) -> int:
        if kind in self.kinds:
            raise OSError(28, "No space left on device")
        return await self._log.append(kind, payload, sync=sync)


@dataclass
class Case:
    """One turn on a model of parts."""

    folder: Path
    replies: list[list[Step]]
    rights: Rights = field(default_factory=Rights)
    asker: Answers = field(default_factory=Answers)
    history: History = field(default_factory=History)
    steps: int = 50
    cost: float | None = None
    did: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    full_for: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.blobs = BlobStore(self.folder / "blobs")
        self.log = SessionLog("ses_1", self.folder / "log.jsonl", self.blobs)
        self.log.open()
        self.model = Model(self.replies)
        self.tools: dict[str, Tool[Any]] = {}
        self.tool("Look", self._do, is_effectful=False)
        self.tool("Do", self._do)
        self.running = self.context()

    async def _do(self, word: str) -> str:
        self.did.append(word)
        return f"did {word}"

    def tool(self, name: str, do: Callable[[str], Awaitable[str]], *, is_effectful: bool = True) -> None:
        self.tools[name] = Deed(name, do, is_effectful=is_effectful)

    def context(self) -> TurnContext:
        log = cast("SessionLog", FailingLog(self.log, *self.full_for))
        nowhere = cast("Any", None)
        return TurnContext(
            session="ses_1",
            turn="turn_1",
            provider=self.model,
            model="m",
            max_tokens=100,
            context_size=None,
            max_steps=self.steps,
            max_cost=self.cost,
            cost_of=lambda usage: None if usage.output is None else usage.output * 1.0,
            tools=self.tools,
            history=self.history,
            journal=Journal(log),
            asker=self.asker,
            rights=self.rights,
            view=nowhere,
            diagnostics=nowhere,
            memory=SessionMemory(),
            environment={},
            texts=self.blobs,
            spill_directory=self.folder,
        )

    async def turn(self) -> list[Event]:
        async for event in run_turn(self.running):
            self.events.append(event)
        return self.events

    async def until(self, ready: Callable[[], bool]) -> asyncio.Task[Any]:
        """Start the turn and return it as soon as `ready`."""
        task = asyncio.create_task(self.turn())
        async with asyncio.timeout(5):
            while not ready():
                await asyncio.sleep(0.001)
        return task

    async def stop(self, task: asyncio.Task[Any]) -> list[ToolCallFinished]:
        """Stop the turn and return the results logged meanwhile and before."""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self.results([*self.events, *self.running.leftovers])

    def results(self, events: Sequence[Event] | None = None) -> list[ToolCallFinished]:
        return [event for event in events or self.events if isinstance(event, ToolCallFinished)]

    @property
    def end(self) -> TurnFinished:
        return next(event for event in reversed(self.events) if isinstance(event, TurnFinished))

    def logged(self, *kinds: str) -> list[dict[str, Any]]:
        records = read_log(self.folder / "log.jsonl", self.blobs).records
        return [record for record in records if not kinds or record["kind"] in kinds]
