"""`hermitcrab sessions`: past sessions."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("action", nargs="?", choices=["list"], default="list", help="list them (the default)")
    parser.add_argument("--all", action="store_true", help="of all folders, not just this one")
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Print them, the newest first."""
    from hermitcrab.store.paths import Paths
    from hermitcrab.store.sessions import SessionStore

    root = None if args.all else Path.cwd().resolve()
    found = SessionStore(Paths.default()).list(root)
    rows = [
        {
            "sessionId": summary.id,
            "cwd": str(summary.root),
            "title": summary.title,
            "updatedAt": datetime.fromtimestamp(summary.updated, UTC).isoformat(timespec="seconds"),
            "turns": summary.turns,
        }
        for summary in found
    ]
    if args.json:
        print(json.dumps({"sessions": rows}))
        return 0
    if not rows:
        print("no sessions here yet" if root else "no sessions yet")
    for row in rows:
        turns = "1 turn" if row["turns"] == 1 else f"{row['turns']} turns"
        print(f"{row['sessionId']}  {row['updatedAt']}  {turns:>8}  {row['title']}")
    return 0
