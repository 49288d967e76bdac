"""Publishes what our own quick checks find in open documents, when typing pauses; steps back for the editor's sources."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.lsp import to_lsp

if TYPE_CHECKING:
    from hermitcrab.core.ports import Diagnostic
    from hermitcrab.lsp.door import Door
    from hermitcrab.workspace.documents import Document, DocumentChanged

_log = logging.getLogger("hermitcrab.lsp")

PAUSE_SECONDS: Final = 0.3


class Publisher:
    """One client's published diagnostics; each set carries the version it was computed on."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._is_on = False

    def begin(self) -> None:
        """Start, with what is open already; `"diagnostics": "off"` among the editor's settings keeps us quiet."""
        self._is_on = self._door.client_settings.get("diagnostics", "on") != "off"
        for document in self._door.host.documents:
            if self._is_on and document.connection == self._door.client.id:
                self._soon(document.uri)

    def end(self) -> None:
        """Stop."""
        self._is_on = False
        for task in self._waiting.values():
            task.cancel()

    def document_changed(self, changed: DocumentChanged) -> None:
        """Take note of a change; never blocks."""
        if not self._is_on:
            return
        if changed.kind == "closed":
            if (task := self._waiting.pop(changed.uri, None)) is not None:
                task.cancel()
            self._door.client.notify("textDocument/publishDiagnostics", {"uri": changed.uri, "diagnostics": []})
        elif changed.kind != "saved":
            self._soon(changed.uri)

    def _soon(self, uri: str) -> None:
        if (task := self._waiting.get(uri)) is not None:
            task.cancel()
        task = self._waiting[uri] = asyncio.create_task(self._publish(uri))
        task.add_done_callback(lambda done: self._forget(uri, done))

    def _forget(self, uri: str, task: asyncio.Task[None]) -> None:
        if self._waiting.get(uri) is task:
            del self._waiting[uri]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("checking a document failed", exc_info=error)

    async def _publish(self, uri: str) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        door = self._door
        try:
            document = door.host.documents.find(door.client.id, uri)
            engine, connection = await door.engine()
            root = door.root_of(document.path)
            source = await engine.services.view(root, connection).read(document.path)
            found = await engine.services.collector.check(
                source, is_trusted=engine.services.trust.is_trusted(root), environment=connection.environment
            )
        except HermitcrabError:
            return
        if document.version == found.version:
            door.client.notify("textDocument/publishDiagnostics", self._params(document, found.items))

    def _params(self, document: Document, items: tuple[Diagnostic, ...]) -> dict[str, Any]:
        shown = self._door.editor.remembered(document.path)
        taken = {item.line for item in shown.items} if shown else set[int]()
        ours = [item for item in items if item.line not in taken]
        diagnostics = [to_lsp.diagnostic(item, document.lines, self._door.client.encoding) for item in ours]
        return {
            "uri": document.uri,
            "version": document.version,
            "diagnostics": [
                {**item, "source": f"hermitcrab {item.get('source') or ''}".strip()} for item in diagnostics
            ],
        }
