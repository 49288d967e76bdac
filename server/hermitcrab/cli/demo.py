"""`hermitcrab demo`: the main job, shown to a newcomer."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = "Exit code 0 when every problem within the rules is fixed, the one beyond them is named as not fixed,\nand the text you had not saved is still yours and still unsaved."
    parser.add_argument("--seed", type=int, default=1, help="which problems are made (default 1)")
    parser.add_argument("--model", help="PROVIDER/MODEL to do the work (default: `offline`, which needs none)")
    parser.add_argument("--project", type=Path, metavar="DIR", help="on a copy of this project instead of the sample")
    parser.add_argument("--tests", metavar="COMMAND", help="with --project: run this before and after, in the copies")
    parser.add_argument("--keep", action="store_true", help="keep the folder it worked in, and say where it is")
    parser.add_argument("--no-color", action="store_true", help="no colours, also where a terminal could show them")


def run(args: argparse.Namespace) -> int:
    """Show it."""
    from hermitcrab.demo.run import Demo

    demo = Demo(
        args.seed, model=args.model, project=args.project, tests=args.tests, keep=args.keep, color=not args.no_color
    )
    return asyncio.run(demo.run())
