"""Chat for clients without our plugin: a Markdown file that the answer streams into.

The file is a view: the session's log is the truth. While it is open in the editor it grows by edits at its end, so that
what the user types above stays; while it is not, it grows on disk.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pygls.exceptions import JsonRpcException

from hermitcrab.lsp import to_lsp
from hermitcrab.lsp.jsonrpc import field_of
from hermitcrab.lsp.questions import ClientGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermitcrab.core import events
    from hermitcrab.lsp.connection import Connection
    from hermitcrab.workspace.documents import Document, Documents

FLUSH_SECONDS: Final = 0.15
MOST_REFUSALS: Final = 20  # in a row; what is left waits for the next text
_OPENING_SECONDS: Final = 2.0  # from the editor's answer to its `didOpen`
_OPENING_LOOKS: Final = 40
YOU: Final = "## You"
HERMITCRAB: Final = "## Hermitcrab"


class ChatFile:
    """One session's chat file; text is appended, at most every 150 ms, and never anywhere but at the end."""

    def __init__(self, client: Connection, documents: Documents, path: Path) -> None:
        self._client, self._documents, self.path = client, documents, path
        self._pending: list[str] = []
        self._flushing: asyncio.Task[None] | None = None
        self._has_shown = False
        self._message = ""
        self._expected = ""
        self._may_grow = asyncio.Event()
        self._may_grow.set()

    def expect(self, text: str) -> None:
        """The user wrote `text` into the file already: do not write it again."""
        self._expected = text

    def take(self, event: events.Event) -> None:
        """Take one event; never blocks."""
        if text := self._text(event):
            self.append(text)

    def append(self, text: str) -> None:
        """Add text to the end, soon."""
        self._pending.append(text)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())

    async def show(self) -> None:
        """Open the file in the editor, once, without taking the focus; where that cannot be, say where it is."""
        if self._has_shown:
            return
        self._has_shown = True
        await asyncio.to_thread(_append_on_disk, self.path, "")
        await self.settle()
        self._may_grow.clear()  # between the editor's reading and its `didOpen` nothing may be added
        try:
            if not await self._open():
                message = f"Hermitcrab answers in `{self.path}`"
                self._client.notify("window/showMessage", {"type": 3, "message": message})
        finally:
            self._may_grow.set()

    async def _open(self) -> bool:
        params = {"uri": to_lsp.uri(self.path), "external": False, "takeFocus": False}
        try:
            answer: Any = await self._client.request("window/showDocument", params, timeout=10)
        except (JsonRpcException, TimeoutError):
            return False
        except ClientGoneError:
            return True
        for _ in range(_OPENING_LOOKS):
            if self._documents.get(self._client.id, self.path) is not None:
                return True
            await asyncio.sleep(_OPENING_SECONDS / _OPENING_LOOKS)
        return field_of(answer, "success") is True

    async def settle(self) -> None:
        """Wait until everything appended so far is in the file."""
        while self._flushing is not None and not self._flushing.done():
            await asyncio.wait({self._flushing})

    def _text(self, event: events.Event) -> str:
        from hermitcrab.core import events

        match event:
            case events.PromptReceived(text=text):
                said, self._expected = self._expected == text, ""
                return f"\n\n{HERMITCRAB}\n\n" if said else f"{YOU}\n\n{text.strip()}\n\n{HERMITCRAB}\n\n"
            case events.TextDelta(text=text, message=message):
                gap = "\n\n" if self._message and message != self._message else ""
                self._message = message
                return gap + text
            case events.ToolCallStarted(title=title):
                self._message = ""
                return f"\n- {title}"
            case events.ToolCallFinished(status=status, text=text):
                self._message = ""
                return "" if status == "completed" else f"\n- {status}: {text.splitlines()[0] if text else ''}"
            case events.TurnUndone(reverted=reverted):
                return f"\n- undone in {', '.join(path.name for path in reverted) or 'no file'}\n"
            case events.TurnFinished(message=message):
                self._message = ""
                return (f"\n\n*{message}*" if message else "") + f"\n\n{YOU}\n\n"
            case _:
                return ""

    async def _flush(self) -> None:
        await asyncio.sleep(FLUSH_SECONDS)
        refusals = 0
        while self._pending and refusals < MOST_REFUSALS:
            await self._may_grow.wait()
            text = "".join(self._pending)
            self._pending.clear()
            document = self._documents.get(self._client.id, self.path)
            if document is None:
                await asyncio.to_thread(_append_on_disk, self.path, text)
            elif not await self._append_in_editor(document, text):
                refusals += 1
                self._pending.insert(0, text)
                await asyncio.sleep(FLUSH_SECONDS)

    async def _append_in_editor(self, document: Document, text: str) -> bool:
        """Add text; False when it is not there and may be sent again."""
        params = to_lsp.append(document, text, self._client.encoding)
        version, known = document.version, document.text.count(text)
        with self._documents.watch(document) as watch:
            try:
                answer: Any = await self._client.request("workspace/applyEdit", params, timeout=5)
            except (JsonRpcException, TimeoutError):
                return False
            except ClientGoneError:
                return True
            if field_of(answer, "applied") is not True:
                return False
            try:
                async with asyncio.timeout(self._client.profile.echo_seconds):
                    while document.text.count(text) <= known:
                        await watch.news()
                        if watch.is_closed:
                            return False
            except TimeoutError:
                return document.version == version  # typed in, and our text is not there: it was dropped
        return True


def _append_on_disk(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ignore = path.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", "utf-8")
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)


class ChatFiles:
    """The chat files of one client, by session."""

    def __init__(self, client: Connection, documents: Documents, folder: Callable[[str], Path | None]) -> None:
        self._client, self._documents, self._folder = client, documents, folder
        self._files: dict[str, ChatFile] = {}

    def take(self, session: str, event: events.Event) -> None:
        """Show one event in its session's file."""
        if (file := self.of(session)) is not None:
            file.take(event)

    def of(self, session: str) -> ChatFile | None:
        """Return a session's file; None when there is no folder it may be in."""
        if session not in self._files and (folder := self._folder(session)) is not None:
            self._files[session] = ChatFile(self._client, self._documents, folder / f"{session}.md")
        return self._files.get(session)

    def session_of(self, path: Path) -> str | None:
        """Return the session whose file `path` is."""
        return next((session for session, file in self._files.items() if file.path == path), None)
