"""One conversation: its log, its history, its rights, and at most one running turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hermitcrab.actions.prompts import wanted_in
from hermitcrab.agent.call import MAY_HAVE_RUN
from hermitcrab.agent.consent import Consent
from hermitcrab.agent.context import TurnContext
from hermitcrab.agent.facts import facts_for
from hermitcrab.agent.history import History
from hermitcrab.agent.journal import Journal
from hermitcrab.agent.turn import run_turn
from hermitcrab.core import events
from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.ids import new_id
from hermitcrab.engine.recovery import endings, last_mode
from hermitcrab.engine.undo import TurnRecord, undo_turn
from hermitcrab.net.endpoint import is_loopback
from hermitcrab.tools.base import SessionMemory

if TYPE_CHECKING:
    from pathlib import Path

    from hermitcrab.core.ports import Provider
    from hermitcrab.engine.connection import Connection, Listener
    from hermitcrab.engine.rights import SessionRights
    from hermitcrab.engine.services import Services
    from hermitcrab.net.endpoint import Destination
    from hermitcrab.permissions.consent import ConsentStore
    from hermitcrab.permissions.decide import Mode
    from hermitcrab.providers.profiles import Profile

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turn:
    id: str
    task: asyncio.Task[None] | None = None
    is_cancelled: bool = False
    context: TurnContext | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    end: events.TurnFinished | None = None


@dataclass(frozen=True, slots=True)
class SessionModel:
    """The model a session speaks to."""

    name: str
    provider: Provider
    profile: Profile
    destination: Destination | None = None  # None: nothing leaves this process


@dataclass(frozen=True, slots=True)
class Limits:
    """What one turn may use: model requests, and US dollars where prices are known."""

    steps: int
    cost: float | None = None


class Session:
    """A conversation in one folder. Made by the engine; spoken to by the doors."""

    def __init__(
        self,
        session_id: str,
        root: Path,
        journal: Journal,
        services: Services,
        rights: SessionRights,
        model: SessionModel,
        limits: Limits,
    ) -> None:
        self.id, self.root, self.rights, self.model = session_id, root, rights, model
        self._journal, self._services, self._limits = journal, services, limits
        self._history = History()
        self._memory = SessionMemory()
        self._records: dict[str, TurnRecord] = {}
        self._listeners: list[Listener] = []
        self._turn: _Turn | None = None
        self._is_undoing = False
        self._conductors: set[asyncio.Task[None]] = set()
        self.last_seq = 0
        self.context_used: int | None = None

    def recall(self, past: Iterable[events.Event]) -> None:
        """Take up the events of an earlier life of this session."""
        for event in past:
            self._note(event)
            self._history.take(event)

    async def recover(self, past: Iterable[events.Event]) -> list[events.Event]:
        """Write down, and return, what an earlier life of this session could not: how its last turn ended, and its mode."""
        missing = endings(past)
        if last_mode(past) not in (None, self.rights.mode):
            missing.append(events.ModeChanged(mode=self.rights.mode))
        try:
            return [await self._journal.write(event, sync=True) for event in missing]
        except OSError:
            return []  # another process has the log, and perhaps that turn still runs there

    @property
    def is_running(self) -> bool:
        """Tell whether a turn is under way."""
        return self._turn is not None and not self._turn.over.is_set()

    @property
    def last_turn(self) -> str | None:
        """Return the id of the newest turn that may be undone."""
        did = (turn for turn, record in reversed(self._records.items()) if record.edits or record.commands)
        return next((turn for turn in did if not self._records[turn].is_undone), None)

    @property
    def undoable(self) -> frozenset[Path]:
        """Return the files that undoing the newest turn would touch."""
        record = self._records.get(self.last_turn or "")
        return frozenset(edit.path for edit in record.edits) if record else frozenset()

    def listen(self, listener: Listener) -> None:
        """Show every event from now on to `listener` too."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Show nothing more to `listener`."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def prompt(self, text: str, connection: Connection) -> str:
        """Begin a turn through `connection` and return its id at once; the rest comes as events."""
        if self.is_running:
            raise HermitcrabError("a turn is running in this session; cancel it or wait for its end")
        if not text.strip():
            raise HermitcrabError("the prompt is empty")
        if self._is_undoing:
            raise HermitcrabError("a turn of this session is being undone; try again when that is done")
        turn = self._turn = _Turn(new_id("turn"))
        conductor = asyncio.create_task(self._conduct(turn, text, connection))
        self._conductors.add(conductor)
        conductor.add_done_callback(self._conductors.discard)
        return turn.id

    async def wait(self) -> events.TurnFinished | None:
        """Wait for the running turn's end and return it."""
        if self._turn is None:
            return None
        await self._turn.over.wait()
        return self._turn.end

    async def cancel(self) -> bool:
        """Stop the running turn; when this returns nothing new takes effect. False: there was none."""
        if not self.is_running or self._turn is None:
            return False
        self._turn.is_cancelled = True
        if self._turn.task is not None:
            self._turn.task.cancel()
        await self._turn.over.wait()
        return True

    async def set_mode(self, mode: Mode) -> None:
        """Choose a permission mode; a running turn feels it at its next call."""
        self.rights.mode = mode
        self._publish(await self._journal.write(events.ModeChanged(mode=mode)))

    async def undo(self, turn: str | None, connection: Connection) -> events.TurnUndone:
        """Take back the edits of a turn, the newest one when none is named."""
        if self.is_running:
            raise HermitcrabError("a turn is running in this session; cancel it before you undo")
        if self._is_undoing:
            raise HermitcrabError("a turn of this session is being undone already")
        self._is_undoing = True
        try:
            return await self._undo(turn, connection)
        finally:
            self._is_undoing = False

    async def _undo(self, turn: str | None, connection: Connection) -> events.TurnUndone:
        chosen = turn or self.last_turn
        record = self._records.get(chosen or "")
        if chosen is None or record is None:
            raise HermitcrabError(f"there is no turn `{turn}` in this session" if turn else "there is no turn to undo")
        if record.is_undone and (record.was_found or turn is None):
            raise HermitcrabError(f"the turn `{chosen}` is undone already")
        view = self._services.view(self.root, connection)
        undone = await undo_turn(chosen, record, view, self._services.blobs)
        logged = await self._journal.write(undone, sync=True)
        self._publish(logged)
        return logged

    async def _conduct(self, turn: _Turn, text: str, connection: Connection) -> None:
        """See a turn through to its end record, whatever happens in it."""
        end = events.TurnFinished(turn=turn.id, reason="cancelled")
        try:
            task = await self._launch(turn, text, connection)
            await asyncio.wait({task})
            problem = None if task.cancelled() else task.exception()
            if isinstance(problem, Exception):
                end = _failure(turn.id, problem)
        except Exception as problem:  # noqa: BLE001 - a turn's door: what is not foreseen is logged and said
            end = _failure(turn.id, problem)
        finally:
            if turn.end is None:
                await self._end(turn, end)

    async def _launch(self, turn: _Turn, text: str, connection: Connection) -> asyncio.Task[None]:
        turn.context = self._context(turn.id, text, connection)
        facts = await facts_for(turn.context.view, is_first=not self._records)
        prompt = events.PromptReceived(turn=turn.id, text=text, facts=facts)
        self._show(await self._journal.write(prompt, sync=True))
        turn.task = asyncio.create_task(self._drive(turn.context))
        if turn.is_cancelled:
            turn.task.cancel()
        return turn.task

    async def _end(self, turn: _Turn, end: events.TurnFinished) -> None:
        for event in turn.context.leftovers if turn.context else ():
            self._publish(event)
            if isinstance(event, events.TurnFinished):  # its end was logged in the moment of the stop
                turn.end = event
        if turn.end is not None:
            turn.over.set()
            return
        try:
            end = await self._journal.write(end)
        except OSError:
            _log.warning("the end of a turn could not be logged")
        self._publish(end)
        turn.end = end
        turn.over.set()

    async def _drive(self, context: TurnContext) -> None:
        async for event in run_turn(context):
            self._publish(event)
            if isinstance(event, events.TurnFinished) and self._turn is not None:
                self._turn.end = event
                self._turn.over.set()

    def _show(self, event: events.Event) -> None:
        self._history.take(event)
        self._publish(event)

    def _publish(self, event: events.Event) -> None:
        self._note(event)
        for listener in tuple(self._listeners):
            try:
                listener(self.id, event)
            except Exception:  # noqa: BLE001 - who listens must not be able to end a turn
                _log.exception("a listener broke; it is shown nothing more of this session")
                self.unlisten(listener)

    def _note(self, event: events.Event) -> None:
        self.last_seq = max(self.last_seq, event.seq)
        match event:
            case events.PromptReceived():
                self._records[event.turn] = TurnRecord([], [])
            case events.EditConfirmed():
                self._record(event.turn).edits.append(event)
            case events.ToolCallStarted() if event.kind == "execute":
                self._record(event.turn).commands.append(str(event.arguments.get("command", event.title)))
            case events.ToolCallFinished() if MAY_HAVE_RUN in event.notes:
                self._note_unsure(event)
            case events.TurnUndone():
                record = self._record(event.turn)
                record.is_undone, record.was_found = True, record.was_found or bool(event.reverted)
            case events.TodosChanged():
                self._memory.todos = event.todos
            case events.UsageChanged():
                self.context_used = event.context_used
            case _:
                pass

    def _record(self, turn: str) -> TurnRecord:
        """Return what a turn did; its prompt may be missing from a damaged log."""
        return self._records.setdefault(turn, TurnRecord([], []))

    def _note_unsure(self, event: events.ToolCallFinished) -> None:
        """An edit that was cancelled under way may be in the file: an undo cannot know it, so it is named."""
        record = self._record(event.turn)
        is_known = any(edit.call == event.call for edit in record.edits)
        if event.tool != "Bash" and not is_known:
            record.commands.append(f"{event.tool} (cancelled; it may have run)")

    def _context(self, turn: str, text: str, connection: Connection) -> TurnContext:
        services = self._services
        self.rights.has_reviewer = connection.has_reviewer
        return TurnContext(
            session=self.id,
            turn=turn,
            provider=self.model.provider,
            model=self.model.name,
            max_tokens=self.model.profile.reply_tokens,
            context_size=self.model.profile.context,
            max_steps=self._limits.steps,
            max_cost=self._limits.cost,
            cost_of=self.model.profile.cost,
            tools=services.tools,
            history=self._history,
            journal=self._journal,
            asker=connection.asker,
            rights=self.rights,
            view=services.view(self.root, connection),
            diagnostics=services.collector,
            memory=self._memory,
            environment=connection.environment,
            texts=services.blobs,
            spill_directory=services.spill_directory(self.id),
            wanted=wanted_in(text),
            consent=_consent(self.model.destination, services.consents),
        )


def _consent(destination: Destination | None, store: ConsentStore) -> Consent | None:
    if destination is None or is_loopback(destination.url):
        return None
    return Consent(destination.origin, destination.url_setting, store)


def _failure(turn: str, problem: Exception) -> events.TurnFinished:
    if isinstance(problem, HermitcrabError):
        message = str(problem)
    elif isinstance(problem, OSError):
        message = f"the session log cannot be written ({problem.strerror or problem}); nothing more was run"
    else:
        _log.error("a turn broke", exc_info=problem)
        message = f"a bug in Hermitcrab ended the turn: {type(problem).__name__} (logged)"
    return events.TurnFinished(turn=turn, reason="error", message=message)
