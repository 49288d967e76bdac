"""What the engine is built from; `app` makes these and hands them over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermitcrab.config.settings import Settings
from hermitcrab.diagnostics.collect import Collector
from hermitcrab.engine.connection import Connection
from hermitcrab.engine.session import SessionModel
from hermitcrab.permissions.consent import ConsentStore
from hermitcrab.permissions.trust import TrustStore
from hermitcrab.store.blobs import BlobStore
from hermitcrab.store.paths import Paths
from hermitcrab.store.sessions import SessionStore
from hermitcrab.tools.base import Tool
from hermitcrab.workspace.documents import Documents
from hermitcrab.workspace.view import View


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms below, as the engine uses them; one set per process."""

    paths: Paths
    documents: Documents
    sessions: SessionStore
    blobs: BlobStore
    trust: TrustStore
    consents: ConsentStore
    collector: Collector
    tools: Mapping[str, Tool[Any]]
    settings: Callable[[Path, Connection, bool], Settings]
    model: Callable[[str | None, Mapping[str, str]], SessionModel]
    close: Callable[[], Any]

    def view(self, root: Path, connection: Connection) -> View:
        """Return a session's eyes and hands on `root` through `connection`."""
        return View(root, self.documents, connection=connection.id, editor=connection.editor)

    def spill_directory(self, session: str) -> Path:
        """Return the session's private folder for output too long to show."""
        return self.paths.state / "spill" / session

    def readable(self, session: str) -> tuple[Path, ...]:
        """Return what a session may read outside its root: the output it could not be shown whole."""
        return (self.spill_directory(session),)
