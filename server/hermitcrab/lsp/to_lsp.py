"""From our words to the protocol's (plain JSON): URIs, positions, diagnostics, edits of one open document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hermitcrab.core.edits import Hunk
from hermitcrab.core.ports import BufferEdit, Diagnostic
from hermitcrab.core.text import LineText, Position, PositionEncoding

if TYPE_CHECKING:
    from hermitcrab.core.messages import JsonObject
    from hermitcrab.workspace.documents import Document

_SEVERITIES: Final = {"error": 1, "warning": 2, "information": 3, "hint": 4}


def uri(path: Path) -> str:
    """Return the URI of an absolute path; a document that is open keeps the URI its client gave it."""
    return path.as_uri()


def position(place: Position, lines: LineText, encoding: PositionEncoding) -> JsonObject:
    """Return one of our positions in the client's encoding."""
    line, character = lines.to_client(place, encoding)
    return {"line": line, "character": character}


def span(start: Position, end: Position, lines: LineText, encoding: PositionEncoding) -> JsonObject:
    """Return two of our positions as a range in the client's encoding."""
    return {"start": position(start, lines, encoding), "end": position(end, lines, encoding)}


def diagnostic(item: Diagnostic, lines: LineText, encoding: PositionEncoding) -> JsonObject:
    """Return one of our diagnostics."""
    found: dict[str, Any] = {
        "range": span((item.line, item.column), (item.end_line, item.end_column), lines, encoding),
        "severity": _SEVERITIES[item.severity],
        "message": item.message,
    }
    if item.source:
        found["source"] = item.source
    if item.code:
        found["code"] = item.code
    return found


def apply_edit(edit: BufferEdit, encoding: PositionEncoding) -> JsonObject:
    """Return the params of `workspace/applyEdit` that all clients take: one file, its version, the smallest ranges."""
    return _apply(edit.uri, edit.version, text_edits(edit.text, edit.hunks, encoding), edit.label)


def append(document: Document, text: str, encoding: PositionEncoding) -> JsonObject:
    """Return the params of `workspace/applyEdit` that add text to the end of an open document."""
    end = document.lines.end
    edit = {"range": span(end, end, document.lines, encoding), "newText": text}
    return _apply(document.uri, document.version, [edit], "Hermitcrab")


def _apply(uri: str, version: int, edits: list[JsonObject], label: str) -> JsonObject:
    change = {"textDocument": {"uri": uri, "version": version}, "edits": edits}
    return {"label": label, "edit": {"documentChanges": [change]}}


def text_edits(text: str, hunks: Sequence[Hunk], encoding: PositionEncoding) -> list[JsonObject]:
    """Return hunks (offsets into `text`) as edits in order; what a hunk leaves alone at its ends is not touched."""
    lines = LineText(text)
    edits: list[JsonObject] = []
    for hunk in sorted(map(_trimmed, hunks), key=lambda hunk: hunk.start):
        if hunk.before != hunk.after:
            area = span(lines.position(hunk.start), lines.position(hunk.end), lines, encoding)
            edits.append({"range": area, "newText": hunk.after})
    return edits


def _trimmed(hunk: Hunk) -> Hunk:
    """Return the hunk without what `before` and `after` share at their ends."""
    before, after = hunk.before, hunk.after
    head = _common(before, after)
    if _cuts_line_end(before, head) or _cuts_line_end(after, head):
        head -= 1
    tail = _common(before[head:][::-1], after[head:][::-1])
    if _cuts_line_end(before, len(before) - tail) or _cuts_line_end(after, len(after) - tail):
        tail -= 1
    return Hunk(hunk.start + head, before[head : len(before) - tail], after[head : len(after) - tail])


def _common(first: str, second: str) -> int:
    """Return the length of what two texts share at their beginning."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _cuts_line_end(text: str, offset: int) -> bool:
    """Tell whether an offset lies between the CR and the LF of one line end: no position of the protocol does."""
    return offset > 0 and text[offset - 1 : offset + 1] == "\r\n"
