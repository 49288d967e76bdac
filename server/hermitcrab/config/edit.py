"""Sets one key in a settings file and leaves every other byte of it as it was."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermitcrab.core.errors import SettingsError, ToolError
from hermitcrab.store.files import write_whole
from hermitcrab.workspace.files import FileText, read_file, write_file


def set_in_file(path: Path, key: str, value: str) -> None:
    """Write `key = value` into a settings file, made when it is missing. Blocks; raises SettingsError."""
    old = _read(path)
    new = with_setting(old.text if old else "", key, value, name=str(path))
    if old is None:
        write_whole(path, new.encode())
    elif new != old.text:
        try:
            write_file(path, new, old)
        except ToolError as error:
            raise SettingsError(str(error)) from None


def check_can_set(path: Path, key: str, value: str) -> None:
    """Raise SettingsError when `set_in_file` would have to."""
    old = _read(path)
    with_setting(old.text if old else "", key, value, name=str(path))


def with_setting(text: str, key: str, value: str, *, name: str = "settings.toml") -> str:
    """Return `text` with `key` set at its top level: what TOML says of the result decides, not how it looks."""
    try:
        wanted = {**tomllib.loads(text), key: value}
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: {error}; mend it first") from None
    for candidate in _candidates(text, key, json.dumps(value, ensure_ascii=False)):
        if _meaning(candidate) == wanted:
            return candidate
    raise SettingsError(f"{name}: `{key}` cannot be set there; write `{key} = {json.dumps(value)}` yourself")


def _candidates(text: str, key: str, written: str) -> Iterator[str]:
    """Yield ways to set it: in place, before the first table, at the end, at the beginning."""
    setting = re.compile(
        rf"""^([ \t]*["']?{re.escape(key)}["']?[ \t]*=[ \t]*)("(?:[^"\\\r\n]|\\.)*"|'[^'\r\n]*')""", re.MULTILINE
    )
    for found in setting.finditer(text):
        yield text[: found.start(2)] + written + text[found.end(2) :]
    end = "\r\n" if "\r\n" in text else "\n"
    line = f"{key} = {written}{end}"
    for found in re.finditer(r"^[ \t]*\[", text, re.MULTILINE):
        yield text[: found.start()] + line + text[found.start() :]
    yield text + (end if text and not text.endswith("\n") else "") + line
    yield line + text


def _meaning(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _read(path: Path) -> FileText | None:
    if not path.exists():
        return None
    try:
        return read_file(path)
    except ToolError as error:
        raise SettingsError(str(error)) from None
