"""`python -m benches`: every measure in a process of its own, one table at the end."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benches import report
from benches.values import Row

MEASURES = ("startup", "keystrokes", "turns", "deltas", "memory", "requests", "gate")
_HOME = Path(__file__).parent.parent
_LIMIT = 90.0  # seconds for one measure


def main() -> int:
    """Measure, print, and write the page when asked to."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("only", nargs="*", choices=[*MEASURES, []], help="these measures alone")
    parser.add_argument("--markdown", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--one", choices=MEASURES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return _one(args.one)
    started = time.monotonic()
    rows: list[Row] = []
    failed: list[str] = []
    for name in args.only or MEASURES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            rows += _measured(name)
        except (subprocess.SubprocessError, ValueError) as error:
            failed.append(f"{name}: {error}")
    took = time.monotonic() - started
    print(report.text(rows))
    print(f"{took:.0f} s, loopback only; {report.machine()}")
    for problem in failed:
        print(f"NOT MEASURED  {problem}")
    if args.markdown and not failed and not args.only:
        (_HOME / "docs" / "benchmarks.md").write_text(report.markdown(rows), "utf-8")
    return 1 if failed else 0


def _measured(name: str) -> list[Row]:
    done = subprocess.run(
        [sys.executable, "-m", "benches", "--one", name],
        cwd=_HOME,
        stdout=subprocess.PIPE,
        check=True,
        timeout=_LIMIT,
    )
    return [Row.from_json(value) for value in json.loads(done.stdout)]


def _one(name: str) -> int:
    import importlib

    with tempfile.TemporaryDirectory(prefix="hermitcrab-bench-") as folder:
        rows = importlib.import_module(f"benches.{name}").measure(Path(folder).resolve())
    json.dump([row.to_json() for row in rows], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
