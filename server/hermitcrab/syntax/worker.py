"""A process of its own for texts too large to parse in place: `python -m hermitcrab.syntax.worker`.

One JSON request on standard input, `{"op": "check" | "outline", "language": …, "text": …}`, one JSON reply on standard
output: `{"ok": true, "result": …}` or `{"ok": false, "error": …}`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.syntax.check import check_patiently
from hermitcrab.syntax.languages import GRAMMARS
from hermitcrab.syntax.outline import outline

SECONDS = 10.0
"""What one check may take in here; whoever started this process has a deadline of their own besides."""


def main() -> int:
    """Answer the request on standard input; a request that cannot be read is answered too, with exit code 1."""
    try:
        reply: dict[str, Any] = {"ok": True, "result": answer(json.loads(sys.stdin.buffer.read()))}
    except (HermitcrabError, ValueError, KeyError, TypeError, RecursionError) as error:
        reply = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    sys.stdout.buffer.write(json.dumps(reply).encode())
    return 0 if reply["ok"] else 1


def answer(request: dict[str, Any]) -> Any:
    """Return the result of one request as JSON can carry it."""
    operation, language, text = request["op"], request["language"], request["text"]
    if language not in GRAMMARS:
        raise ValueError(f"no grammar for `{language}`; there are {', '.join(GRAMMARS)}")
    if operation == "check":
        return dataclasses.asdict(check_patiently(text, language, seconds=SECONDS))
    if operation == "outline":
        return [dataclasses.asdict(symbol) for symbol in outline(text, language)]
    raise ValueError(f"unknown operation `{operation}`; there are `check` and `outline`")


if __name__ == "__main__":
    raise SystemExit(main())
