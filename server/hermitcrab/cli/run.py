"""`hermitcrab run`: one task without an editor; exit codes as SURFACE."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermitcrab.cli.printer import Printer
    from hermitcrab.core import events
    from hermitcrab.core.events import PermissionOutcome
    from hermitcrab.core.ports import PermissionQuestion, Provider
    from hermitcrab.engine.engine import Engine
    from hermitcrab.engine.session import Session, SessionModel

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
    parser.add_argument(
        "--record", metavar="FILE", help="write what the model says there: a bug report that `scripted:FILE` replays"
    )
    parser.add_argument("--redact-text", action="store_true", help="with --record: hide words and file contents too")
    parser.add_argument("--max-turns", type=int, metavar="N", help="model requests at most")
    parser.add_argument("--max-cost", type=float, metavar="USD", help="stop when the known cost passes this")


class HeadlessAsker:
    """Answers for a user who is not there: --yes says yes to what may be allowed, and nothing else.

    The model is the user's own word (command line or user settings; no folder can name one), so sending to it is agreed
    to for this run; where and what is printed before.
    """

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes

    async def ask(self, question: PermissionQuestion) -> PermissionOutcome:
        """Answer at once."""
        if question.is_consent:
            return "allow_once"
        if self._yes and not question.offers_trust and not question.is_protected:
            return "allow_once"
        return "reject"


def run(args: argparse.Namespace) -> int:
    """Do the task."""
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from hermitcrab.app import build_engine
    from hermitcrab.cli.printer import Printer
    from hermitcrab.engine.connection import Connection

    root = Path.cwd().resolve()
    engine = build_engine(record=root / args.record if args.record else None, hides_text=args.redact_text)
    printer = Printer(args.output_format)
    connection = Connection(
        id="cli",
        asker=HeadlessAsker(yes=args.yes),
        listener=printer.show,
        environment=dict(os.environ),
        roots=(root,),
        command_line=_command_line(args),
    )
    engine.connect(connection)
    try:
        if args.trust:
            await asyncio.to_thread(engine.services.trust.trust, root)
        session = await _session(args, engine, connection, root)
        _say_where(session.model)
        prompt = await asyncio.to_thread(sys.stdin.read) if args.prompt == "-" else args.prompt
        engine.prompt(session, prompt, connection)
        end = await _wait(session, printer)
        printer.close(session.id, end)
        _say_recorded(session.model.provider)
        if not printer.has_reader:
            return 1
        if printer.denied and end.reason == "end_turn":
            return 3
        return EXIT_CODES[end.reason] or int(bool(end.message))  # a message at a good end says what is not done
    finally:
        await engine.close()


def _command_line(args: argparse.Namespace) -> dict[str, Any]:
    given = {"model": args.model, "mode": args.mode, "max_turns": args.max_turns, "max_cost": args.max_cost}
    return {key: value for key, value in given.items() if value is not None}


def _say_where(model: SessionModel) -> None:
    """Name the endpoint before anything is sent beyond this machine, and what is sent."""
    from hermitcrab.agent.consent import WHAT_IS_SENT
    from hermitcrab.net.endpoint import is_loopback

    if model.destination is not None and not is_loopback(model.destination.url):
        print(f"hermitcrab: {model.name} at {model.destination.origin} will be sent: {WHAT_IS_SENT}", file=sys.stderr)


def _say_recorded(provider: Provider) -> None:
    """Name the recording, and what is still in it."""
    from hermitcrab.providers.recording import RecordingProvider

    if isinstance(provider, RecordingProvider) and provider.file is not None:
        hidden = "without words and file contents" if provider.hides_text else "file contents in it are as they were"
        print(f"hermitcrab: recorded in {provider.file}: known secrets are hidden, {hidden}", file=sys.stderr)


async def _session(args: argparse.Namespace, engine: Engine, connection: Any, root: Path) -> Session:
    from hermitcrab.core.errors import SettingsError

    for warning in (await asyncio.to_thread(engine.settings, root, connection)).warnings:
        print(f"hermitcrab: {warning}", file=sys.stderr)
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


async def _wait(session: Session, printer: Printer) -> events.TurnFinished:
    from hermitcrab.core import events

    loop = asyncio.get_running_loop()
    cancels: set[asyncio.Task[bool]] = set()

    def stop() -> None:
        cancels.add(asyncio.ensure_future(session.cancel()))

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    printer.on_reader_gone = stop
    end = await session.wait()
    return end or events.TurnFinished(turn="", reason="error", message="the turn never began")
