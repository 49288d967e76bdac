"""Puts permission questions to the person in front of this client, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from pygls.exceptions import JsonRpcException

from hermitcrab.core.ports import PermissionQuestion
from hermitcrab.lsp.questions import ClientGoneError

if TYPE_CHECKING:
    from hermitcrab.core.events import PermissionOutcome
    from hermitcrab.lsp.connection import Connection

PATIENCE: Final = 600.0  # seconds; a question nobody answers is a no
_WARNING: Final = 2


class LspAsker:
    """Asks by `hermitcrab/permission/request` where the client has our plugin, else by `window/showMessageRequest`."""

    def __init__(self, client: Connection, *, has_plugin: bool) -> None:
        self._client, self._has_plugin = client, has_plugin
        self._turnstile = asyncio.Lock()

    async def ask(self, question: PermissionQuestion) -> PermissionOutcome:
        """Return the person's answer; no answer in time, no client, an error or a closed question is a no."""
        options = _options(question)
        async with self._turnstile:
            try:
                if self._has_plugin:
                    return await self._ask_plugin(question, options)
                return await self._ask_message(question, options)
            except (ClientGoneError, TimeoutError, JsonRpcException):
                return "reject"

    async def _ask_plugin(
        self, question: PermissionQuestion, options: list[tuple[PermissionOutcome, str]]
    ) -> PermissionOutcome:
        params = {
            "sessionId": question.session,
            "requestId": question.id,
            "toolCall": {"toolCallId": question.call, "title": question.title},
            "title": question.title,
            "detail": question.detail,
            "reason": question.reason,
            "options": [{"optionId": outcome, "name": name, "kind": _KINDS[outcome]} for outcome, name in options],
        }
        answer: Any = await self._client.request("hermitcrab/permission/request", params, timeout=PATIENCE)
        outcome: Any = _object(_object(answer).get("outcome"))
        chosen = outcome.get("optionId") if outcome.get("outcome") == "selected" else None
        return _chosen((known for known, _ in options if known == chosen))

    async def _ask_message(
        self, question: PermissionQuestion, options: list[tuple[PermissionOutcome, str]]
    ) -> PermissionOutcome:
        message = "\n\n".join(filter(None, (question.title, question.detail, question.reason)))
        params = {"type": _WARNING, "message": message, "actions": [{"title": name} for _, name in options]}
        answer: Any = await self._client.request("window/showMessageRequest", params, timeout=PATIENCE)
        chosen = _object(answer).get("title")
        return _chosen(outcome for outcome, name in options if name == chosen)


def _object(answer: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}


def _chosen(found: Iterable[PermissionOutcome]) -> PermissionOutcome:
    for outcome in found:
        return outcome
    return "reject"


_KINDS: Final = {
    "allow_once": "allow_once",
    "allow_session": "allow_always",
    "trust": "allow_always",
    "reject": "reject_once",
}


def _options(question: PermissionQuestion) -> list[tuple[PermissionOutcome, str]]:
    if question.is_consent:
        return [("allow_session", "Send"), ("reject", "Do not send")]
    if question.offers_trust:
        return [("trust", "Trust this folder and run"), ("reject", "No")]
    found: list[tuple[PermissionOutcome, str]] = [("allow_once", "Allow once")]
    if question.offers_session:
        found.append(("allow_session", "Allow for this session"))
    found.append(("reject", "No"))
    return found
