"""`textDocument/did*`: what the editor has open, as it has it. Plain functions: this is the way of every keystroke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermitcrab.core.text import TextChange
from hermitcrab.lsp import from_lsp

if TYPE_CHECKING:
    from hermitcrab.core.text import PositionEncoding
    from hermitcrab.lsp.door import Door


def did_open(door: Door, params: Any) -> None:
    """Take in a document; one without a file of its own (untitled) is not ours to read or edit."""
    item = params["textDocument"]
    path = from_lsp.path(item["uri"])
    if path is None:
        return
    changed = door.host.documents.open(
        door.client.id, item["uri"], path, item.get("languageId", ""), item.get("version") or 0, item["text"]
    )
    door.document_changed(changed)


def did_change(door: Door, params: Any) -> None:
    """Make the client's changes."""
    item = params["textDocument"]
    if from_lsp.path(item["uri"]) is None:
        return
    changes = [_change(change, door.client.encoding) for change in params["contentChanges"]]
    changed = door.host.documents.change(door.client.id, item["uri"], item.get("version") or 0, changes)
    door.document_changed(changed)


def _change(change: Any, encoding: PositionEncoding) -> TextChange:
    area = change.get("range")
    if area is None:
        return TextChange(change["text"])
    start, end = area["start"], area["end"]
    return TextChange(change["text"], (start["line"], start["character"]), (end["line"], end["character"]), encoding)


def did_save(door: Door, params: Any) -> None:
    """Take note of a save."""
    uri = params["textDocument"]["uri"]
    if from_lsp.path(uri) is not None:
        door.document_changed(door.host.documents.save(door.client.id, uri, params.get("text")))


def did_close(door: Door, params: Any) -> None:
    """Forget a document."""
    uri = params["textDocument"]["uri"]
    if from_lsp.path(uri) is not None:
        door.document_changed(door.host.documents.close(door.client.id, uri))
        door.editor.forget(uri)
