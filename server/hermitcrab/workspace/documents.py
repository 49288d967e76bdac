"""The documents that editors have open, as they have them now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from hermitcrab.core.edits import TextId
from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.text import LineText, TextChange
from hermitcrab.workspace.files import real_path


@dataclass(frozen=True, slots=True)
class DocumentChanged:
    """News of one document; the door hands it to every sink."""

    kind: Literal["opened", "changed", "saved", "closed"]
    connection: str
    uri: str
    path: Path
    version: int | None  # None once it is closed
    notes: tuple[str, ...] = ()  # what was odd about it, for the log


@dataclass(slots=True)
class Document:
    """One open document of one connection."""

    connection: str
    uri: str
    path: Path  # links resolved
    language: str
    version: int
    lines: LineText
    changed_at: float  # by the clock of `Documents`

    @property
    def text(self) -> str:
        """Return the text as the editor has it."""
        return self.lines.text

    @property
    def id(self) -> TextId:
        """Return the name of this state of the text."""
        return TextId(self.lines.hash, self.version)


class Documents:
    """All open documents of all connections; used on the event loop alone."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._documents: dict[tuple[str, str], Document] = {}
        self._watches: list[Watch] = []
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    def __iter__(self) -> Iterator[Document]:
        """Go through all open documents."""
        return iter(tuple(self._documents.values()))

    def open(self, connection: str, uri: str, path: Path, language: str, version: int, text: str) -> DocumentChanged:
        """Take in a document that an editor opened; opening it again replaces it."""
        notes = ("opened again without being closed",) if (connection, uri) in self._documents else ()
        document = Document(connection, uri, real_path(path), language, version, LineText(text), self.clock())
        self._documents[connection, uri] = document
        self._tell(document)
        return DocumentChanged("opened", connection, uri, document.path, version, notes)

    def change(self, connection: str, uri: str, version: int, changes: Sequence[TextChange]) -> DocumentChanged:
        """Make the client's changes, one after the other; an odd version is noted, the text still follows the client."""
        document = self.find(connection, uri)
        notes = (f"version {version} came after {document.version}",) if version <= document.version else ()
        document.version = version
        document.changed_at = self.clock()
        for change in changes:
            document.lines.change(change)
            self._tell(document)
        return DocumentChanged("changed", connection, uri, document.path, version, notes)

    def save(self, connection: str, uri: str, text: str | None = None) -> DocumentChanged:
        """Take note that the editor saved a document; where it says what it saved, that is the text."""
        document = self.find(connection, uri)
        notes: tuple[str, ...] = ()
        if text is not None and text != document.text:
            notes = ("saved another text than it had told of",)
            document.lines.change(TextChange(text))
            self._tell(document)
        return DocumentChanged("saved", connection, uri, document.path, document.version, notes)

    def close(self, connection: str, uri: str) -> DocumentChanged:
        """Forget a document."""
        document = self.find(connection, uri)
        del self._documents[connection, uri]
        for watch in self._watches_of(document):
            watch.end()
        return DocumentChanged("closed", connection, uri, document.path, None)

    def disconnect(self, connection: str) -> tuple[DocumentChanged, ...]:
        """Forget all documents of a connection that went away."""
        return tuple(self.close(connection, document.uri) for document in self if document.connection == connection)

    def find(self, connection: str, uri: str) -> Document:
        """Return an open document by its URI; raise HermitcrabError when it is not open."""
        try:
            return self._documents[connection, uri]
        except KeyError:
            raise HermitcrabError(f"`{uri}` is not open; send `textDocument/didOpen` first") from None

    def get(self, connection: str, path: Path) -> Document | None:
        """Return a connection's document of a file (links resolved), if it has one open."""
        return next((document for document in self.all_open(path) if document.connection == connection), None)

    def all_open(self, path: Path) -> list[Document]:
        """Return every connection's document of a file (links resolved)."""
        return [document for document in self._documents.values() if document.path == path]

    def lock(self, path: Path) -> asyncio.Lock:
        """Return the lock that lets one edit at a time at a file."""
        lock = self._locks.get(path)
        if lock is None:
            lock = self._locks[path] = asyncio.Lock()
        return lock

    @contextmanager
    def watch(self, document: Document) -> Generator[Watch]:
        """Keep every text of a document from now on, for as long as somebody waits for an echo."""
        watch = Watch(document.connection, document.uri)
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    def _tell(self, document: Document) -> None:
        for watch in self._watches_of(document):
            watch.record(document.text)

    def _watches_of(self, document: Document) -> list[Watch]:
        key = document.connection, document.uri
        return [watch for watch in self._watches if (watch.connection, watch.uri) == key]


@dataclass(slots=True)
class Watch:
    """The texts a document goes through while somebody waits for an echo."""

    connection: str
    uri: str
    is_closed: bool = False
    _texts: list[str] = field(default_factory=list[str])
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def record(self, text: str) -> None:
        """Take note of a new text."""
        self.is_closed = False
        self._texts.append(text)
        self._news.set()

    def end(self) -> None:
        """Take note that the document was closed."""
        self.is_closed = True
        self._news.set()

    async def news(self) -> list[str]:
        """Wait until something happened since the last call and return the new texts, none when it was closed."""
        await self._news.wait()
        return self.take()

    def take(self) -> list[str]:
        """Return the texts since the last call."""
        self._news.clear()
        texts, self._texts = self._texts, []
        return texts
