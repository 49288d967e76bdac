"""All commands on one screen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from hermitcrab import __version__
from hermitcrab.core.errors import HermitcrabError, SettingsError

COMMANDS = {
    "lsp": "serve one editor over stdin and stdout (the Language Server Protocol)",
    "run": "do one task in this folder and print what comes of it",
    "demo": "watch it fix a small project, in a real server, without a model",
    "doctor": "say what is there, what is missing, and the command that mends it",
    "setup": "store a key, choose a model, and prove both with one request",
    "config": "show every setting in force here, and where it was written",
    "trust": "say yes (or no longer) to running what a folder brings",
    "sessions": "list past sessions",
    "schema": "print the protocol as JSON Schema",
}

EPILOG = """\
Models: with no key and no setting the model is `offline`: rules, no language model. For a real one set
ANTHROPIC_API_KEY and say --model anthropic/NAME, or put model = "anthropic/NAME" in settings.toml. So too openai/NAME
(OPENAI_API_KEY; OPENAI_BASE_URL for any server that speaks its wire) and ollama/NAME (a local Ollama, or OLLAMA_HOST).
`hermitcrab setup` stores a key and proves it. Editors start `hermitcrab lsp` themselves; see the README for yours.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="hermitcrab",
        description="A coding agent that lives in the editor you already have.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"hermitcrab {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=_Formatter
        )
        import_module(f"hermitcrab.cli.{name}").add_arguments(command)
    return top


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


def run_command(argv: Sequence[str]) -> int:
    """Run one command; what was foreseen becomes one line on standard error and an exit code that does not lie."""
    args = parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = import_module(f"hermitcrab.cli.{args.command}").run
    try:
        return run(args)
    except SettingsError as error:
        print(f"hermitcrab: {error}", file=sys.stderr)
        return 2
    except HermitcrabError as error:
        print(f"hermitcrab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130
