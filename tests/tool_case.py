"""A session's tools on a folder of their own, as `agent.call` uses them: parsed, shown to the gate, run."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermitcrab.core.events import EditConfirmed, Event, ToolOutput
from hermitcrab.core.ports import ApplyReply, BufferEdit, ClientProfile
from hermitcrab.core.text import TextChange
from hermitcrab.diagnostics.collect import Collector
from hermitcrab.permissions.access import Access
from hermitcrab.store.blobs import BlobStore
from hermitcrab.tools.base import SessionMemory, ToolContext, ToolResult
from hermitcrab.tools.registry import core_tools
from hermitcrab.workspace.documents import Documents
from hermitcrab.workspace.view import View

TOOLS = {tool.name: tool for tool in core_tools()}


@dataclass
class FakeEditor:
    """An editor that applies what it is sent and echoes it at once."""

    documents: Documents
    profile: ClientProfile = field(default_factory=lambda: ClientProfile("fake", saves_on_request=True))
    refuses: str = ""

    async def apply_edit(self, edit: BufferEdit) -> ApplyReply:
        if self.refuses:
            return ApplyReply(applied=False, reason=self.refuses)
        text, shift = edit.text, 0
        for hunk in edit.hunks:
            start = hunk.start + shift
            assert text[start : start + len(hunk.before)] == hunk.before
            text = text[:start] + hunk.after + text[start + len(hunk.before) :]
            shift += len(hunk.after) - len(hunk.before)
        self.documents.change("c1", edit.uri, edit.version + 1, [TextChange(text)])
        return ApplyReply(applied=True)

    async def save(self, path: Path) -> bool:
        document = self.documents.get("c1", path)
        assert document is not None
        path.write_bytes(document.text.encode())
        self.documents.save("c1", document.uri)
        return True

    async def diagnostics(self, path: Path) -> None:
        return None


@dataclass
class Outcome:
    """What one call came to."""

    access: Access
    events: list[Event]
    result: ToolResult

    @property
    def text(self) -> str:
        return self.result.text

    @property
    def edits(self) -> list[EditConfirmed]:
        return [event for event in self.events if isinstance(event, EditConfirmed)]

    @property
    def live(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ToolOutput))


class ToolCase:
    """One session on one folder."""

    def __init__(self, root: Path, spill: Path) -> None:
        self.root = root
        self.documents = Documents()
        self.editor = FakeEditor(self.documents)
        self.view = View(root, self.documents, connection="c1", editor=self.editor)
        self.memory = SessionMemory()
        self.spill = spill
        self.environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(root)}
        self.calls = 0

    def write(self, name: str, text: str | bytes) -> Path:
        """Put a file on disk."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def open(self, name: str, text: str, connection: str = "c1") -> None:
        """Open a document in an editor, with the text it has there."""
        path = self.root / name
        self.documents.open(connection, path.as_uri(), path, "python", 1, text)

    def type(self, name: str, text: str) -> None:
        """Let the user change an open document."""
        document = self.documents.get("c1", self.root / name)
        assert document is not None
        self.documents.change("c1", document.uri, document.version + 1, [TextChange(text)])

    def buffer(self, name: str) -> str:
        """Return what the editor shows."""
        document = self.documents.get("c1", self.root / name)
        assert document is not None
        return document.text

    def context(self) -> ToolContext:
        self.calls += 1
        return ToolContext(
            session="session",
            turn="turn",
            call=f"call{self.calls}",
            view=self.view,
            diagnostics=Collector(),
            memory=self.memory,
            environment=self.environment,
            is_trusted=True,
            texts=BlobStore(self.spill.parent / "blobs"),
            spill_directory=self.spill,
        )

    async def access(self, tool: str, /, **arguments: Any) -> Access:
        one = TOOLS[tool]
        return await one.access(one.parse(_keys(arguments)), self.context())

    async def call(self, tool: str, /, **arguments: Any) -> Outcome:
        """Do what the gate does; `meanwhile` runs between the permission and the call."""
        meanwhile = arguments.pop("meanwhile", None)
        one = TOOLS[tool]
        args = one.parse(_keys(arguments))
        context = self.context()
        access = await one.access(args, context)
        if meanwhile is not None:
            meanwhile()
        items = [item async for item in one.run(args, context)]
        assert isinstance(items[-1], ToolResult), "a call ends with its one result"
        events = [item for item in items if isinstance(item, Event)]
        assert len(events) == len(items) - 1
        return Outcome(access, events, items[-1])


def _keys(arguments: dict[str, Any]) -> dict[str, Any]:
    """Write `_i=True` for `-i`, which no Python keyword can be."""
    return {f"-{key[1:]}" if key.startswith("_") else key: value for key, value in arguments.items()}


async def processes_with(mark: str) -> list[int]:
    """Return the processes whose command line holds `mark`; our own does not count."""
    return await asyncio.to_thread(_processes_with, mark)


def _processes_with(mark: str) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(entry.name))
    return found
