"""A simulated editor: a user who types, manners in applying edits, and ways of telling of changes.

The model knows nothing of the product: it speaks to a `Wire`. `InProcess` is the wire into the product's documents and
the product's port `Editor`; a wire of real LSP messages can take its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from hermitcrab.core.ports import ApplyReply, BufferEdit, ClientProfile, Diagnostic
from hermitcrab.core.text import PositionEncoding, TextChange
from hermitcrab.workspace.documents import Documents
from simulator.buffer import Buffer, Change, minimal, offset_at, place_of

Range = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Manners:
    """How an editor behaves, as data."""

    stale: Literal["reject", "drop", "ignore"] = "reject"  # an edit for another version
    echo: Literal["each", "split", "merged", "full", "missing"] = "each"
    echo_delay: float = 0.0
    latency: float = 0.01  # from our sending to its applying
    reply_delay: float = 0.0  # from its applying to our hearing
    replies: bool = True
    refuses: str = ""  # refuses every edit, for this reason
    saves: bool = False
    line_end: str = ""  # knows only this one
    encoding: PositionEncoding = "utf-16"

    @property
    def profile(self) -> ClientProfile:
        return ClientProfile(
            self.stale,
            checks_versions=self.stale != "ignore",
            tells_refusal=self.stale == "reject",
            saves_on_request=self.saves,
            echo_seconds=2.0,
        )


class Wire(Protocol):
    """Where the editor's messages go."""

    def did_open(self, uri: str, version: int, text: str) -> None: ...
    def did_change(self, uri: str, version: int, changes: Sequence[Change]) -> None: ...
    def did_save(self, uri: str) -> None: ...
    def did_close(self, uri: str) -> None: ...


@dataclass
class SimulatedEditor:
    """Open buffers, a user, and a server at the other end of a wire."""

    manners: Manners
    wire: Wire
    buffers: dict[str, Buffer] = field(default_factory=dict)
    saved: list[tuple[str, str]] = field(default_factory=list)
    applied: list[tuple[str, list[tuple[Range, str]]]] = field(default_factory=list)
    before_apply: list[Callable[[], None]] = field(default_factory=list)  # each is called once
    after_apply: list[Callable[[], None]] = field(default_factory=list)
    _edited: dict[str, int] = field(default_factory=dict)  # version after the server's last edit
    _told: dict[str, str] = field(default_factory=dict)
    _pending: dict[str, list[tuple[int, list[Change]]]] = field(default_factory=dict)

    # What the user does.

    def open(self, uri: str, text: str) -> Buffer:
        buffer = self.buffers[uri] = Buffer(uri, text)
        self._told[uri] = text
        self.wire.did_open(uri, buffer.version, text)
        return buffer

    def type(self, uri: str, offset: int, new: str, *, delete: int = 0) -> None:
        buffer = self.buffers[uri]
        change = buffer.replace(offset, offset + delete, new, self.manners.encoding)
        self._tell(uri, [change])

    def close(self, uri: str) -> None:
        del self.buffers[uri]
        self._pending.pop(uri, None)
        self.wire.did_close(uri)

    def save(self, uri: str) -> None:
        self.flush(uri)
        path = Path(unquote(urlsplit(uri).path))
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(self.buffers[uri].text)
        self.saved.append((uri, self.buffers[uri].text))
        self.wire.did_save(uri)

    # What the server asks for.

    async def apply(self, uri: str, version: int | None, edits: list[tuple[Range, str]]) -> tuple[bool, str] | None:
        await asyncio.sleep(self.manners.latency)
        _run(self.before_apply)
        reply = self._apply_now(uri, version, edits)
        _run(self.after_apply)
        await asyncio.sleep(self.manners.reply_delay)
        return reply if self.manners.replies else None

    def _apply_now(self, uri: str, version: int | None, edits: list[tuple[Range, str]]) -> tuple[bool, str]:
        manners, buffer = self.manners, self.buffers.get(uri)
        if manners.refuses:
            return False, manners.refuses
        if buffer is None:
            return manners.stale != "reject", "no such buffer"
        if version is not None and version != buffer.version and manners.stale != "ignore":
            return manners.stale == "drop", "" if manners.stale == "drop" else "document has changed"
        self.applied.append((uri, edits))
        text, changes = buffer.text, []
        for (start, end), new in sorted(edits, reverse=True):
            first, last = (offset_at(text, *place, manners.encoding) for place in (start, end))
            new = _with_line_end(new, manners.line_end)  # noqa: PLW2901
            changes.append(buffer.replace(first, last, new, manners.encoding))
        self._edited[uri] = buffer.version
        self._tell(uri, changes)
        return True, ""

    async def save_on_request(self, uri: str) -> bool:
        await asyncio.sleep(self.manners.latency)
        if not self.manners.saves or uri not in self.buffers:
            return False
        if self._edited.get(uri) != self.buffers[uri].version:
            return False  # our clients never save over what the user typed since the server's edit
        self.save(uri)
        return True

    # How it tells of changes.

    def _tell(self, uri: str, changes: list[Change]) -> None:
        manners, version = self.manners, self.buffers[uri].version
        if manners.echo == "missing":
            return
        if manners.echo in {"merged", "full"}:
            if uri not in self._pending:
                self._pending[uri] = []
                asyncio.get_running_loop().call_later(manners.echo_delay, self.flush, uri)
            return
        parts = [[change] for change in changes] if manners.echo == "split" else [changes]
        for index, part in enumerate(parts):
            number = version - len(changes) + index + 1 if manners.echo == "split" else version
            self._pending.setdefault(uri, []).append((number, part))
            if manners.echo_delay:
                asyncio.get_running_loop().call_later(manners.echo_delay, self._tell_first, uri)
            else:
                self._tell_first(uri)

    def _tell_first(self, uri: str) -> None:
        if self._pending.get(uri):
            self.wire.did_change(uri, *self._pending[uri].pop(0))

    def flush(self, uri: str) -> None:
        """Tell of everything not yet told."""
        if uri not in self.buffers or uri not in self._pending:
            return
        if self.manners.echo not in {"merged", "full"}:
            while self._pending[uri]:
                self._tell_first(uri)
            return
        del self._pending[uri]
        buffer, told = self.buffers[uri], self._told[uri]
        if told != buffer.text:
            full = self.manners.echo == "full"
            change = Change(buffer.text) if full else minimal(told, buffer.text, self.manners.encoding)
            self._told[uri] = buffer.text
            self.wire.did_change(uri, buffer.version, [change])


