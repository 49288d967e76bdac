"""`hermitcrab schema`: the protocol, for makers of clients."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--markdown", action="store_true", help="print docs/protocol.md instead")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    from hermitcrab.wire import schema

    if args.markdown:
        print(schema.protocol_page(), end="")
    else:
        print(json.dumps(schema.protocol_schema(), indent=2))
    return 0
