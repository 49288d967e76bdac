"""From the protocol's words (plain JSON) to ours: URIs, position encodings, ranges, diagnostics."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import unquote_to_bytes

from hermitcrab.core.ports import Diagnostic
from hermitcrab.core.text import Position, PositionEncoding
from hermitcrab.lsp.jsonrpc import field_of

if TYPE_CHECKING:
    from hermitcrab.workspace.documents import Document

Severity = Literal["error", "warning", "information", "hint"]

_ENCODINGS: Final[tuple[PositionEncoding, ...]] = ("utf-8", "utf-16", "utf-32")
_SEVERITIES: Final[dict[Any, Severity]] = {1: "error", 2: "warning", 3: "information", 4: "hint"}


def path(uri: str, *, windows: bool = os.name == "nt") -> Path | None:
    """Return the file a URI names; None for `untitled:` and every other scheme, and for files of other machines."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "file" or not rest.startswith("/"):
        return None
    host, rest = _split_host(rest)
    try:
        name = os.fsdecode(unquote_to_bytes(rest))
    except UnicodeEncodeError:  # a lone surrogate is in no URI
        return None
    if "\0" in name or not name.startswith("/"):
        return None
    if windows:
        return Path(f"//{host}{name}" if host else name[1:] if _has_drive(name) else name)
    return None if host else Path(name)


def _split_host(rest: str) -> tuple[str, str]:
    """Return the machine (empty for this one) and the path of what stands behind `file:`."""
    if not rest.startswith("//"):
        return "", rest
    host, slash, name = rest[2:].partition("/")
    return "" if host.lower() == "localhost" else host, slash + name


def _has_drive(name: str) -> bool:
    """Tell whether a path reads `/c:` or `/c:/…`."""
    return len(name) >= 3 and name[1].isalpha() and name[1].isascii() and name[2] == ":" and name[3:4] in {"", "/"}


def roots(params: Mapping[str, Any]) -> list[Path | None]:
    """Return the folders a client has open, from `initialize`; None stands for one that is no folder of this machine."""
    folders: Any = params.get("workspaceFolders")
    if isinstance(folders, list | tuple) and folders:
        listed = cast("list[Any]", folders)
        uris = [field_of(item, "uri") for item in listed]
        return [path(uri) if isinstance(uri, str) else None for uri in uris]
    if isinstance(uri := params.get("rootUri"), str):
        return [path(uri)]
    if isinstance(name := params.get("rootPath"), str) and name:
        return [Path(name)]
    return []


def choose_encoding(capabilities: Mapping[str, Any]) -> PositionEncoding:
    """Return the first position encoding in the client's list that we know; UTF-16 when there is none."""
    offered = field_of(capabilities.get("general"), "positionEncodings")
    if isinstance(offered, list | tuple):
        for value in cast("list[Any]", offered):
            for known in _ENCODINGS:
                if value == known:
                    return known
    return "utf-16"


def span(area: Any, document: Document, encoding: PositionEncoding) -> tuple[Position, Position]:
    """Return a client's range in a document as two of our positions."""
    return _position(area["start"], document, encoding), _position(area["end"], document, encoding)


def _position(place: Any, document: Document, encoding: PositionEncoding) -> Position:
    return document.lines.from_client((int(place["line"]), int(place["character"])), encoding)


def diagnostic(item: Any, document: Document, version: int | None, encoding: PositionEncoding) -> Diagnostic:
    """Return a diagnostic that a client shows as ours; one without a sensible range counts for the first line."""
    try:
        start, end = span(item["range"], document, encoding)
    except (KeyError, TypeError, ValueError):
        start = end = (0, 0)
    code, severity = field_of(item, "code"), field_of(item, "severity")
    return Diagnostic(
        path=document.path,
        line=start[0],
        column=start[1],
        end_line=end[0],
        end_column=end[1],
        severity=_SEVERITIES.get(severity, "error") if isinstance(severity, int) else "error",
        message=str(field_of(item, "message") or ""),
        source=str(field_of(item, "source") or ""),
        code="" if code is None else str(code),
        version=version,
    )
