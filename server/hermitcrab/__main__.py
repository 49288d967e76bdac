"""The command `hermitcrab`."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Run the command line and return its exit code."""
    _distrust_the_working_directory()
    from hermitcrab.cli.main import run_command

    return run_command(sys.argv[1:])


def _distrust_the_working_directory() -> None:
    """`python -m` looks for modules in the folder it is started in: a cloned `ruff.py` there would be run."""
    own = str(Path(__file__).resolve().parents[1])
    try:
        here = str(Path.cwd())
    except OSError:
        here = ""
    sys.path[:] = [entry for entry in sys.path if entry == own or entry not in {"", ".", here}]


if __name__ == "__main__":
    sys.exit(main())
