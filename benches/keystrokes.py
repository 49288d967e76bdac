"""One typed character: in the document store against pygls's own, and from the frame to the text in a whole server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from benches.processes import BARE_PYGLS, HERMITCRAB, server
from benches.values import Number, Row
from hermitcrab.core.frames import encode_frame
from hermitcrab.core.text import TextChange
from hermitcrab.workspace.documents import Documents

_LINE = "    value = compute(value, 12345)  # word\n"
SIZES = {"10 KB": 10_000, "1 MB": 1_000_000, "20 MB": 20_000_000}
URI = "file:///bench/work.py"
_SECONDS = 3.0  # for one series of stock keystrokes, which may take seconds each


def text_of(size: int) -> str:
    """Return a text of about `size` characters in lines of forty."""
    return _LINE * (size // len(_LINE))


def measure(folder: Path) -> list[Row]:
    """Type into small and huge documents, and into one huge line."""
    rows = [
        _in_the_store(f"keystroke in {name}, document store", text_of(size), line=size // len(_LINE) // 2, column=8)
        for name, size in SIZES.items()
    ]
    rows.append(_in_the_store("keystroke in one 5 MB line, document store", "x" * 5_000_000, line=0, column=2_500_000))
    rows += [_in_a_server(name, text_of(size), folder) for name, size in SIZES.items()]
    return rows


_GOALS = {"20 MB": 5.0, "5 MB line": 20.0}


def _row(what: str, ours: Number, stock: Number) -> Row:
    limit = next((limit for name, limit in _GOALS.items() if name in what), None)
    goal = f"≤ {limit:g} ms" if limit else ""
    return Row("Typing", what, "ms", ours, {"pygls": stock}, goal, ours.median <= limit if limit else None)


def _in_the_store(what: str, text: str, *, line: int, column: int) -> Row:
    ours = Number.of(times(own_keystroke(text, line, column), 200), 1000)
    stock = Number.of(times(stock_keystroke(text, line, column), 200), 1000)
    return _row(what, ours, stock)


def own_keystroke(text: str, line: int, column: int) -> Callable[[], object]:
    """Return what types one character into our document."""
    documents = Documents()
    documents.open("1", URI, Path("/bench/work.py"), "python", 1, text)
    change = [TextChange("a", (line, column), (line, column))]
    version = iter(range(2, 1_000_000))
    return lambda: documents.change("1", URI, next(version), change)


def stock_keystroke(text: str, line: int, column: int) -> Callable[[], object]:
    """Return what types one character into a document of pygls."""
    from lsprotocol import types
    from pygls.workspace import TextDocument

    document = TextDocument(URI, text, 1, "python", sync_kind=types.TextDocumentSyncKind.Incremental)
    place = types.Position(line, column)
    change = types.TextDocumentContentChangePartial(range=types.Range(place, place), text="a")
    return lambda: document.apply_change(change)


def times(act: Callable[[], object], count: int) -> list[float]:
    """Return how long each of `count` acts took, or of as many as a few seconds allow."""
    act()
    found: list[float] = []
    started = time.perf_counter()
    while len(found) < count and (len(found) < 2 or time.perf_counter() - started < _SECONDS):
        before = time.perf_counter()
        act()
        found.append(time.perf_counter() - before)
    return found


def _in_a_server(name: str, text: str, folder: Path) -> Row:
    count = 100 if len(text) < 10_000_000 else 10
    ours, stock = (
        Number.of((_server_keystroke(command, text, count, folder) for _ in range(2)), 1000)
        for command in (HERMITCRAB, BARE_PYGLS)
    )
    return _row(f"keystroke in {name}, CPU of the server", ours, stock)


def _server_keystroke(command: tuple[str, ...], text: str, count: int, folder: Path) -> float:
    with server(folder, folder / "home", *command) as started:
        started.initialize()
        item = {"uri": URI, "languageId": "python", "version": 1, "text": text}
        started.notify("textDocument/didOpen", {"textDocument": item})
        started.send_bytes(_keystrokes(2, 2, text))
        started.fence()
        before = started.cpu
        started.send_bytes(_keystrokes(4, count, text))
        started.fence()
        return (started.cpu - before) / count


def _keystrokes(version: int, count: int, text: str) -> bytes:
    place = {"line": text.count("\n") // 2, "character": 8}
    change = {"range": {"start": place, "end": place}, "text": "a"}
    frames: list[bytes] = []
    for number in range(version, version + count):
        params = {"textDocument": {"uri": URI, "version": number}, "contentChanges": [change]}
        message = {"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}
        frames.append(encode_frame(json.dumps(message).encode()))
    return b"".join(frames)
