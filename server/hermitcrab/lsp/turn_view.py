"""A turn as a client sees it: one work-done progress with a cancel button, and session updates for our plugins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pygls.exceptions import JsonRpcException

from hermitcrab.lsp.questions import ClientGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermitcrab.core import events
    from hermitcrab.lsp.connection import Connection


class Progress:
    """The work-done progress of one turn; its token is the turn's id."""

    def __init__(self, client: Connection, turn: str, title: str) -> None:
        self._client, self._token, self._title = client, turn, title
        self._is_open = self._is_over = False

    async def begin(self) -> None:
        """Ask for the progress and open it, unless the turn is over by then."""
        try:
            await self._client.request("window/workDoneProgress/create", {"token": self._token}, timeout=10)
        except (JsonRpcException, TimeoutError, ClientGoneError):
            return
        if not self._is_over:
            self._is_open = True
            self._send({"kind": "begin", "title": self._title, "cancellable": True})

    def report(self, message: str) -> None:
        """Say what is being done."""
        if self._is_open:
            self._send({"kind": "report", "message": message, "cancellable": True})

    def end(self, message: str) -> None:
        """Close it."""
        self._is_over = True
        if self._is_open:
            self._is_open = False
            self._send({"kind": "end", "message": message})

    def _send(self, value: dict[str, Any]) -> None:
        self._client.notify("$/progress", {"token": self._token, "value": value})


class TurnView:
    """Shows sessions to one client; what it cannot show as updates it shows as progress and messages."""

    def __init__(
        self, client: Connection, *, has_plugin: bool, has_progress: bool, chat: Callable[[str, events.Event], None]
    ) -> None:
        self._client, self._has_plugin, self._has_progress = client, has_plugin, has_progress
        self._chat = chat
        self._progress: dict[str, Progress] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.session_of_turn: dict[str, str] = {}

    def show(self, session: str, event: events.Event) -> None:
        """Take one event; never blocks."""
        from hermitcrab.core import events

        self._show_progress(session, event)
        if self._has_plugin:
            self.send(session, event)
        else:
            self._chat(session, event)
            if isinstance(event, events.TurnFinished) and event.message:
                self._client.notify("window/showMessage", {"type": 1, "message": f"Hermitcrab: {event.message}"})

    def send(self, session: str, event: events.Event, *, replay: bool = False) -> None:
        """Send one event as updates."""
        from hermitcrab.wire.from_events import updates_of

        for update in updates_of(event, replay=replay):
            params: dict[str, Any] = {"sessionId": session, "update": update}
            if event.seq:
                params["seq"] = event.seq
            self._client.notify("hermitcrab/session/update", params)

    def _show_progress(self, session: str, event: events.Event) -> None:
        from hermitcrab.core import events

        match event:
            case events.PromptReceived(turn=turn, text=text):
                self.session_of_turn[turn] = session
                if self._has_progress:
                    progress = self._progress[session] = Progress(self._client, turn, _title(text))
                    task = asyncio.create_task(progress.begin())
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            case events.ToolCallStarted(title=title):
                self._report(session, title)
            case events.PermissionAsked(title=title):
                self._report(session, f"waiting for your answer: {title}")
            case events.TurnFinished(turn=turn, reason=reason, message=message):
                self.session_of_turn.pop(turn, None)
                if progress := self._progress.pop(session, None):
                    progress.end(message or ("done" if reason == "end_turn" else reason))
            case _:
                pass

    def _report(self, session: str, message: str) -> None:
        if progress := self._progress.get(session):
            progress.report(message)


def _title(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else ""
    return "Hermitcrab: " + (first if len(first) <= 60 else first[:59] + "…")
