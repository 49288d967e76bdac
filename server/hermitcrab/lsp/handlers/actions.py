"""The lightbulb: code actions, answered without a model and resolved when they are chosen."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, cast

from pygls.exceptions import JsonRpcInvalidParams

from hermitcrab.actions.offers import Offer, Place, Problem, offers
from hermitcrab.lsp import from_lsp
from hermitcrab.workspace.files import real_path

if TYPE_CHECKING:
    from hermitcrab.core.text import Position
    from hermitcrab.lsp.door import Door
    from hermitcrab.workspace.documents import Document

_SEVERITIES = {1: "error", 2: "warning", 3: "information", 4: "hint"}
_WORD = re.compile(r"\w+")


async def code_action(door: Door, params: Any) -> Any:
    """Offer what can be done at a place."""
    document = _document(door, params["textDocument"]["uri"])
    if document is None:
        return []
    if door.chats.session_of(document.path) is not None:
        return [_send(document)]
    diagnostics: list[Any] = params.get("context", {}).get("diagnostics") or []
    only: list[str] | None = params.get("context", {}).get("only")
    found = place(door, document, params["range"], diagnostics)
    is_model = await door.speaks_to_a_model(document.path)
    return [
        _action(door, offer, document, params["range"], diagnostics)
        for offer in offers(found, is_language_model=is_model)
        if not offer.disabled or door.shows_disabled_actions
        if only is None or any(offer.kind == kind or offer.kind.startswith(f"{kind}.") for kind in only)
    ]


async def resolve(_door: Door, action: Any) -> Any:
    """Give a chosen action its command."""
    data: Any = action.get("data") or {}
    if "command" not in action and "verb" in data:
        arguments = [{key: value for key, value in data.items() if key != "verb"}]
        action["command"] = {
            "title": action["title"],
            "command": f"hermitcrab.{data['verb']}",
            "arguments": arguments,
        }
    await asyncio.sleep(0)
    return action


def place(door: Door, document: Document, span: Any, diagnostics: list[Any]) -> Place:
    """Return a place in a document in our own coordinates."""
    start, end = _span(span, document, door)
    problems = tuple(_problem(item, document, door) for item in diagnostics)
    root = door.root_of(document.path).resolve()
    inside = document.path.is_relative_to(root)
    return Place(
        file=document.path.relative_to(root).as_posix() if inside else str(document.path),
        start=start,
        end=end,
        problems=problems,
        symbol="" if start != end else _word_at(document.lines.line(start[0]), start[1]),
        can_undo=door.can_undo(document.path),
    )


def _problem(item: Any, document: Document, door: Door) -> Problem:
    if not isinstance(item, dict):
        raise JsonRpcInvalidParams("each of `diagnostics` is an object with `range` and `message`")
    item = cast("dict[str, Any]", item)
    (line, column), _ = _span(item.get("range"), document, door)
    return Problem(
        line=line,
        column=column,
        severity=_SEVERITIES.get(item.get("severity", 1), "error"),
        source=str(item.get("source") or ""),
        code=str(item.get("code") or ""),
        message=str(item.get("message") or ""),
    )


def _span(area: Any, document: Document, door: Door) -> tuple[Position, Position]:
    try:
        return from_lsp.span(area, document, door.client.encoding)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise JsonRpcInvalidParams("`range` has `start` and `end`, each with `line` and `character`") from None


def _word_at(line: str, column: int) -> str:
    return next((match[0] for match in _WORD.finditer(line) if match.start() <= column <= match.end()), "")


def _document(door: Door, uri: str) -> Document | None:
    path = from_lsp.path(uri)
    return None if path is None else door.host.documents.get(door.client.id, real_path(path))


def _action(door: Door, offer: Offer, document: Document, span: Any, diagnostics: list[Any]) -> Any:
    chosen = [diagnostics[index] for index in offer.problems]
    action: dict[str, Any] = {"title": offer.title, "kind": offer.kind}
    if chosen:
        action["diagnostics"] = chosen
        action["isPreferred"] = False
    if door.lists_llm_tag and offer.verb != "undoTurn":
        action["tags"] = [1]
    if offer.disabled:
        action["disabled"] = {"reason": offer.disabled}
        return action
    data = {"verb": offer.verb, "uri": document.uri, "range": span, "diagnostics": chosen}
    if door.resolves_actions:
        return {**action, "data": data}
    arguments = [{key: value for key, value in data.items() if key != "verb"}]
    command = {"title": offer.title, "command": f"hermitcrab.{offer.verb}", "arguments": arguments}
    return {**action, "command": command}


def _send(document: Document) -> Any:
    command = {"title": "Send", "command": "hermitcrab.send", "arguments": [{"uri": document.uri}]}
    return {"title": "Send to Hermitcrab", "kind": "quickfix", "command": command}
