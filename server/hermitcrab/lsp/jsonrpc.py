"""JSON-RPC messages told apart; nothing below their top level is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from hermitcrab.core.messages import JsonObject


MessageId = int | str

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
NOT_INITIALIZED: Final = -32002
REQUEST_CANCELLED: Final = -32800
REQUEST_FAILED: Final = -32803


@dataclass(frozen=True, slots=True)
class Request:
    """A question of the other side; it gets exactly one reply."""

    id: MessageId
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Notification:
    """News; it gets no reply."""

    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Response:
    """An answer to a question of ours. `is_bare`: it has neither result nor error, which some clients mean as null."""

    id: MessageId
    result: Any
    error: JsonObject | None
    is_bare: bool = False


@dataclass(frozen=True, slots=True)
class Invalid:
    """Not a message; the sender is told with this id and code."""

    id: MessageId | float | None
    code: int
    message: str


def field_of(value: Any, key: str) -> Any:
    """Return one field of a JSON object; None when there is none, or no object."""
    return cast("JsonObject", value).get(key) if isinstance(value, dict) else None


def classify(message: Any) -> Request | Notification | Response | Invalid | None:
    """Tell what a decoded message is; None for a broken notification, which gets no reply."""
    if not isinstance(message, dict):
        return Invalid(None, INVALID_REQUEST, "a message is a JSON object; batches are not part of this protocol")
    fields = cast("JsonObject", message)
    problem = _problem(fields)
    if problem:
        is_news = "id" not in fields and isinstance(fields.get("method"), str)
        return None if is_news else Invalid(_echo(fields.get("id")), INVALID_REQUEST, problem)
    if "method" not in fields:
        return _response(fields)
    params = fields.get("params")
    if "id" not in fields:
        return Notification(fields["method"], params)
    if not isinstance(params, dict | list | None):
        return Invalid(fields["id"], INVALID_PARAMS, "`params` is an object or an array")
    return Request(fields["id"], fields["method"], params)


def _problem(fields: JsonObject) -> str:
    """Say what is wrong with the top level of a message; empty when nothing is."""
    if fields.get("jsonrpc") != "2.0":
        return '`jsonrpc` must be "2.0"'
    if "method" in fields and not isinstance(fields["method"], str):
        return "`method` is a string"
    if "id" in fields and not _is_id(fields["id"]) and not ("error" in fields and fields["id"] is None):
        return "`id` is a string or an integer"
    if "method" not in fields and "id" not in fields:
        return "neither `method` nor `id`"
    return ""


def _response(fields: JsonObject) -> Response | None:
    if fields["id"] is None:
        return None  # the other side could not read something of ours and does not know what
    error: Any = fields.get("error")
    if error is not None and not isinstance(error, dict):
        error = {"code": INTERNAL_ERROR, "message": "the client answered with an error that is no object"}
    return Response(
        fields["id"],
        fields.get("result"),
        cast("JsonObject | None", error),
        "result" not in fields and "error" not in fields,
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _echo(value: Any) -> MessageId | float | None:
    """Return an id as far as it can stand in a reply."""
    return value if _is_id(value) or isinstance(value, float) else None
