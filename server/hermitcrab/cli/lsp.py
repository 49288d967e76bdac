"""`hermitcrab lsp`: serve one editor over stdio."""

from __future__ import annotations

import argparse
import asyncio
import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermitcrab.engine.engine import Engine
    from hermitcrab.workspace.documents import Documents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--model", help="PROVIDER/MODEL, `offline`, or `scripted:FILE`; before settings files")
    parser.add_argument("--no-daemon", action="store_true", help="host the engine in this process (always so, for now)")
    parser.add_argument("--stdio", action="store_true", help="accepted, because some clients add it; it is the default")
    parser.add_argument("--log-file", metavar="FILE", help="write our own log there, without messages' contents")
    parser.add_argument("--record", metavar="FILE", help="write what the model says there: a bug report that replays")
    parser.add_argument("--redact-text", action="store_true", help="with --record: hide words and file contents too")
    parser.add_argument("--socket", metavar="PATH", help="serve any number of clients on a Unix socket instead")


def run(args: argparse.Namespace) -> int:
    """Serve until the editor leaves."""
    from hermitcrab.lsp.main import serve

    command_line = {"model": args.model} if args.model else {}
    record = Path(args.record).absolute() if args.record else None
    build = functools.partial(_build, record=record, hides_text=args.redact_text)
    return asyncio.run(serve(build, command_line=command_line, socket=args.socket, log_file=args.log_file))


def _build(documents: Documents, *, record: Path | None, hides_text: bool) -> Engine:
    from hermitcrab.app import build_engine

    return build_engine(documents=documents, record=record, hides_text=hides_text)
