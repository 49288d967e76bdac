"""All sessions of one user: begun, found again, listed."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.ids import new_id
from hermitcrab.core.messages import JsonObject
from hermitcrab.store import records
from hermitcrab.store.blobs import BlobStore
from hermitcrab.store.files import make_private, read_small, write_whole
from hermitcrab.store.log import LogContent, SessionLog, read_log
from hermitcrab.store.paths import Paths

_ID = re.compile(r"[a-z]{1,16}_[0-9a-z]{1,64}")
_USER = b',"kind":"user",'
_ENVELOPE = re.compile(rb'\{"v":\d+,"seq":\d+,"t":[^,]+,"m":[^,]+')
_TITLE_LENGTH = 80
_PROJECT = "project"  # the file beside a project's sessions that holds its root


def project_key(root: Path) -> str:
    """Return the folder name under which a project's sessions are kept: of its real path, for now."""
    real = os.path.realpath(root)
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(real).name)[:40].lstrip(".") or "root"
    return f"{readable}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One session in a list; times in seconds since 1970."""

    id: str
    root: Path
    title: str
    created: float
    updated: float
    turns: int


class SessionStore:
    """The session logs below one folder. Its methods block: call them in a thread."""

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.sessions
        self._blobs = BlobStore(paths.blobs)
        self._open: dict[str, SessionLog] = {}
        self._summaries: dict[Path, tuple[tuple[int, int], SessionSummary | None]] = {}
        self._guard = threading.Lock()

    def create(self, root: Path, **about: Any) -> SessionLog:
        """Begin a session in `root` and return its log, whose first record is on disk."""
        session, real = new_id("ses"), os.path.realpath(root)
        folder = self._folder / project_key(root)
        make_private(folder)
        _name_project(folder, real)
        log = SessionLog(session, folder / f"{session}.jsonl", self._blobs)
        log.open()
        try:
            log.append_now("session", {"id": session, "root": real, **about}, sync=True)
        except BaseException:
            log.close()
            raise
        return self._keep(log)

    def open(self, session: str) -> tuple[SessionLog, LogContent]:
        """Return a session's log, ready to append unless its `read_only` says why not, and what it holds."""
        path = self._path(session)
        log = SessionLog(session, path, self._blobs)
        content = log.open()
        return self._keep(log), _rooted(content, path)

    def read(self, session: str) -> LogContent:
        """Return what a session's log holds now, and change nothing."""
        path = self._path(session)
        with self._guard:
            log = self._open.get(session)
        return _rooted(log.read() if log else read_log(path, self._blobs), path)

    def list(self, root: Path | None = None) -> list[SessionSummary]:
        """Return the sessions of a folder, or all, the newest first; logs that did not change are not read again."""
        found = [summary for path in self._logs(root) if (summary := self._summary(path)) is not None]
        return sorted(found, key=lambda summary: summary.updated, reverse=True)

    def close(self) -> None:
        """Close every log that was opened here."""
        with self._guard:
            logs, self._open = list(self._open.values()), {}
        for log in logs:
            log.close()

    def _keep(self, log: SessionLog) -> SessionLog:
        with self._guard:
            if not log.read_only:
                self._open[log.id] = log
        return log

    def _path(self, session: str) -> Path:
        if _ID.fullmatch(session):
            for path in self._folder.glob(f"*/{session}.jsonl"):
                return path
        raise HermitcrabError(f"there is no session `{session[:80]}`; `hermitcrab sessions` lists them")

    def _logs(self, root: Path | None) -> Iterator[Path]:
        return (self._folder.glob("*/*.jsonl")) if root is None else (self._folder / project_key(root)).glob("*.jsonl")

    def _summary(self, path: Path) -> SessionSummary | None:
        try:
            found = path.stat()
            known = self._summaries.get(path)
            state = (found.st_size, found.st_mtime_ns)
            if known is None or known[0] != state:
                known = (state, _summarise(path, found.st_mtime))
                self._summaries[path] = known
        except OSError:
            return None
        return known[1]


def _name_project(folder: Path, root: str) -> None:
    """Write the root beside its sessions too, so that a session with a damaged first record still has one."""
    if not (folder / _PROJECT).exists():
        write_whole(folder / _PROJECT, root.encode("utf-8", "surrogateescape"))


def _root_of(folder: Path) -> str:
    try:
        return read_small(folder / _PROJECT).decode("utf-8", "surrogateescape")
    except (OSError, HermitcrabError):
        return ""


def _rooted(content: LogContent, path: Path) -> LogContent:
    root = content.root or _root_of(path.parent)
    if not root:
        raise HermitcrabError(f"the session `{path.stem}` does not say to which folder it belongs; its log is `{path}`")
    return replace(content, root=root)


def _summarise(path: Path, updated: float) -> SessionSummary | None:
    """Look at the first line and the lines of prompts only."""
    data = path.read_bytes()
    first = records.decode(data.partition(b"\n")[0])
    about: JsonObject = {} if isinstance(first, records.Bad) else first
    root = str(about.get("root") or _root_of(path.parent))
    if not root:
        return None
    prompts = list(_prompts(data))
    title = next((title for line in prompts if (title := _title(records.decode(line)))), "")
    return SessionSummary(path.stem, Path(root), title, float(about.get("t", updated)), updated, len(prompts))


def _prompts(data: bytes) -> Iterator[bytes]:
    """Yield the lines of prompts: a plain search first, for it is fifty times as quick as reading every line."""
    at = data.find(_USER)
    while at >= 0:
        start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        if end < 0:
            return
        if _ENVELOPE.fullmatch(data, start, at):
            yield data[start:end]
        at = data.find(_USER, end)


def _title(prompt: JsonObject | records.Bad) -> str:
    if isinstance(prompt, records.Bad):
        return ""
    text = prompt.get("text", "")
    line = next((line for line in text.splitlines() if line.strip()), "") if isinstance(text, str) else "(long prompt)"
    return "".join(char for char in " ".join(line.split()) if char.isprintable())[:_TITLE_LENGTH]
