"""`hermitcrab config explain`: the settings in force in this folder, and where each was written."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermitcrab.config.explain import Explained
    from hermitcrab.config.settings import Settings

_UNSET = {"model": "offline", "max_cost": "no limit"}  # what it means when nobody set it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = (
        "The strongest first: command line, editor, your settings.toml. What a folder brings in .hermitcrab/ can only\n"
        'tighten: ask and deny rules, edits = "ask", lower limits; anything else in it is named below and not taken.\n'
        "Exit code 2 when a settings file is wrong: the message names file and line."
    )
    parser.add_argument("action", choices=["explain"], help="show every setting, its value and its origin")
    parser.add_argument("key", nargs="?", metavar="KEY", help="only this one")
    parser.add_argument("--model", help="as `run` would be told, to see what it changes")
    parser.add_argument("--mode", choices=["default", "acceptEdits", "plan", "bypass"], help="the same")
    parser.add_argument("--max-turns", type=int, metavar="N", help="the same")
    parser.add_argument("--max-cost", type=float, metavar="USD", help="the same")
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Explain."""
    from hermitcrab.config.explain import explain
    from hermitcrab.config.load import load
    from hermitcrab.permissions.trust import TrustStore
    from hermitcrab.store.paths import Paths

    paths, root = Paths.default(), Path.cwd().resolve()
    trusted = TrustStore.in_paths(paths).is_trusted(root)
    settings = load(paths, root, command_line=_command_line(args), trusted=trusted)
    rows = explain(settings, args.key)
    if args.json:
        print(json.dumps({"folder": str(root), "trusted": trusted} | _as_json(rows, settings)))
    else:
        _print(rows, settings)
    return 0


def _command_line(args: argparse.Namespace) -> dict[str, Any]:
    given = {"model": args.model, "mode": args.mode, "max_turns": args.max_turns, "max_cost": args.max_cost}
    return {key: value for key, value in given.items() if value is not None}


def _as_json(rows: tuple[Explained, ...], settings: Settings) -> dict[str, Any]:
    return {"settings": [asdict(row) for row in rows], "warnings": list(settings.warnings)}


def _print(rows: tuple[Explained, ...], settings: Settings) -> None:
    if not rows:
        print("no rules")
    said = [_said(row) for row in rows]
    width = max(map(len, said), default=0)
    for row, value in zip(rows, said, strict=True):
        print(_line(f"{row.key:<16} {value:<{width}}  {row.origin}"))
    for warning in settings.warnings:
        print(_line(f"warning: {warning}"))


def _said(row: Explained) -> str:
    return str(_UNSET.get(row.key, "not set") if row.value is None else row.value)


def _line(text: str) -> str:
    """Return `text` fit for one line of a terminal: a folder's own keys are quoted in warnings."""
    from hermitcrab.cli.printer import printable

    return printable(" ".join(text.splitlines()))
