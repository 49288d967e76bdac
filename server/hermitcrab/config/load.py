"""Gather the settings: the user's word counts, a folder's can only tighten it.

The strongest first: command line, editor (its `initializationOptions`), the user's file. Beside them stand what comes
with a folder: `settings.local.toml`, `settings.toml` below `.hermitcrab/`, and the workspace settings of an editor. Of
these only what tightens is taken, whether the folder is trusted or not: `ask` and `deny` rules, `edits = "ask"`, lower
limits. Models, modes and `allow` rules are the user's; a folder that sets them is told so in a warning.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hermitcrab.config.settings import Settings
from hermitcrab.config.sources import Source, read_file
from hermitcrab.core.errors import SettingsError
from hermitcrab.permissions.rules import USER_SCOPES, Rule, Scope, parse_rule
from hermitcrab.store.files import stamp
from hermitcrab.store.paths import Paths

if TYPE_CHECKING:
    from hermitcrab.config.schema import Written

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_NO_KEYS = frozenset({"origins", "warnings"})  # of `Settings`, but nothing one can write


def load(
    paths: Paths,
    root: Path,
    *,
    command_line: Mapping[str, Any] = _EMPTY,
    client: Mapping[str, Any] = _EMPTY,
    workspace: Mapping[str, Any] = _EMPTY,
    trusted: bool = False,
) -> Settings:
    """Return the settings in force for one root and client; blocks, so call it in a thread.

    `client` are an editor's own settings, `workspace` those it keeps for this folder. Raises SettingsError with file and
    line for what is wrong in the user's settings or a trusted folder's; in an untrusted one it is a warning, so that no
    folder can keep the engine from starting.
    """
    return SettingsReader(paths).load(
        root, command_line=command_line, client=client, workspace=workspace, trusted=trusted
    )


class SettingsReader:
    """Loads settings and reads files again only when they changed, so that each decision can ask for the newest."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._files: dict[Path, tuple[tuple[int, int, int] | None, Source | SettingsError | None]] = {}
        self._guard = threading.Lock()

    def load(
        self,
        root: Path,
        *,
        command_line: Mapping[str, Any] = _EMPTY,
        client: Mapping[str, Any] = _EMPTY,
        workspace: Mapping[str, Any] = _EMPTY,
        trusted: bool = False,
    ) -> Settings:
        """Do as the function `load`."""
        gathered = _Gathered()
        for scope, read in self._sources(root, command_line, client, workspace):
            try:
                gathered.take(read())
            except SettingsError as error:
                if trusted or scope in USER_SCOPES:
                    raise
                gathered.warn(f"{error} (ignored: the folder is not trusted)")
        return gathered.settings()

    def _sources(
        self, root: Path, command_line: Mapping[str, Any], client: Mapping[str, Any], workspace: Mapping[str, Any]
    ) -> Iterator[tuple[Scope, Callable[[], Source | None]]]:
        """Yield where settings are written, the strongest first."""
        folder = root / ".hermitcrab"
        yield "command line", lambda: Source("command line", "the command line", command_line)
        yield "editor", lambda: Source("editor", "the editor's settings", client)
        yield "user", lambda: self._file(self._paths.settings, "user")
        yield "local", lambda: self._file(folder / "settings.local.toml", "local")
        yield "project", lambda: self._file(folder / "settings.toml", "project")
        yield "workspace", lambda: Source("workspace", "the editor's workspace settings", workspace)

    def _file(self, path: Path, scope: Scope) -> Source | None:
        try:
            state = stamp(path)
        except OSError:
            return read_file(path, scope)
        with self._guard:
            known = self._files.get(path)
            if known is None or state is None or known[0] != state:
                known = self._files[path] = (state, _read_or_error(path, scope))
        if isinstance(known[1], SettingsError):
            raise SettingsError(str(known[1]))
        return known[1]


def _read_or_error(path: Path, scope: Scope) -> Source | SettingsError | None:
    try:
        return read_file(path, scope)
    except SettingsError as error:
        return error


class _Gathered:
    """Settings under way: the strongest source is taken first, the folder's last."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._origins: dict[str, str] = {}
        self._rules: list[Rule] = []
        self._warnings: list[str] = []

    def take(self, source: Source | None) -> None:
        """Add one source whole, or nothing of it when SettingsError is raised."""
        if source is None or not source.values:
            return
        written = source.checked()
        rules = [parse_rule(text, source.scope, source.place("rules", text)) for text in written.rules or ()]
        self._warn_of_unknown(source, written)
        for key in written.model_fields_set & (_KEYS - {"rules"}):
            if (value := getattr(written, key)) is not None:
                self._set(source, key, value)
        for rule in rules:
            self._add_rule(rule)

    def warn(self, warning: str) -> None:
        """Keep a sentence for the user."""
        self._warnings.append(warning)

    def settings(self) -> Settings:
        """Return what came of it."""
        return replace(
            Settings(),
            **self._values,
            rules=tuple(self._rules),
            origins=MappingProxyType(dict(self._origins)),
            warnings=tuple(self._warnings),
        )

    def _set(self, source: Source, key: str, value: Any) -> None:
        if source.is_users:
            if key in self._values:
                return
        elif not _tightens(key, value, self._values.get(key, getattr(Settings(), key))):
            if value != self._values.get(key, getattr(Settings(), key)):
                self.warn(f"{source.place(key)}: a folder cannot set `{key}` so; put it into your own settings")
            return
        self._values[key], self._origins[key] = value, source.place(key)

    def _add_rule(self, rule: Rule) -> None:
        if rule.is_in_force:
            self._rules.append(rule)
        else:
            self.warn(
                f"{rule.origin}: a folder cannot allow anything (`allow {rule.tool}`); put it into your own settings"
            )

    def _warn_of_unknown(self, source: Source, written: Written) -> None:
        for key in written.model_extra or {}:
            near = difflib.get_close_matches(key, sorted(_KEYS), 1, 0.75)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            self.warn(f"{source.place(key)}: there is no setting `{key[:80]}`{hint}")


_KEYS = frozenset(field.name for field in fields(Settings)) - _NO_KEYS


def _tightens(key: str, value: Any, current: Any) -> bool:
    """Say whether a folder may set this: it makes the session ask more or do less."""
    if key == "edits":
        return value == "ask"
    if key in {"max_turns", "max_cost", "command_timeout"}:
        return current is None or value < current
    return False
