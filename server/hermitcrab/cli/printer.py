"""What `hermitcrab run` prints: text for people, JSON for scripts."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermitcrab.core import events


class Printer:
    """Shows a run as it goes and remembers what its exit code depends on."""

    def __init__(self, output_format: str) -> None:
        self._format = output_format
        self._at_line_start = True
        self.denied = False
        self.usage: dict[str, int] = {}
        self.cost: float | None = None
        self.texts: list[str] = []
        self.has_reader = True
        self.on_reader_gone: Callable[[], object] | None = None

    def show(self, _session: str, event: events.Event) -> None:
        """Take one event."""
        self._remember(event)
        try:
            self._print(event)
        except BrokenPipeError:
            self._lose_reader()

    def _lose_reader(self) -> None:
        """Nobody reads standard output any more, as behind `| head`: what is still printed goes nowhere, in peace."""
        self.has_reader = False
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if self.on_reader_gone is not None:
            self.on_reader_gone()

    def _print(self, event: events.Event) -> None:
        if self._format == "stream-json":
            from hermitcrab.wire.from_events import updates_of

            for update in updates_of(event):
                print(json.dumps(update), flush=True)
        elif self._format == "text":
            self._show_text(event)

    def _remember(self, event: events.Event) -> None:
        from hermitcrab.core import events

        match event:
            case events.ToolCallFinished(status="denied"):
                self.denied = True
            case events.UsageChanged(usage=usage):
                if event.cost is not None:
                    self.cost = (self.cost or 0.0) + event.cost
                for name in ("input", "output", "cache_read", "cache_write"):
                    if (count := getattr(usage, name)) is not None:
                        self.usage[name] = self.usage.get(name, 0) + count
            case events.MessageFinished(content=content):
                self.texts.append(content.text)
            case _:
                pass

    def _show_text(self, event: events.Event) -> None:
        from hermitcrab.core import events

        match event:
            case events.TextDelta(text=text):
                sys.stdout.write(printable(text))
                sys.stdout.flush()
                self._at_line_start = text.endswith("\n")
            case events.MessageFinished() if not self._at_line_start:
                sys.stdout.write("\n")
                self._at_line_start = True
            case events.ToolCallStarted(title=title):
                self._aside(title)
            case events.ToolCallFinished(status="failed" | "denied" | "cancelled" as status, tool=tool, text=text):
                self._aside(f"{tool} {status}: {text.splitlines()[0] if text else ''}")
            case events.Notice(text=text) | events.ModelReminded(notice=text):
                self._aside(text)
            case _:
                pass

    def _aside(self, text: str) -> None:
        print(printable(f"· {text}"), file=sys.stderr, flush=True)

    def close(self, session: str, end: events.TurnFinished) -> None:
        """Print the last line."""
        try:
            self._print_end(session, end)
        except BrokenPipeError:
            self._lose_reader()

    def _print_end(self, session: str, end: events.TurnFinished) -> None:
        result = {
            "type": "result",
            "stopReason": end.reason,
            "message": end.message or None,
            "usage": self.usage,
            "cost": self.cost if self.cost is not None else "unknown",
            "sessionId": session,
        }
        if self._format == "json":
            print(json.dumps(result | {"text": self.texts[-1] if self.texts else ""}), flush=True)
        elif self._format == "stream-json":
            print(json.dumps(result), flush=True)
        elif end.message:
            self._aside(end.message)
        if self.denied and self._format == "text":
            self._aside(
                "something was denied: --yes allows edits and commands, --trust lets commands run in this folder"
            )


def printable(text: str) -> str:
    """No control character but tab and newline reaches a terminal."""
    return "".join(
        char if char in "\t\n" or char.isprintable() or ord(char) > 0x9F else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )
