"""Where our own files live: the system's places for configuration, data, state, cache and runtime files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one user; all are ours alone and private (0700, files 0600)."""

    config: Path
    data: Path
    state: Path
    cache: Path
    runtime: Path

    @classmethod
    def default(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the system's places; `HERMITCRAB_HOME` puts all of them under one folder."""
        home = (os.environ if environ is None else environ).get("HERMITCRAB_HOME")
        if home:
            return cls.under(Path(home))
        from platformdirs import PlatformDirs

        dirs = PlatformDirs("hermitcrab", appauthor=False)
        return cls(
            dirs.user_config_path,
            dirs.user_data_path,
            dirs.user_state_path,
            dirs.user_cache_path,
            _runtime(dirs.user_state_path),
        )

    @classmethod
    def under(cls, root: Path) -> Self:
        """Return places below one folder, as tests and portable installations want them."""
        root = root.absolute()
        return cls(root / "config", root / "data", root / "state", root / "cache", root / "runtime")

    @property
    def settings(self) -> Path:
        """Return the user's settings file."""
        return self.config / "settings.toml"

    @property
    def trust(self) -> Path:
        """Return the file that lists the folders a person trusts."""
        return self.config / "trust.json"

    @property
    def consent(self) -> Path:
        """Return the file that lists the endpoints a person agreed to send to."""
        return self.config / "consent.json"

    @property
    def keys(self) -> Path:
        """Return the file that knows where the keys for models are."""
        return self.config / "keys.json"

    @property
    def sessions(self) -> Path:
        """Return the folder of all session logs."""
        return self.data / "sessions"

    @property
    def blobs(self) -> Path:
        """Return the folder of the blob store."""
        return self.data / "blobs"

    @property
    def own(self) -> tuple[Path, ...]:
        """Return the folders no model may change: our settings, trust, logs and blobs."""
        return (self.config, self.data, self.state, self.cache, self.runtime)


def _runtime(state: Path) -> Path:
    """Return the system's runtime folder where the session has one; /tmp is shared, so it never stands in."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    return Path(folder) / "hermitcrab" if folder else state / "runtime"
