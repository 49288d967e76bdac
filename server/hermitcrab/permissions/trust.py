"""Which folders a person trusts to run what they bring.

Trust is the user's, never a folder's: it stands in one file in the user's own configuration, keyed by the real path of
exactly that folder. A trusted folder says nothing about the folders in it, and a link to it nothing about the link.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Self, cast

from hermitcrab.core.errors import HermitcrabError, SettingsError
from hermitcrab.store.files import read_own, stamp, write_whole
from hermitcrab.store.locks import wait_for_lock
from hermitcrab.store.paths import Paths

_VERSION = 1


class TrustStore:
    """The list of trusted folders; what another process writes into it counts at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: tuple[tuple[int, int, int] | None, Mapping[str, Any]] = (None, {})
        self._guard = threading.Lock()

    @classmethod
    def in_paths(cls, paths: Paths) -> Self:
        """Return the store of a user."""
        return cls(paths.trust)

    def is_trusted(self, root: Path) -> bool:
        """Say whether this very folder is trusted; a list that cannot be believed trusts nothing. Takes one `stat`."""
        try:
            return _key(root) in self._folders()
        except (OSError, HermitcrabError):
            return False

    def folders(self) -> tuple[Path, ...]:
        """Return the trusted folders; raise SettingsError when the list cannot be believed."""
        return tuple(Path(folder) for folder in sorted(self._folders()))

    def trust(self, root: Path) -> None:
        """Trust a folder from now on; it must exist. Blocks: call it in a thread."""
        if not root.is_dir():
            raise SettingsError(f"`{root}` is not a folder, so it cannot be trusted")
        with self._changing() as folders:
            folders[_key(root)] = {"since": int(time.time())}

    def revoke(self, root: Path) -> None:
        """Trust a folder no longer. Blocks: call it in a thread."""
        with self._changing() as folders:
            folders.pop(_key(root), None)

    def _folders(self) -> Mapping[str, Any]:
        try:
            state = stamp(self._file)
            with self._guard:
                if state is None or self._known[0] != state:
                    self._known = (state, _parse(read_own(self._file), self._file))
                return self._known[1]
        except FileNotFoundError:
            return {}

    @contextlib.contextmanager
    def _changing(self) -> Generator[dict[str, Any]]:
        """Hold the list against other processes while it is changed."""
        lock = wait_for_lock(self._file.with_suffix(".lock"))
        try:
            folders = dict(self._read())
            yield folders
            text = json.dumps({"v": _VERSION, "folders": folders}, indent=2)
            write_whole(self._file, f"{text}\n".encode())
            with self._guard:
                self._known = (None, {})
        finally:
            lock.release()

    def _read(self) -> Mapping[str, Any]:
        try:
            return _parse(read_own(self._file), self._file)
        except FileNotFoundError:
            return {}


def _key(root: Path) -> str:
    """Return the real path; bytes no encoding knows are kept as lone surrogates, which JSON escapes."""
    return os.path.realpath(root)


def _parse(data: bytes, file: Path) -> Mapping[str, Any]:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise SettingsError(
            f"`{file}` is not readable as JSON; nothing is trusted until it is mended or deleted"
        ) from None
    folders: Any = cast("dict[str, Any]", found).get("folders") if isinstance(found, dict) else None
    if not isinstance(folders, dict):
        raise SettingsError(f"`{file}` holds no list of folders; nothing is trusted until it is mended or deleted")
    return cast("dict[str, Any]", folders)
