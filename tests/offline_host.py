"""A loop and tools in memory for the offline provider: the real checkers, texts in the formats of the real tools."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermitcrab.core.edits import TextId, text_hash
from hermitcrab.core.messages import (
    AssistantMessage,
    BlockPart,
    CallBlock,
    Prompt,
    RawReply,
    ResultBlock,
    TextBlock,
    ToolCall,
    ToolSpec,
    UserMessage,
)
from hermitcrab.diagnostics.collect import Collector
from hermitcrab.diagnostics.report import render
from hermitcrab.providers.offline.provider import OfflineProvider
from hermitcrab.workspace.view import Source

TOOLS = tuple(ToolSpec(name, "", {}) for name in ("Read", "Edit", "Grep", "Glob", "Diagnostics"))
ROOT = Path("/nowhere/project")


@dataclass
class Host:
    """Files in memory, and what happened to them."""

    files: dict[str, str]
    calls: list[ToolCall] = field(default_factory=list)
    refuse: frozenset[str] = frozenset()
    page: int = 2000
    collector: Collector = field(default_factory=Collector)

    async def turn(self, text: str, *, limit: int = 120) -> str:
        """Run one turn to its end and return the last words."""
        messages: list[Any] = [UserMessage((TextBlock(text),))]
        provider = OfflineProvider()
        for _ in range(limit):
            parts = [p async for p in provider.stream(Prompt("offline", "", TOOLS, tuple(messages)))]
            blocks = [part for part in parts if isinstance(part, BlockPart)]
            reply = AssistantMessage(
                tuple(b.block for b in blocks), RawReply(provider.wire, "offline", tuple(b.raw for b in blocks))
            )
            messages.append(reply)
            if not reply.calls:
                return reply.text
            messages.append(
                UserMessage(tuple([await self._run(b.block) for b in blocks if isinstance(b.block, CallBlock)]))
            )
        raise AssertionError("the turn does not end")

    async def _run(self, block: CallBlock) -> ResultBlock:
        call = block.call
        assert isinstance(call, ToolCall)
        self.calls.append(call)
        if call.name in self.refuse:
            return ResultBlock(call.id, "denied by the user", is_error=True)
        try:
            text = await getattr(self, f"_{call.name.lower()}")(**call.arguments)
        except (ValueError, KeyError) as error:
            return ResultBlock(call.id, str(error), is_error=True)
        return ResultBlock(call.id, text)

    def source(self, name: str) -> Source:
        text = self.files[name]
        return Source(ROOT / name, text, TextId(text_hash(text)), is_open=False, is_saved=True)

    async def _diagnostics(self, file_path: str) -> str:
        return render(await self.collector.collect(self.source(file_path), editor=None, is_trusted=False), file_path)

    async def _read(self, file_path: str, offset: int = 1) -> str:
        lines = re.split(r"\r\n|\n|\r", self.files[file_path])
        if not lines[-1]:
            lines.pop()
        last = min(offset - 1 + self.page, len(lines))
        rows = [f"{number}\t{line}" for number, line in enumerate(lines[offset - 1 : last], offset)]
        if last < len(lines):
            rows.append(f"[lines {offset}-{last} of {len(lines)}; go on with offset={last + 1}]")
        return "\n".join(rows)

    async def _edit(self, file_path: str, old_string: str, new_string: str) -> str:
        count = self.files[file_path].count(old_string)
        if count != 1 or old_string == new_string:
            raise ValueError(f"`old_string` occurs {count} times in `{file_path}`: {old_string!r}")
        self.files[file_path] = self.files[file_path].replace(old_string, new_string)
        return f"Edited `{file_path}`."

    async def _grep(self, pattern: str, output_mode: str = "", glob: str = "*", head_limit: int = 250) -> str:
        rows = [
            f"{name}:{number}:{line}"
            for name, text in sorted(self.files.items())
            if fnmatch.fnmatch(name.rpartition("/")[2], glob)
            for number, line in enumerate(text.splitlines(), 1)
            if re.search(pattern, line)
        ]
        return "\n".join(rows[:head_limit]) or "[nothing found]"

    async def _glob(self, pattern: str) -> str:
        names = [name for name in self.files if fnmatch.fnmatch(f"/{name}", f"*{pattern.removeprefix('**')}")]
        return "\n".join(names) or "[no files fit]"
