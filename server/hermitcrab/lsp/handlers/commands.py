"""`workspace/executeCommand`: every verb, for every client; answered at once, progress and updates tell the rest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pygls.exceptions import JsonRpcInvalidParams

from hermitcrab.actions.prompts import ask_prompt, explain_prompt, fix_prompt
from hermitcrab.core.errors import HermitcrabError
from hermitcrab.lsp import from_lsp
from hermitcrab.lsp.chat_file import HERMITCRAB, YOU
from hermitcrab.lsp.handlers.actions import place
from hermitcrab.workspace.files import real_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hermitcrab.lsp.door import Door
    from hermitcrab.workspace.documents import Document


async def execute(door: Door, params: Any) -> Any:
    """Run one command."""
    command = COMMANDS.get(params["command"])
    if command is None:
        raise JsonRpcInvalidParams(f"there is no command `{params['command']}`; there are: {', '.join(COMMANDS)}")
    arguments: list[Any] = params.get("arguments") or []
    first: Any = arguments[0] if arguments else None
    return await command(door, first if isinstance(first, dict) else {})


async def fix(door: Door, args: Any) -> Any:
    """Fix problems, a selection or a symbol."""
    document = _document(door, args)
    found = place(door, document, _range(args), args.get("diagnostics") or [])
    return await _turn(door, document, fix_prompt(found, found.problems))


async def ask(door: Door, args: Any) -> Any:
    """Ask about a place; without a question and without our plugin, a chat file is opened to write it in."""
    document = _document(door, args)
    found = place(door, document, _range(args), args.get("diagnostics") or [])
    question = args.get("question")
    if question:
        return await _turn(door, document, ask_prompt(found, str(question)), shows=True)
    session = await door.session(door.root_of(document.path))
    if (chat := door.chats.of(session.id)) is not None and not door.has_plugin:
        chat.append(f"{YOU}\n\n{ask_prompt(found, '').strip()}\n")
        door.keep(asyncio.create_task(chat.show()))
    return {"sessionId": session.id}


async def explain(door: Door, args: Any) -> Any:
    """Explain a place."""
    document = _document(door, args)
    found = place(door, document, _range(args), args.get("diagnostics") or [])
    return await _turn(door, document, explain_prompt(found), shows=True)


async def send(door: Door, args: Any) -> Any:
    """Send what stands under the last *You* of a chat file."""
    document = _document(door, args)
    session_id = door.chats.session_of(document.path)
    if session_id is None:
        raise HermitcrabError(f"`{document.path.name}` is not a chat of this session")
    text = document.text.rpartition(f"{YOU}\n")[2].strip()
    if not text or HERMITCRAB in text:
        raise HermitcrabError(f"write your message under the last `{YOU}` first")
    engine, _ = await door.engine()
    session = engine.session(session_id)
    if (chat := door.chats.of(session_id)) is not None:
        chat.expect(text)
    turn = await door.prompt(session, text)
    return {"sessionId": session_id, "turnId": turn}


async def undo_turn(door: Door, args: Any) -> Any:
    """Take back the last turn of the session at hand."""
    from hermitcrab.wire.from_events import undo_summary

    session = await _session(door, args)
    _, connection = await door.engine()
    undone = await session.undo(args.get("turnId"), connection)
    if not door.has_plugin or undone.kept or undone.not_covered:
        door.client.notify("window/showMessage", {"type": 3, "message": f"Hermitcrab: {undo_summary(undone)}"})
    return {
        "sessionId": session.id,
        "turnId": undone.turn,
        "reverted": [str(path) for path in undone.reverted],
        "kept": [{"path": str(path), "reason": reason} for path, reason in undone.kept],
        "notCovered": list(undone.not_covered),
    }


async def cancel(door: Door, args: Any) -> Any:
    """Stop the running turn of the session at hand."""
    session = await _session(door, args)
    return {"sessionId": session.id, "cancelled": await session.cancel()}


async def _session(door: Door, args: Any) -> Any:
    engine, _ = await door.engine()
    if args.get("sessionId"):
        return engine.session(str(args["sessionId"]))
    path = from_lsp.path(args["uri"]) if args.get("uri") else None
    known = door.known_session(path) if path else None
    session = engine.session(known) if known else await door.current()
    if session is None:
        raise HermitcrabError("nothing has been asked of Hermitcrab here yet")
    return session


async def _turn(door: Door, document: Document, prompt: str, *, shows: bool = False) -> Any:
    session = await door.session(door.root_of(document.path))
    turn = await door.prompt(session, prompt)
    if shows and not door.has_plugin and (chat := door.chats.of(session.id)) is not None:
        door.keep(asyncio.create_task(chat.show()))
    return {"sessionId": session.id, "turnId": turn}


def _document(door: Door, args: Any) -> Document:
    if not isinstance(args.get("uri"), str):
        raise JsonRpcInvalidParams("the first argument is an object with `uri` and, for most commands, `range`")
    path = from_lsp.path(args["uri"])
    document = None if path is None else door.host.documents.get(door.client.id, real_path(path))
    if document is None:
        raise HermitcrabError(f"`{args['uri']}` is not open in this editor")
    return document


def _range(args: Any) -> Any:
    start = {"line": 0, "character": 0}
    return args.get("range") or {"start": start, "end": start}


COMMANDS: dict[str, Callable[[Door, Any], Awaitable[Any]]] = {
    "hermitcrab.fix": fix,
    "hermitcrab.ask": ask,
    "hermitcrab.explain": explain,
    "hermitcrab.send": send,
    "hermitcrab.undoTurn": undo_turn,
    "hermitcrab.cancel": cancel,
}
