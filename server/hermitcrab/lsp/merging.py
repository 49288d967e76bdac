"""What may become of news that waits for a slow client: neighbouring text becomes one, figures may be skipped."""

from __future__ import annotations

from typing import Any, Final

from hermitcrab.lsp.jsonrpc import Notification
from hermitcrab.lsp.outbox import Policy, Weight

_UPDATE: Final = "hermitcrab/session/update"
_TEXT: Final = frozenset({"agent_message_chunk", "agent_thought_chunk"})
_SPARE: Final = frozenset({"usage_update"})


def policy() -> Policy:
    """Return the policy for session updates and progress."""
    return Policy(merge=merge, weigh=weigh)


def merge(first: Notification, second: Notification) -> Notification | None:
    """Return both as one, when they are pieces of one text or of one tool's live output."""
    if first.method != _UPDATE or second.method != _UPDATE:
        return None
    old, new = first.params["update"], second.params["update"]
    kind = old["sessionUpdate"]
    if kind != new["sessionUpdate"] or first.params.keys() != second.params.keys():
        return None
    if kind in _TEXT and old.get("messageId") == new.get("messageId"):
        content = {"type": "text", "text": old["content"]["text"] + new["content"]["text"]}
        return _with(first, {**old, "content": content})
    if _is_output(old) and _is_output(new) and old["toolCallId"] == new["toolCallId"]:
        return _with(first, {**old, "appended": old["appended"] + new["appended"]})
    return None


def weigh(news: Notification) -> Weight:
    """Tell what may be dropped when a client does not read: figures, then text, never a tool call or an end."""
    if news.method == "$/progress":
        return "spare" if news.params["value"].get("kind") == "report" else "keep"
    if news.method != _UPDATE:
        return "keep"
    update = news.params["update"]
    if update["sessionUpdate"] in _SPARE:
        return "spare"
    return "text" if update["sessionUpdate"] in _TEXT or _is_output(update) else "keep"


def _is_output(update: dict[str, Any]) -> bool:
    return update["sessionUpdate"] == "tool_call_update" and update.keys() == {
        "sessionUpdate",
        "toolCallId",
        "appended",
    }


def _with(news: Notification, update: dict[str, Any]) -> Notification:
    return Notification(news.method, {**news.params, "update": update})
