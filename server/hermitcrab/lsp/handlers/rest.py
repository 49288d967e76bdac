"""`hermitcrab/review/*`, `trust/*`, `status` and `editor/*`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermitcrab.lsp.door import Door


async def undo(door: Door, params: Any) -> Any:
    """Take back a turn."""
    from hermitcrab.wire import methods

    asked = methods.ReviewUndoParams.model_validate(params)
    engine, connection = await door.engine()
    undone = await engine.session(asked.session_id).undo(asked.turn_id, connection)
    return methods.ReviewUndoResult(
        turn_id=undone.turn,
        reverted=[str(path) for path in undone.reverted],
        kept=[methods.KeptFile(path=str(path), reason=reason) for path, reason in undone.kept],
        not_covered=list(undone.not_covered),
    ).to_json()


async def trust_get(door: Door, params: Any) -> Any:
    """Tell whether a folder is trusted."""
    from hermitcrab.wire import methods

    asked = methods.TrustGetParams.model_validate(params or {})
    return await _trust(door, asked.cwd)


async def trust_set(door: Door, params: Any) -> Any:
    """Trust a folder, or no longer."""
    from hermitcrab.wire import methods

    asked = methods.TrustSetParams.model_validate(params)
    engine, _ = await door.engine()
    root = await asyncio.to_thread(_root, door, asked.cwd)
    change = engine.services.trust.trust if asked.trusted else engine.services.trust.revoke
    await asyncio.to_thread(change, root)
    return await _trust(door, asked.cwd)


async def _trust(door: Door, cwd: str | None) -> Any:
    from hermitcrab.wire import methods

    engine, _ = await door.engine()
    root = await asyncio.to_thread(_root, door, cwd)
    return methods.TrustResult(cwd=str(root), trusted=engine.services.trust.is_trusted(root)).to_json()


def _root(door: Door, cwd: str | None) -> Path:
    return (Path(cwd) if cwd else door.root_of(None)).resolve()


async def status(door: Door, _params: Any) -> Any:
    """Tell how things stand."""
    return await door.status()


def did_focus(_door: Door, params: Any) -> None:
    """The user looks at another document; nothing is sent to a model because of it."""
    from hermitcrab.wire import methods

    methods.DidFocusParams.model_validate(params or {})


def did_change_diagnostics(door: Door, params: Any) -> None:
    """Take note of what the editor shows from its other sources."""
    from hermitcrab.wire import methods

    said = methods.DidChangeDiagnosticsParams.model_validate(params)
    door.editor.shown(said.uri, said.version, said.diagnostics)
