"""Every setting in force with its origin, for a person who wonders why."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import Any

from hermitcrab.config.settings import Settings
from hermitcrab.core.errors import SettingsError

DEFAULT = "default"
_NOT_WRITTEN = frozenset({"origins", "warnings"})
KEYS = tuple(field.name for field in fields(Settings) if field.name not in _NOT_WRITTEN)
"""What can be set, in the order it is explained."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting, or one of the rules: its value and where that was written."""

    key: str
    value: Any
    origin: str


def explain(settings: Settings, key: str | None = None) -> tuple[Explained, ...]:
    """Return what is in force and why; raise SettingsError for a key nobody can set."""
    if key is not None and key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, 1, 0.6)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(KEYS)}"
        raise SettingsError(f"there is no setting `{key[:80]}`; {hint}")
    rows: list[Explained] = []
    for name in KEYS if key is None else (key,):
        if name == "rules":
            rows += [Explained(name, f"{rule.verdict} {rule.tool}", rule.origin) for rule in settings.rules]
        else:
            rows.append(Explained(name, getattr(settings, name), settings.origins.get(name, DEFAULT)))
    return tuple(rows)
