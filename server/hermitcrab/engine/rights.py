"""What one session may do: settings, mode, trust and the answers its user gave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hermitcrab.config.settings import Settings
from hermitcrab.permissions.decide import Grant, Mode, Policy
from hermitcrab.permissions.trust import TrustStore


class SessionRights:
    """Answers `agent.context.Rights` for one session; each policy is made fresh, so an answer counts at once."""

    def __init__(
        self,
        root: Path,
        trust: TrustStore,
        settings: Callable[[], Settings],
        mode: Mode,
        *,
        has_reviewer: bool,
        own: tuple[Path, ...] = (),
        readable: tuple[Path, ...] = (),
        folds_case: bool = False,
    ) -> None:
        self._root, self._trust, self._settings = root, trust, settings
        self._own, self._readable, self._folds_case = own, readable, folds_case
        self.mode: Mode = mode
        self.has_reviewer = has_reviewer
        self._grants: set[Grant] = set()

    def policy(self) -> Policy:
        """Return the policy in force now."""
        settings = self._settings()
        return Policy(
            mode=self.mode,
            rules=settings.rules,
            root=self._root,
            trusted=self._trust.is_trusted(self._root),
            has_reviewer=self.has_reviewer,
            asks_edits=settings.edits == "ask",
            grants=frozenset(self._grants),
            own=self._own,
            readable=self._readable,
            folds_case=self._folds_case,
        )

    def grant(self, tool: str, command: str | None) -> None:
        """Remember a yes for this session."""
        self._grants.add(Grant(tool, command))

    async def trust(self) -> None:
        """Trust the folder from now on."""
        await asyncio.to_thread(self._trust.trust, self._root)
