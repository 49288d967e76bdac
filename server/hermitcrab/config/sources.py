"""Where settings are written: each source with the place of every key, and who speaks in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermitcrab.core.errors import HermitcrabError, SettingsError
from hermitcrab.permissions.rules import USER_SCOPES, Scope
from hermitcrab.store.files import read_small

if TYPE_CHECKING:
    from hermitcrab.config.schema import Written

_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """One place where settings are written; `text` is that of a file, for line numbers."""

    scope: Scope
    name: str
    values: Mapping[str, Any]
    text: str = ""

    @property
    def is_users(self) -> bool:
        """Say whether the user wrote it, and not whoever made the folder."""
        return self.scope in USER_SCOPES

    def place(self, key: str, item: str | None = None) -> str:
        """Return file and line of a key, or of one item of its list; the name alone where there are no lines."""
        line = _line_of(self.text, key, item)
        return f"{self.name}:{line}" if line else self.name

    def checked(self) -> Written:
        """Return the values with their types known; raise SettingsError for the first that is wrong."""
        from pydantic import ValidationError

        from hermitcrab.config.schema import Written

        try:
            return Written.model_validate(dict(self.values))
        except ValidationError as error:
            problem = error.errors()[0]
            key = str(problem["loc"][0]) if problem["loc"] else ""
            raise SettingsError(f"{self.place(key)}: `{key}`: {problem['msg']}") from None


def read_file(path: Path, scope: Scope) -> Source | None:
    """Return the settings of one TOML file, None where there is none; raise SettingsError when it cannot be read."""
    text = ""
    try:
        text = read_small(path, _LIMIT).decode("utf-8-sig")
        return Source(scope, str(path), tomllib.loads(text), text)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_toml_problem(path, text, error)) from None
    except RecursionError:
        raise SettingsError(f"{path}: it is nested too deeply") from None
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except HermitcrabError as error:
        raise SettingsError(f"{path}: {error}") from None


def _toml_problem(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    message = str(error)
    match = re.search(r" \(at line (\d+), column \d+\)$", message)
    line = int(match[1]) if match else text.count("\n") + 1
    return f"{path}:{line}: {message[: match.start()] if match else message.removesuffix(' (at end of document)')}"


def _line_of(text: str, key: str, item: str | None) -> int:
    """Return the 1-based line where `key` is set, or behind it the line of `item`; 0 when it is not found."""
    found = re.search(rf"""^[ \t]*\[*["']?{re.escape(key)}["']?[ \t]*[=\].]""", text, re.MULTILINE)
    if found is None:
        return 0
    at = found.end() - 1
    if item is not None:
        inner = next((place for quote in "\"'" if (place := text.find(f"{quote}{item}{quote}", at)) >= 0), -1)
        at = inner if inner >= 0 else at
    return text.count("\n", 0, at) + 1
