"""Methods whose params go to their handler as plain JSON, untouched: document sync and everything of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from hermitcrab.lsp.jsonrpc import field_of

Handler = Callable[[Any], Awaitable[Any] | Any]
"""Takes `params` as JSON gave it and returns the result as JSON; a sync one must be quick."""

ReplyOrder = Literal["free", "first", "last"]
"""Where a reply stands among the news of its session: wherever it is quickest, before all that comes while the handler
runs (`session/new`, `session/prompt`), or behind all that came."""


@dataclass(frozen=True, slots=True)
class Method:
    """One entry of the table. `is_ordered`: nothing behind it is handled until it is done."""

    handle: Handler
    reply: ReplyOrder = "free"
    is_ordered: bool = False


def session_of(params: Any) -> str:
    """Return the session that params or a result name, empty when none."""
    value = field_of(params, "sessionId")
    return value if isinstance(value, str) else ""


def stream_of(method: str, params: Any) -> str:
    """Return what a notification is about: notifications about the same keep their order."""
    if session := session_of(params):
        return session
    for key in ("uri", "token"):
        value = field_of(params, key)
        if isinstance(value, str | int):
            return f"{method} {value}"
    return method
