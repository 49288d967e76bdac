"""Which endpoints a person agreed to send to: one private file in the user's own configuration, keyed by origin."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Self, cast

from hermitcrab.core.errors import HermitcrabError, SettingsError
from hermitcrab.store.files import read_own, write_whole
from hermitcrab.store.locks import wait_for_lock
from hermitcrab.store.paths import Paths

_VERSION = 1


class ConsentStore:
    """The list of endpoints; an origin is scheme, host and port, so another port or host is asked about anew."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @classmethod
    def in_paths(cls, paths: Paths) -> Self:
        """Return the store of a user."""
        return cls(paths.consent)

    def has(self, origin: str) -> bool:
        """Say whether sending there was agreed to; a list that cannot be believed agrees to nothing. Blocks."""
        try:
            return origin in self._read()
        except (OSError, HermitcrabError):
            return False

    def give(self, origin: str) -> None:
        """Remember a person's yes. Blocks; raises HermitcrabError or OSError when it cannot be written."""
        lock = wait_for_lock(self.file.with_suffix(".lock"))
        try:
            endpoints = {**self._read(), origin: {"since": int(time.time())}}
            text = json.dumps({"v": _VERSION, "endpoints": endpoints}, indent=2)
            write_whole(self.file, f"{text}\n".encode())
        finally:
            lock.release()

    def _read(self) -> dict[str, Any]:
        try:
            found: Any = json.loads(read_own(self.file))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            raise SettingsError(f"`{self.file}` is not readable as JSON; mend it or delete it") from None
        endpoints: Any = cast("dict[str, Any]", found).get("endpoints") if isinstance(found, dict) else None
        if not isinstance(endpoints, dict):
            raise SettingsError(f"`{self.file}` holds no list of endpoints; mend it or delete it")
        return cast("dict[str, Any]", endpoints)
