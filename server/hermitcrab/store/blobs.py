"""Large values by the name of their content: written once, verified whenever they are read."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.store.files import write_whole

_NAME = re.compile(r"[0-9a-f]{64}")


class BlobError(HermitcrabError):
    """A blob is missing or damaged."""


class BlobStore:
    """Bytes under their SHA-256, in a private folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes, *, sync: bool = False) -> str:
        """Keep `data` and return its name; with `sync` it is on disk when this returns. Blocks: call it in a thread."""
        name = hashlib.sha256(data).hexdigest()
        if sync or not self._holds(name):
            write_whole(self._place(name), data, sync=sync)
        return name

    def get(self, name: str) -> bytes:
        """Return the bytes of that name; raise BlobError when they are missing or not what the name says."""
        if not _NAME.fullmatch(name):
            raise BlobError(f"`{name[:80]}` is not the name of a blob")
        try:
            data = self._place(name).read_bytes()
        except OSError as error:
            raise BlobError(f"the blob `{name}` cannot be read: {error.strerror}") from None
        if hashlib.sha256(data).hexdigest() != name:
            raise BlobError(f"the blob `{name}` is damaged")
        return data

    def _holds(self, name: str) -> bool:
        try:
            self.get(name)
        except BlobError:
            return False
        return True

    def _place(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:]
