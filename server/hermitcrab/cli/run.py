"""`hermitcrab run`: one task without an editor; exit codes as SURFACE."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermitcrab.core import events
    from hermitcrab.core.events import PermissionOutcome
    from hermitcrab.core.ports import PermissionQuestion
    from hermitcrab.engine.engine import Engine
    from hermitcrab.engine.session import Session

EXIT_CODES = {"end_turn": 0, "error": 1, "refusal": 1, "max_turn_requests": 4, "max_tokens": 4, "cancelled": 130}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = (
        "Exit codes: 0 done, 1 failed, 2 usage or settings, 3 denied or untrusted, 4 limit reached, 130 cancelled.\n"
        "Without an editor an edit is a question too: --yes answers yes, otherwise the answer is no."
    )
    parser.add_argument("prompt", help="what to do; `-` reads it from standard input")
    parser.add_argument("--model", help="PROVIDER/MODEL, `offline`, or `scripted:FILE`")
    parser.add_argument("--mode", choices=["default", "acceptEdits", "plan", "bypass"], help="permission mode")
    parser.add_argument(
        "--yes", action="store_true", help="answer questions with yes; trusts nothing, protects the rest"
    )
    parser.add_argument("--trust", action="store_true", help="trust this folder from now on")
    parser.add_argument("--output-format", choices=["text", "json", "stream-json"], default="text")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", metavar="ID", help="go on with that session")
    again.add_argument("--continue", dest="go_on", action="store_true", help="go on with this folder's newest session")
    parser.add_argument("--max-turns", type=int, metavar="N", help="model requests at most")
    parser.add_argument("--max-cost", type=float, metavar="USD", help="stop when the known cost passes this")


class HeadlessAsker:
    """Answers for a user who is not there: --yes says yes to what may be allowed, and nothing else."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes

    async def ask(self, question: PermissionQuestion) -> PermissionOutcome:
        """Answer at once."""
        if self._yes and not question.offers_trust and not question.is_protected:
            return "allow_once"
        return "reject"


class Printer:
    """Shows a run as it goes and remembers what its exit code depends on."""

    def __init__(self, output_format: str) -> None:
        self._format = output_format
        self._at_line_start = True
        self.denied = False
        self.usage: dict[str, int] = {}
        self.cost: float | None = None
        self.texts: list[str] = []

    def show(self, _session: str, event: events.Event) -> None:
        """Take one event."""
        self._remember(event)
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
                sys.stdout.write(_printable(text))
                sys.stdout.flush()
                self._at_line_start = text.endswith("\n")
            case events.MessageFinished() if not self._at_line_start:
                sys.stdout.write("\n")
                self._at_line_start = True
            case events.ToolCallStarted(title=title):
                self._aside(title)
            case events.ToolCallFinished(status="failed" | "denied" | "cancelled" as status, tool=tool, text=text):
                self._aside(f"{tool} {status}: {text.splitlines()[0] if text else ''}")
            case events.Notice(text=text):
                self._aside(text)
            case _:
                pass

    def _aside(self, text: str) -> None:
        print(_printable(f"· {text}"), file=sys.stderr, flush=True)

    def close(self, session: str, end: events.TurnFinished) -> None:
        """Print the last line."""
        result = {
            "type": "result",
            "stopReason": end.reason,
            "message": end.message or None,
            "usage": self.usage,
            "cost": self.cost if self.cost is not None else "unknown",
            "sessionId": session,
        }
        if self._format == "json":
            print(json.dumps(result | {"text": self.texts[-1] if self.texts else ""}))
        elif self._format == "stream-json":
            print(json.dumps(result), flush=True)
        elif end.message:
            self._aside(end.message)


def _printable(text: str) -> str:
    """No control character but tab and newline reaches a terminal."""
    return "".join(
        char if char in "\t\n" or char.isprintable() or ord(char) > 0x9F else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )


def run(args: argparse.Namespace) -> int:
    """Do the task."""
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from hermitcrab.app import build_engine
    from hermitcrab.engine.connection import Connection

    engine = build_engine()
    printer = Printer(args.output_format)
    command_line = {"model": args.model, "mode": args.mode, "max_turns": args.max_turns}
    root = Path.cwd().resolve()
    connection = Connection(
        id="cli",
        asker=HeadlessAsker(yes=args.yes),
        listener=printer.show,
        environment=dict(os.environ),
        roots=(root,),
        command_line={key: value for key, value in command_line.items() if value is not None},
    )
    engine.connect(connection)
    try:
        if args.trust:
            await asyncio.to_thread(engine.services.trust.trust, root)
        session = await _session(args, engine, connection, root)
        prompt = sys.stdin.read() if args.prompt == "-" else args.prompt
        engine.prompt(session, prompt, connection)
        end = await _wait(session)
        printer.close(session.id, end)
        return 3 if printer.denied and end.reason == "end_turn" else EXIT_CODES[end.reason]
    finally:
        await engine.close()


async def _session(args: argparse.Namespace, engine: Engine, connection: Any, root: Path) -> Session:
    from hermitcrab.core.errors import SettingsError

    wanted = args.resume
    if args.go_on:
        found = await engine.list_sessions(root)
        if not found:
            raise SettingsError("there is no session of this folder to go on with")
        wanted = found[0].id
    if wanted:
        session, _, problems = await engine.load_session(connection, wanted)
        for problem in problems:
            print(f"hermitcrab: {problem}", file=sys.stderr)
        return session
    return await engine.new_session(connection, root)


async def _wait(session: Session) -> events.TurnFinished:
    from hermitcrab.core import events

    loop = asyncio.get_running_loop()
    cancels: set[asyncio.Task[bool]] = set()

    def stop() -> None:
        cancels.add(asyncio.ensure_future(session.cancel()))

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    end = await session.wait()
    return end or events.TurnFinished(turn="", reason="error", message="the turn never began")