def _run(actions: list[Callable[[], None]]) -> None:
    if actions:
        actions.pop(0)()


def _with_line_end(text: str, line_end: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", line_end) if line_end else text


@dataclass
class InProcess:
    """The wire into the product without bytes between, and the product's port to this editor."""

    documents: Documents
    connection: str
    manners: Manners
    sent: list[BufferEdit] = field(default_factory=list)
    saves_asked: int = 0
    told: set[str] = field(default_factory=set)  # every character the server ever heard of

    def __post_init__(self) -> None:
        self.editor = SimulatedEditor(self.manners, self)

    @property
    def profile(self) -> ClientProfile:
        return self.manners.profile

    async def apply_edit(self, edit: BufferEdit) -> ApplyReply:
        self.sent.append(edit)
        encoding = self.manners.encoding
        edits = [
            ((place_of(edit.text, hunk.start, encoding), place_of(edit.text, hunk.end, encoding)), hunk.after)
            for hunk in edit.hunks
        ]
        reply = await self.editor.apply(edit.uri, edit.version, edits)
        if reply is None:
            await asyncio.get_running_loop().create_future()
            raise AssertionError
        return ApplyReply(*reply)

    async def save(self, path: Path) -> bool:
        self.saves_asked += 1
        return await self.editor.save_on_request(path.as_uri())

    async def diagnostics(self, path: Path) -> Sequence[Diagnostic] | None:
        return None

    def did_open(self, uri: str, version: int, text: str) -> None:
        self.documents.open(self.connection, uri, Path(unquote(urlsplit(uri).path)), "python", version, text)

    def did_change(self, uri: str, version: int, changes: Sequence[Change]) -> None:
        self.told.update(*(change.text for change in changes))
        told = [TextChange(change.text, change.start, change.end, self.manners.encoding) for change in changes]
        self.documents.change(self.connection, uri, version, told)

    def did_save(self, uri: str) -> None:
        self.documents.save(self.connection, uri)

    def did_close(self, uri: str) -> None:
        self.documents.close(self.connection, uri)
