"""The files of a story: made from its sections, and shown again as far as they have become others.

The name of a file's section may end in what is special about it:

    [crlf]        its lines end in CRLF
    [escaped]     `\\t`, `\\r`, `\\x00` and their like stand for bytes; there is no line end but the written ones
    [utf-16]      encoded so, with a mark; [latin-1] likewise, without one
    [repeat N]    the text N times, `#` being its number; [joined N] the same in one line
    [link]        a symbolic link to the one line of its text
    [folder]      a folder; [pipe] a pipe; [run] may be executed; [locked] may not be written
"""

from __future__ import annotations

import codecs
import difflib
import os
import re
from pathlib import Path

_NAMED = re.compile(r"(?P<name>.+?)(?: \[(?P<kind>[a-z0-9-]+)(?: (?P<count>\d+))?\])?")
_LONG = 30


def text_of(section: str, body: str) -> tuple[str, bytes, str]:
    """Return the name, the bytes and the kind of a file's section."""
    found = _NAMED.fullmatch(section)
    assert found is not None
    kind, count = found["kind"] or "", int(found["count"] or 0)
    if kind == "crlf":
        data = body.replace("\n", "\r\n").encode()
    elif kind == "escaped":
        data = codecs.escape_decode(body.rstrip("\n").encode())[0]  # type: ignore[attr-defined]
    elif kind in {"utf-16", "latin-1"}:
        data = body.encode(kind)
    elif kind == "repeat":
        data = "".join(body.replace("#", str(number)) for number in range(1, count + 1)).encode()
    elif kind == "joined":
        data = "".join(body.rstrip("\n").replace("#", str(number)) for number in range(1, count + 1)).encode()
    else:
        data = body.encode()
    return found["name"], data, kind


def make(root: Path, section: str, body: str) -> None:
    """Put the file of a section into the folder of a story."""
    name, data, kind = text_of(section, body)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        path.symlink_to(body.strip())
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(data)
        path.chmod({"run": 0o755, "locked": 0o444}.get(kind, 0o644))


def disk(root: Path) -> dict[str, bytes]:
    """Return every file below a folder; a link is where it leads to."""
    files = sorted(path for path in root.rglob("*") if path.is_file() or path.is_symlink())
    return {path.relative_to(root).as_posix(): _content(path) for path in files}


def _content(path: Path) -> bytes:
    return f"[a link to {path.readlink()}]".encode() if path.is_symlink() else path.read_bytes()


def shown(data: bytes) -> str:
    """Return bytes as a person reads them: `␍` is a carriage return, bytes that are no text are written out."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16").replace("\r", "␍")
    return data.decode("utf-8", "backslashreplace").replace("\r", "␍")


def changed(name: str, before: bytes | None, now: bytes) -> str:
    """Return a file as it is now; of a long one what has become other."""
    text = shown(now)
    if before is None or text.count("\n") <= _LONG:
        return f"{name} on disk:\n{indented(text)}"
    old, new = shown(before).splitlines(), text.splitlines()
    rows = [row for row in difflib.unified_diff(old, new, n=0, lineterm="") if not row.startswith(("---", "+++"))]
    return f"{name} on disk, what changed:\n{indented(chr(10).join(rows))}"


def indented(text: str) -> str:
    """Return text four columns further in."""
    return "\n".join(f"    {line}".rstrip() for line in text.rstrip("\n").split("\n"))


def clipped(text: str) -> str:
    """Return a long text as its beginning and end."""
    lines = [
        line if len(line) <= 600 else f"{line[:100]} [… {len(line) - 100} characters]" for line in text.split("\n")
    ]
    if len(lines) <= _LONG:
        return "\n".join(lines)
    return "\n".join([*lines[:6], f"[… {len(lines) - 10} lines]", *lines[-4:]])
