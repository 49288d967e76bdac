"""`hermitcrab trust`: a person's yes to running what a folder brings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("folder", nargs="?", default=".", help="the folder (default: this one)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="only say whether it is trusted; exit 3 when it is not")
    what.add_argument("--revoke", action="store_true", help="trust it no longer")
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Trust, revoke or show."""
    from hermitcrab.core.errors import HermitcrabError
    from hermitcrab.permissions.trust import TrustStore
    from hermitcrab.store.paths import Paths

    root = Path(args.folder).resolve()
    if not root.is_dir():
        raise HermitcrabError(f"`{args.folder}` is not a folder")
    store = TrustStore.in_paths(Paths.default())
    if args.revoke:
        store.revoke(root)
    elif not args.show:
        store.trust(root)
    trusted = store.is_trusted(root)
    if args.json:
        print(json.dumps({"folder": str(root), "trusted": trusted}))
    else:
        state = (
            "trusted: commands may run there when you allow them" if trusted else "not trusted: nothing it brings runs"
        )
        print(f"{root} is {state}")
    return 0 if trusted or not args.show else 3
