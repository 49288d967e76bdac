"""What can be set, as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from hermitcrab.permissions.decide import Mode
from hermitcrab.permissions.rules import Rule


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one root and client; made by `load`, never changed."""

    model: str | None = None  # PROVIDER/MODEL; None: whatever the environment offers
    mode: Mode = "default"
    edits: Literal["review", "ask"] = "review"
    rules: tuple[Rule, ...] = ()
    max_turns: int = 50  # model requests in one turn
    max_cost: float | None = None  # US dollars in one turn
    command_timeout: int = 120  # seconds, when the call does not say
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # key -> where it was set
    warnings: tuple[str, ...] = ()  # for the user: keys that are unknown or not a folder's to set
