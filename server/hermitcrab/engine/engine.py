"""The engine: all workspaces, sessions and connections of one process."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hermitcrab.agent.journal import Journal, events_of
from hermitcrab.config.settings import Settings
from hermitcrab.core.errors import HermitcrabError, SettingsError
from hermitcrab.core.events import Event
from hermitcrab.engine.connection import Connection
from hermitcrab.engine.recovery import last_mode
from hermitcrab.engine.rights import SessionRights
from hermitcrab.engine.services import Services
from hermitcrab.engine.session import Limits, Session
from hermitcrab.permissions.decide import Mode
from hermitcrab.permissions.links import protected_places
from hermitcrab.permissions.names import folds_case
from hermitcrab.store.sessions import SessionSummary


class Workspace:
    """One real root folder and the sessions held in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sessions: dict[str, Session] = {}


class Engine:
    """Everything that runs; a process has one, a test may have several."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._workspaces: dict[Path, Workspace] = {}
        self._connections: dict[str, Connection] = {}
        self._prompted: dict[str, str] = {}  # session -> the connection it was last prompted from

    def connect(self, connection: Connection) -> None:
        """Attach a client."""
        self._connections[connection.id] = connection

    async def disconnect(self, connection_id: str) -> None:
        """Detach a client: its turns are cancelled, its documents forgotten (there is no daemon to keep them)."""
        connection = self._connections.pop(connection_id, None)
        if connection is None:
            return
        mine = [session for session in self._sessions() if self._prompted.get(session.id) == connection_id]
        await asyncio.gather(*(session.cancel() for session in mine))
        for session in self._sessions():
            session.unlisten(connection.listener)
        self.services.documents.disconnect(connection_id)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Return the clients attached now."""
        return tuple(self._connections.values())

    def workspace(self, root: Path) -> Workspace:
        """Return the workspace of a real root, made at its first use."""
        return self._workspaces.setdefault(root, Workspace(root))

    def session(self, session_id: str) -> Session:
        """Return an open session; raise HermitcrabError when it is not open here."""
        for workspace in self._workspaces.values():
            if session_id in workspace.sessions:
                return workspace.sessions[session_id]
        raise HermitcrabError(f"there is no open session `{session_id}`; `session/load` opens one again")

    @property
    def running(self) -> int:
        """Return how many turns are under way."""
        return sum(session.is_running for session in self._sessions())

    async def new_session(
        self, connection: Connection, cwd: Path, *, mode: Mode | None = None, model: str | None = None
    ) -> Session:
        """Begin a session in `cwd`; raise HermitcrabError when that is not a folder or the settings are wrong."""
        root = await asyncio.to_thread(_real_root, cwd)
        settings = await asyncio.to_thread(self.settings, root, connection)
        name = model or settings.model
        chosen = await asyncio.to_thread(self.services.model, name, connection.environment)
        log = await asyncio.to_thread(self.services.sessions.create, root, model=chosen.name)
        rights = await asyncio.to_thread(self._rights, log.id, root, connection, mode or settings.mode)
        session = Session(log.id, root, Journal(log), self.services, rights, chosen, _limits(settings))
        self._adopt(session, connection)
        return session

    async def load_session(self, connection: Connection, session_id: str) -> tuple[Session, list[Event], list[str]]:
        """Open a session again; return it with its past and what of its log could not be read."""
        for session in self._sessions():
            if session.id == session_id:
                session.listen(connection.listener)
                past = await asyncio.to_thread(self.services.sessions.read, session_id)
                return session, list(events_of(past.records)), list(past.problems)
        log, content = await asyncio.to_thread(self.services.sessions.open, session_id)
        root = Path(content.root)
        settings = await asyncio.to_thread(self.settings, root, connection)
        chosen = await asyncio.to_thread(self.services.model, settings.model, connection.environment)
        past = list(events_of(content.records))
        mode = _mode_again(past, settings, connection)
        rights = await asyncio.to_thread(self._rights, session_id, root, connection, mode)
        session = Session(session_id, root, Journal(log), self.services, rights, chosen, _limits(settings))
        past += await session.recover(past)
        session.recall(past)
        self._adopt(session, connection)
        problems = [*content.problems, *([log.read_only] if log.read_only else [])]
        return session, past, problems

    async def list_sessions(self, cwd: Path | None) -> list[SessionSummary]:
        """Return the sessions of a folder, or all, the newest first."""
        root = await asyncio.to_thread(_real_root, cwd) if cwd else None
        return await asyncio.to_thread(self.services.sessions.list, root)

    def prompt(self, session: Session, text: str, connection: Connection) -> str:
        """Begin a turn; the session reads and edits through `connection` until another one prompts it."""
        session.listen(connection.listener)
        turn = session.prompt(text, connection)
        self._prompted[session.id] = connection.id
        return turn

    def settings(self, root: Path, connection: Connection) -> Settings:
        """Return the settings in force for a root and a client; reads files, so never on the event loop."""
        return self.services.settings(root, connection, self.services.trust.is_trusted(root))

    async def close(self) -> None:
        """Cancel all turns and give everything back."""
        for connection in self.connections:
            await self.disconnect(connection.id)
        await asyncio.gather(*(session.cancel() for session in self._sessions()))
        await self.services.close()

    def _sessions(self) -> list[Session]:
        return [session for workspace in self._workspaces.values() for session in workspace.sessions.values()]

    def _adopt(self, session: Session, connection: Connection) -> None:
        self.workspace(session.root).sessions[session.id] = session
        session.listen(connection.listener)

    def _rights(self, session: str, root: Path, connection: Connection, mode: Mode) -> SessionRights:
        def settings() -> Settings:
            try:
                return self.settings(root, connection)
            except SettingsError:
                return last[0]

        last = [self.settings(root, connection)]
        return SessionRights(
            root,
            self.services.trust,
            settings,
            mode,
            has_reviewer=connection.has_reviewer,
            own=(*self.services.paths.own, *protected_places(root)),
            readable=self.services.readable(session),
            folds_case=folds_case(root),
        )


def _mode_again(past: list[Event], settings: Settings, connection: Connection) -> Mode:
    """Return the mode of a session that is opened again: the one it was left in, but never `bypass` unasked."""
    known: dict[str | None, Mode] = {"default": "default", "acceptEdits": "acceptEdits", "plan": "plan"}
    if "mode" in connection.command_line:
        return settings.mode
    return known.get(last_mode(past), settings.mode)


def _real_root(cwd: Path) -> Path:
    root = cwd.resolve()
    if not root.is_dir():
        raise HermitcrabError(f"`{cwd}` is not a folder")
    return root


def _limits(settings: Settings) -> Limits:
    return Limits(settings.max_turns, settings.max_cost)
