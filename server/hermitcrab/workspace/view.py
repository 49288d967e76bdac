"""One session's eyes and hands on its root, through the connection it was last prompted from."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from hermitcrab.core.edits import Hunk, TextId, apply, diff, rebase, text_hash
from hermitcrab.core.errors import HermitcrabError, StaleEditError, ToolError
from hermitcrab.core.ports import Editor
from hermitcrab.workspace.buffers import DEFAULT_WAITS, BufferWriter, Waits
from hermitcrab.workspace.documents import Document, Documents
from hermitcrab.workspace.files import FileText, read_file, real_path, remove_file, write_file
from hermitcrab.workspace.threads import off_loop, to_the_end

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text as a session reads it: the open buffer if there is one, else the disk."""

    path: Path
    text: str
    id: TextId
    is_open: bool
    is_saved: bool  # the buffer equals the disk


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """What became of an edit: `hunks`, made on `before`, are in `after_text`, perhaps beside somebody's typing."""

    path: Path
    before: Source
    hunks: tuple[Hunk, ...]
    after_hash: str
    after_text: str
    saved: bool
    created: bool
    notes: tuple[str, ...]


class View:
    """Reads and edits files for one session."""

    def __init__(
        self,
        root: Path,
        documents: Documents,
        *,
        connection: str | None = None,
        editor: Editor | None = None,
        waits: Waits = DEFAULT_WAITS,
    ) -> None:
        self.root = real_path(root)
        self.documents = documents
        self.connection = connection
        self.editor = editor
        self._waits = waits

    def attach(self, connection: str | None, editor: Editor | None) -> None:
        """Look through another connection from now on: the one the session was last prompted from."""
        self.connection = connection
        self.editor = editor

    def resolve(self, file_path: str) -> Path:
        """Return the absolute path with links followed, also of a name that does not exist yet; raise ToolError."""
        if not file_path:
            raise ToolError("the path is empty; give an absolute path or one relative to the root")
        if odd := next((char for char in file_path if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}), ""):
            raise ToolError(f"the path {file_path!a} holds the control character {odd!a}")
        return real_path(self.root / file_path)

    def is_inside(self, path: Path) -> bool:
        """Say whether a path, its links followed, lies in the root."""
        return real_path(path).is_relative_to(self.root)

    def show(self, path: Path) -> str:
        """Return the path for messages: relative to the root where it lies inside."""
        return os.fspath(path.relative_to(self.root)) if path.is_relative_to(self.root) else os.fspath(path)

    async def read(self, path: Path) -> Source:
        """Return the text of a file: this connection's buffer, else the disk; raise ToolError when it cannot be had."""
        path = real_path(path)
        document = self._document(path)
        if document is None:
            return _on_disk(await asyncio.to_thread(read_file, path))
        disk = await self._disk_text(path)
        return _in_buffer(document, disk)

    async def unsaved(self) -> tuple[Path, ...]:
        """Return the files in the root whose buffer, in any connection, differs from the disk."""
        texts = [(document.path, document.text) for document in self.documents]
        inside = [(path, text) for path, text in texts if path.is_relative_to(self.root) and not self._is_chat(path)]
        return await asyncio.to_thread(_differing, inside)

    def _is_chat(self, path: Path) -> bool:
        """Say whether it is a chat file: a view of ours, and no work of the user's."""
        return path.is_relative_to(self.root / ".hermitcrab" / "chats")

    async def apply(self, base: Source, new_text: str, *, label: str) -> EditOutcome:
        """Change a file from `base` to `new_text`, keeping what others changed beside it since.

        StaleEditError: somebody changed the same place. UnconfirmedEditError: sent, but its echo did not come.
        """
        path = real_path(base.path)
        async with self.documents.lock(path):
            document = self._document(path)
            if document is not None:
                return await self._apply_to_buffer(document, base, new_text, label)
            return await self._apply_to_disk(path, base, new_text)

    async def create(self, path: Path, text: str, *, label: str) -> EditOutcome:
        """Make a new file and the folders above it; raise ToolError when it exists or a buffer holds text for it."""
        path = real_path(path)
        async with self.documents.lock(path):
            if await asyncio.to_thread(os.path.lexists, path):
                raise ToolError(f"`{self.show(path)}` exists already")
            for document in self.documents.all_open(path):
                if document.text:
                    raise ToolError(f"`{self.show(path)}` does not exist, but is open in an editor with unsaved text")
            document = self._document(path)
            if document is not None:
                return await self._apply_to_buffer(document, _in_buffer(document, None), text, label, created=True)
            await to_the_end(_write_new, path, text)
            before = Source(path, "", TextId(text_hash("")), is_open=False, is_saved=True)
            return _outcome(before, diff("", text), text, saved=True, created=True)

    async def remove(self, source: Source) -> None:
        """Delete a file that is still as `source` shows it; raise ToolError when it is not, or open in an editor."""
        path = real_path(source.path)
        async with self.documents.lock(path):
            if self.documents.all_open(path):
                raise ToolError(f"`{self.show(path)}` is open in an editor; close it there to have it deleted")
            file = await asyncio.to_thread(read_file, path)
            if text_hash(file.text) != source.id.hash:
                raise StaleEditError(f"`{self.show(path)}` was changed since it was read; it was not deleted")
            await to_the_end(remove_file, path, file)

    async def _apply_to_disk(self, path: Path, base: Source, new_text: str) -> EditOutcome:
        for attempt in range(_ATTEMPTS):
            file = await asyncio.to_thread(read_file, path)
            notes = self._open_elsewhere(path, None, file.text)
            hunks = await off_loop(len(file.text), self._fit, path, base, new_text, file.text)
            after = apply(file.text, hunks)
            if hunks:
                try:
                    await to_the_end(write_file, path, after, file)
                except StaleEditError:
                    # Nothing was written: somebody else was quicker, and what they wrote is looked at first.
                    if attempt + 1 < _ATTEMPTS:
                        continue
                    raise
            return _outcome(_on_disk(file), hunks, after, saved=True, notes=notes)
        raise AssertionError("the last attempt returns or raises")

    async def _apply_to_buffer(
        self, document: Document, base: Source, new_text: str, label: str, *, created: bool = False
    ) -> EditOutcome:
        if self.editor is None:
            raise ToolError(f"`{self.show(document.path)}` is open in an editor that cannot be asked to change it")
        writer = BufferWriter(self.documents, document, self.editor, self.show(document.path), self._waits)
        await writer.wait_until_quiet()
        while True:
            disk = await self._disk_text(document.path)
            before = _in_buffer(document, disk)
            hunks = await off_loop(len(before.text), self._fit, document.path, base, new_text, before.text)
            # What was worked out meanwhile must still be true: from here to the sending nothing else can happen.
            if document.text == before.text:
                break
        self._open_elsewhere(document.path, document, disk)
        if not hunks:
            return _outcome(before, (), before.text, saved=before.is_saved, created=created)
        landed = await writer.write(hunks, label)
        saved, note = await writer.save(landed, disk)
        if landed.before != before.text:
            before = Source(before.path, landed.before, TextId(text_hash(landed.before)), is_open=True, is_saved=False)
        notes = (*writer.notes, *((note,) if note else ()))
        return _outcome(before, landed.hunks, landed.now, saved=saved, created=created, notes=notes)

    def _fit(self, path: Path, base: Source, new_text: str, text: str) -> tuple[Hunk, ...]:
        """Return the hunks that make the edit on the text as it is now."""
        if new_text in (text, base.text):
            return ()
        hunks = diff(base.text, new_text)
        if text == base.text:
            return hunks
        moved = rebase(hunks, diff(base.text, text))
        if moved is None:
            raise StaleEditError(
                f"`{self.show(path)}` was changed in the same place since it was read; read it again and redo the edit"
            )
        return moved

    def _open_elsewhere(self, path: Path, ours: Document | None, disk: str | None) -> tuple[str, ...]:
        """Refuse when another buffer holds unsaved text that is not ours; return notes otherwise."""
        others = [document for document in self.documents.all_open(path) if document is not ours]
        for other in others:
            if other.text != disk and (ours is None or other.text != ours.text):
                raise ToolError(
                    f"`{self.show(path)}` has other unsaved changes in another editor window; "
                    "save or close it there, then try again"
                )
        if others and ours is None:
            return (f"`{self.show(path)}` is open in another editor, which has to reload it",)
        return ()

    def _document(self, path: Path) -> Document | None:
        return None if self.connection is None else self.documents.get(self.connection, path)

    async def _disk_text(self, path: Path) -> str | None:
        try:
            return (await asyncio.to_thread(read_file, path)).text
        except HermitcrabError:
            return None


def _on_disk(file: FileText) -> Source:
    return Source(file.path, file.text, TextId(text_hash(file.text)), is_open=False, is_saved=True)


def _in_buffer(document: Document, disk: str | None) -> Source:
    return Source(document.path, document.text, document.id, is_open=True, is_saved=document.text == disk)


def _outcome(
    before: Source,
    hunks: tuple[Hunk, ...],
    after: str,
    *,
    saved: bool,
    created: bool = False,
    notes: tuple[str, ...] = (),
) -> EditOutcome:
    return EditOutcome(before.path, before, hunks, text_hash(after), after, saved, created, notes)


def _differing(texts: list[tuple[Path, str]]) -> tuple[Path, ...]:
    found: dict[Path, None] = {}
    for path, text in texts:
        try:
            is_saved = read_file(path).text == text
        except HermitcrabError:
            is_saved = False
        if not is_saved:
            found[path] = None
    return tuple(found)


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(f"the folder `{path.parent}` cannot be made: {error.strerror}") from error
    write_file(path, text, None)
