"""Keys for models: in the system's keyring where that works, else in one file that only its owner can read.

The file always says where each key is, so that a keyring is opened only for a key that is in it.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any, Literal, Protocol, Self, cast

from hermitcrab.core.errors import SettingsError
from hermitcrab.store.files import read_own, write_whole
from hermitcrab.store.locks import wait_for_lock
from hermitcrab.store.paths import Paths

_VERSION = 1
_SERVICE = "hermitcrab"


class Keyring(Protocol):
    """What we use of the `keyring` package."""

    def get_password(self, service_name: str, username: str) -> str | None:
        """Return a secret."""
        ...

    def set_password(self, service_name: str, username: str, password: str) -> None:
        """Keep a secret."""
        ...


class KeyStore:
    """The keys of one user, by name; a name is what the key opens, such as `anthropic https://api.anthropic.com`."""

    def __init__(self, file: Path, keyring: Keyring | None = None) -> None:
        self.file, self._keyring = file, keyring

    @classmethod
    def in_paths(cls, paths: Paths) -> Self:
        """Return the store of a user."""
        return cls(paths.keys)

    def get(self, name: str) -> str:
        """Return a key, "" when there is none; raise SettingsError when it is there and cannot be had. Blocks."""
        entry = self._read().get(name)
        if entry is None:
            return ""
        if isinstance(entry, dict) and isinstance(key := cast("dict[str, Any]", entry).get("key"), str):
            return key
        key = self._from_keyring(name)
        if not key:
            raise SettingsError(
                f"the system keyring does not give the key for `{name}`; unlock it, or run `hermitcrab setup` again"
            )
        return key

    def put(self, name: str, key: str) -> Literal["keyring", "file"]:
        """Keep a key and say where it is now. Blocks."""
        lock = wait_for_lock(self.file.with_suffix(".lock"))
        try:
            keys = self._read()
            where: Literal["keyring", "file"] = "keyring" if self._to_keyring(name, key) else "file"
            keys[name] = {"in": "keyring"} if where == "keyring" else {"in": "file", "key": key}
            write_whole(self.file, f"{json.dumps({'v': _VERSION, 'keys': keys}, indent=2)}\n".encode())
        finally:
            lock.release()
        return where

    def _read(self) -> dict[str, Any]:
        try:
            if sys.platform != "win32" and self.file.stat().st_mode & 0o077:
                raise SettingsError(f"others can look into `{self.file}`; `chmod 600` it, until then it is not used")
            found: Any = json.loads(read_own(self.file))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SettingsError(f"`{self.file}` cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise SettingsError(f"`{self.file}` is not readable as JSON; mend it or delete it") from None
        keys: Any = cast("dict[str, Any]", found).get("keys") if isinstance(found, dict) else None
        if not isinstance(keys, dict):
            raise SettingsError(f"`{self.file}` holds no keys; mend it or delete it")
        return cast("dict[str, Any]", keys)

    def _to_keyring(self, name: str, key: str) -> bool:
        """Keep it in the keyring and see whether it comes back: some backends take everything and keep nothing."""
        try:
            self._ring().set_password(_SERVICE, name, key)
        except Exception:  # noqa: BLE001 - backends raise whatever their systems do; the file is always there
            return False
        return self._from_keyring(name) == key

    def _from_keyring(self, name: str) -> str:
        try:
            return self._ring().get_password(_SERVICE, name) or ""
        except Exception:  # noqa: BLE001 - as above
            return ""

    def _ring(self) -> Keyring:
        return self._keyring or cast("Keyring", importlib.import_module("keyring"))
