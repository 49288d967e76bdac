"""One client at the door: which sessions it talks to, through what it sees them, and where it stands in a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.lsp import clients, from_lsp
from hermitcrab.lsp.asker import LspAsker
from hermitcrab.lsp.chat_file import ChatFiles
from hermitcrab.lsp.editor import LspEditor
from hermitcrab.lsp.jsonrpc import field_of
from hermitcrab.lsp.publisher import Publisher
from hermitcrab.lsp.turn_view import TurnView

if TYPE_CHECKING:
    from hermitcrab.core import events
    from hermitcrab.engine.connection import Connection as EngineConnection
    from hermitcrab.engine.engine import Engine
    from hermitcrab.engine.session import Session
    from hermitcrab.lsp.connection import Connection
    from hermitcrab.lsp.host import Host
    from hermitcrab.workspace.documents import DocumentChanged


class Door:
    """Everything one client needs of us; its handlers are in `lsp.handlers`."""

    def __init__(self, host: Host, client: Connection) -> None:
        self.host, self.client = host, client
        self.roots: tuple[Path, ...] = ()
        self.client_settings: dict[str, Any] = {}
        self.abilities: Mapping[str, Any] = {}  # capabilities.experimental.hermitcrab
        self.is_over = False
        self.workspace_settings: dict[str, Any] = {}  # what the editor keeps for this folder; shared with the engine
        self.publisher = Publisher(self)
        self._action_support: Mapping[str, Any] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sessions: dict[Path, str] = {}  # the session each root's verbs talk to
        self._attached: EngineConnection | None = None
        self.editor = LspEditor(client, host.documents, says_diagnostics=False)
        self.chats = ChatFiles(client, host.documents, self._chat_folder)
        self.view = TurnView(client, has_plugin=False, has_progress=False, chat=self.chats.take)
        self._session_roots: dict[str, Path] = {}

    def introduce(self, params: Mapping[str, Any]) -> None:
        """Take the client's `initialize` params, as JSON."""
        capabilities: Any = params.get("capabilities") or {}
        self.abilities = clients.experimental(capabilities)
        options: Any = params.get("initializationOptions")
        self.client_settings = dict(cast("dict[str, Any]", options)) if isinstance(options, dict) else {}
        self.roots = tuple(path for path in from_lsp.roots(params) if path is not None)
        window: Any = capabilities.get("window") or {}
        documents: Any = capabilities.get("textDocument") or {}
        self._action_support = documents.get("codeAction") or {}
        self.editor = LspEditor(
            self.client, self.host.documents, says_diagnostics=bool(self.abilities.get("diagnostics"))
        )
        self.view = TurnView(
            self.client,
            has_plugin=self.has_plugin,
            has_progress=bool(window.get("workDoneProgress")),
            chat=self.chats.take,
        )

    @property
    def has_plugin(self) -> bool:
        """Tell whether this client shows session updates itself."""
        return bool(self.abilities)

    async def engine(self) -> tuple[Engine, EngineConnection]:
        """Return the engine and our attachment to it."""
        engine = await self.host.engine()
        if self._attached is None:
            self._attached = self._attach(engine)
        return engine, self._attached

    async def begin(self) -> None:
        """Build the engine and read the settings, now that the editor has its answer to `initialize`."""
        try:
            engine, connection = await self.engine()
            settings = await asyncio.to_thread(engine.settings, self.root_of(None), connection)
        except HermitcrabError as error:
            self.client.notify("window/showMessage", {"type": 1, "message": f"Hermitcrab: {error}"})
            return
        for warning in settings.warnings:
            self.client.notify("window/logMessage", {"type": 2, "message": f"Hermitcrab: {warning}"})
        self.publisher.begin()

    def configure(self, settings: Any) -> None:
        """Take the settings an editor keeps for this folder; they can only tighten."""
        ours: Any = field_of(settings, "hermitcrab")
        if isinstance(ours, dict):
            self.workspace_settings.clear()
            self.workspace_settings.update(cast("dict[str, Any]", ours))

    def document_changed(self, changed: DocumentChanged) -> None:
        """Hand news of a document to each who wants it."""
        self.publisher.document_changed(changed)

    @property
    def lists_llm_tag(self) -> bool:
        """Tell whether the client knows the tag for actions by a language model."""
        tags: Any = self._action_support.get("tagSupport") or {}
        return 1 in (tags.get("valueSet") or [])

    @property
    def shows_disabled_actions(self) -> bool:
        """Tell whether the client shows why an action cannot be taken; others would offer it like any other."""
        return bool(self._action_support.get("disabledSupport"))

    @property
    def resolves_actions(self) -> bool:
        """Tell whether the client asks for an action's command when it is chosen."""
        support: Any = self._action_support.get("resolveSupport") or {}
        return "command" in (support.get("properties") or []) and bool(self._action_support.get("dataSupport"))

    async def speaks_to_a_model(self, path: Path) -> bool:
        """Tell whether a file's verbs would talk to a language model; `offline` is none."""
        engine, connection = await self.engine()
        known = self.known_session(path)
        if known is not None:
            return engine.session(known).model.name != "offline"
        settings = await asyncio.to_thread(engine.settings, self.root_of(path), connection)
        model = await asyncio.to_thread(engine.services.model, settings.model, connection.environment)
        return model.name != "offline"

    def can_undo(self, path: Path) -> bool:
        """Tell whether the last turn here changed this file and may be taken back."""
        known = self.known_session(path)
        if known is None or self.host.built is None:
            return False
        session = self.host.built.session(known)
        return not session.is_running and path in session.undoable

    async def cancel_turn(self, turn: str) -> None:
        """Stop a turn by its progress token."""
        session_id = self.view.session_of_turn.get(turn)
        if session_id is not None:
            engine, _ = await self.engine()
            await engine.session(session_id).cancel()

    def _attach(self, engine: Engine) -> EngineConnection:
        from hermitcrab.engine.connection import Connection as EngineConnection

        attached = EngineConnection(
            id=self.client.id,
            asker=LspAsker(self.client, has_plugin=bool(self.abilities.get("permission"))),
            listener=self._listen,
            editor=self.editor,
            environment=dict(os.environ),
            roots=self.roots,
            client_settings=self.client_settings,
            workspace_settings=self.workspace_settings,
            command_line=self.host.command_line,
        )
        engine.connect(attached)
        return attached

    def _listen(self, session: str, event: events.Event) -> None:
        from hermitcrab.core import events

        self.view.show(session, event)
        if isinstance(event, events.TurnFinished | events.ModeChanged | events.UsageChanged | events.PromptReceived):
            task = asyncio.get_running_loop().create_task(self.send_status(session))
            self.keep(task)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def leave(self) -> None:
        """The client is gone: its turns are cancelled, its documents forgotten."""
        self.is_over = True
        self.publisher.end()
        if self.host.is_built:
            engine = await self.host.engine()
            await engine.disconnect(self.client.id)
        self.host.documents.disconnect(self.client.id)

    def root_of(self, path: Path | None) -> Path:
        """Return the root a file belongs to: an open folder around it, else its repository, else its folder."""
        if path is None:
            return self.roots[0] if self.roots else Path.cwd()
        for root in sorted(self.roots, key=lambda found: len(found.parts), reverse=True):
            if path.is_relative_to(root):
                return root
        for folder in path.parents:
            if (folder / ".git").exists():
                return folder
        return path.parent

    async def session(self, root: Path) -> Session:
        """Return the session this client's verbs talk to in `root`, begun at the first of them."""
        engine, connection = await self.engine()
        real = await asyncio.to_thread(root.resolve)
        if (known := self._sessions.get(real)) is not None:
            return engine.session(known)
        session = await engine.new_session(connection, real)
        self.choose(session)
        return session

    def choose(self, session: Session) -> None:
        """Let this client's verbs talk to `session` from now on."""
        self._sessions[session.root] = session.id
        self._session_roots[session.id] = session.root

    async def current(self) -> Session | None:
        """Return the session last used in any root, if there is one."""
        if not self._sessions:
            return None
        engine, _ = await self.engine()
        return engine.session(list(self._sessions.values())[-1])

    def known_session(self, path: Path | None) -> str | None:
        """Return the id of the session that a file's verbs talk to, if it has begun."""
        return self._sessions.get(self.root_of(path).resolve())

    async def prompt(self, session: Session, text: str) -> str:
        """Begin a turn."""
        engine, connection = await self.engine()
        return engine.prompt(session, text, connection)

    async def status(self, session_id: str | None = None) -> dict[str, Any]:
        """Return how things stand, for `hermitcrab/status`."""
        from hermitcrab import __version__
        from hermitcrab.wire.methods import StatusResult

        engine, connection = await self.engine()
        session = engine.session(session_id) if session_id else await self.current()
        root = session.root if session else self.root_of(None)
        settings = await asyncio.to_thread(engine.settings, root, connection)
        if session is None:
            model = (await asyncio.to_thread(engine.services.model, settings.model, connection.environment)).name
        else:
            model = session.model.name
        return StatusResult(
            version=__version__,
            model=model,
            mode=session.rights.mode if session else settings.mode,
            trusted=engine.services.trust.is_trusted(root),
            running=engine.running,
            session_id=session.id if session else None,
            context_used=session.context_used if session else None,
            context_size=session.model.profile.context if session else None,
        ).to_json()

    async def send_status(self, session_id: str) -> None:
        """Tell our plugins how things stand."""
        if not self.has_plugin or self.is_over:
            return
        try:
            self.client.notify("hermitcrab/status", await self.status(session_id))
        except HermitcrabError:
            return

    def _chat_folder(self, session: str) -> Path | None:
        root = self._session_roots.get(session)
        if root is None:
            return None
        if os.access(root, os.W_OK):
            return root / ".hermitcrab" / "chats"
        from hermitcrab.store.paths import Paths

        return Paths.default().data / "chats"
