"""`hermitcrab/session/*`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hermitcrab.core import events
    from hermitcrab.engine.session import Session
    from hermitcrab.lsp.door import Door


async def new(door: Door, params: Any) -> Any:
    """Begin a session."""
    from hermitcrab.wire import methods

    asked = methods.SessionNewParams.model_validate(params or {})
    engine, connection = await door.engine()
    cwd = Path(asked.cwd) if asked.cwd else door.root_of(None)
    session = await engine.new_session(connection, cwd, mode=asked.mode_id, model=asked.model)
    door.choose(session)
    trusted = engine.services.trust.is_trusted(session.root)
    return methods.SessionNewResult(
        session_id=session.id, modes=_modes(session), model=session.model.name, trusted=trusted
    ).to_json()


async def load(door: Door, params: Any) -> Any:
    """Open a session again; its updates follow the reply."""
    from hermitcrab.wire import methods

    asked = methods.SessionLoadParams.model_validate(params)
    engine, connection = await door.engine()
    session, past, problems = await engine.load_session(connection, asked.session_id)
    door.choose(session)
    for event in announced(past, after=asked.after_seq):
        door.view.send(session.id, event, replay=True)
    return methods.SessionLoadResult(
        session_id=session.id,
        modes=_modes(session),
        model=session.model.name,
        last_seq=session.last_seq,
        problems=problems or None,
    ).to_json()


def announced(past: Iterable[events.Event], *, after: int) -> Iterator[events.Event]:
    """Replay what came after a record; a call that was written but never begun (denied, broken) appears all the same."""
    from hermitcrab.core import events

    begun: set[str] = set()
    for event in past:
        if isinstance(event, events.ToolCallStarted | events.ToolCallFinished):
            begun.add(event.call)
        if event.seq <= after:
            continue
        yield event
        if isinstance(event, events.MessageFinished):
            for call in event.content.calls:
                if call.id not in begun:
                    yield events.CallAnnounced(call=call.id, tool=call.name)


async def list_all(door: Door, params: Any) -> Any:
    """List sessions."""
    from datetime import UTC, datetime

    from hermitcrab.wire import methods

    asked = methods.SessionListParams.model_validate(params or {})
    engine, _ = await door.engine()
    found = await engine.list_sessions(Path(asked.cwd) if asked.cwd else None)

    def iso(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")

    sessions = [
        methods.SessionInfo(
            session_id=summary.id,
            cwd=str(summary.root),
            title=summary.title,
            created_at=iso(summary.created),
            updated_at=iso(summary.updated),
            turns=summary.turns,
        )
        for summary in found
    ]
    return methods.SessionListResult(sessions=sessions).to_json()


async def prompt(door: Door, params: Any) -> Any:
    """Begin a turn; acknowledged at once."""
    from hermitcrab.wire import content, methods

    asked = methods.SessionPromptParams.model_validate(params)
    engine, _ = await door.engine()
    session = engine.session(asked.session_id)
    said = [
        block.text if isinstance(block, content.TextContent) else f"@{block.uri}"
        for block in asked.prompt
        if isinstance(block, content.TextContent | content.ResourceLink)
    ]
    turn = await door.prompt(session, "\n".join(said))
    return methods.SessionPromptResult(turn_id=turn).to_json()


async def cancel(door: Door, params: Any) -> Any:
    """Stop a turn; no effect follows the answer."""
    from hermitcrab.wire import methods

    asked = methods.SessionCancelParams.model_validate(params)
    engine, _ = await door.engine()
    cancelled = await engine.session(asked.session_id).cancel()
    return methods.SessionCancelResult(cancelled=cancelled).to_json()


async def set_mode(door: Door, params: Any) -> Any:
    """Choose a permission mode."""
    from hermitcrab.wire import methods

    asked = methods.SetModeParams.model_validate(params)
    engine, _ = await door.engine()
    await engine.session(asked.session_id).set_mode(asked.mode_id)
    return {}


def _modes(session: Session) -> Any:
    from hermitcrab.wire import methods

    available = [methods.SessionMode(id=mode, name=name, description=text) for mode, name, text in MODES]
    return methods.SessionModes(current_mode_id=session.rights.mode, available_modes=available)


MODES = (
    ("default", "Default", "reviewable edits go through; commands, deletes and the rest ask"),
    ("acceptEdits", "Accept edits", "all edits inside the folder go through; commands ask"),
    ("plan", "Plan", "reads only; nothing is changed and nothing runs"),
    ("bypass", "Bypass", "nothing asks but protected names; deny rules hold"),
)
