"""Blocks as a wire gives and takes them, and what they mean."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeGuard

from hermitcrab.core.messages import (
    BrokenCall,
    CallBlock,
    JsonObject,
    RawReply,
    TextBlock,
    ThinkingBlock,
    ToolCall,
)

INVALID_JSON = "INVALID_JSON"
"""The one key of an input that stands in for JSON nobody could read, so that it can still be sent back."""


def blocks_of(raw: RawReply) -> tuple[TextBlock | ThinkingBlock | CallBlock, ...]:
    """Return what the verbatim blocks of a logged reply mean; a block nobody knows means nothing and is kept."""
    return tuple(block_of(block) for block in raw.blocks)


def block_of(raw: JsonObject) -> TextBlock | ThinkingBlock | CallBlock:
    """Return what one verbatim block means."""
    kind = raw.get("type")
    if kind == "text":
        return TextBlock(_string(raw, "text"))
    if kind == "tool_use":
        return CallBlock(_call(_string(raw, "id"), _string(raw, "name"), raw.get("input")))
    if kind == "function":
        return CallBlock(_function(raw))
    return ThinkingBlock(_string(raw, "thinking") if kind == "thinking" else "")


def call_of(call_id: str, name: str, text: str) -> ToolCall | BrokenCall:
    """Return the call that `text`, the JSON a model wrote, asks for; nothing is repaired, ever."""
    if not name:
        return BrokenCall(call_id, name, text, "the call names no tool")
    try:
        return ToolCall(call_id, name, arguments_of(text))
    except ValueError as error:
        return BrokenCall(call_id, name, text, str(error))


def raw_call(call: ToolCall | BrokenCall) -> JsonObject:
    """Return `call` as a verbatim block."""
    arguments = call.arguments if isinstance(call, ToolCall) else {INVALID_JSON: call.raw}
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}


def raw_function(call: ToolCall | BrokenCall, text: str) -> JsonObject:
    """Return `call` as a verbatim tool call of Chat Completions; `text` is the JSON the model wrote.

    What cannot be read is wrapped: many servers of that wire parse what they are sent back, and refuse it for ever.
    """
    arguments = text if text.strip() else "{}"
    if isinstance(call, BrokenCall):
        arguments = json.dumps({INVALID_JSON: call.raw})
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def arguments_of(text: str) -> JsonObject:
    """Parse a tool call's arguments; raise ValueError, saying what is wrong, for all that is not one sound object."""
    if not text.strip():
        return {}
    try:
        value: object = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
        if not text.isascii() or "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("the arguments contain half of a character (a lone surrogate)") from None
    except RecursionError:
        raise ValueError("the arguments are nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the arguments are not JSON: {error}") from None
    if not is_object(value):
        raise ValueError("the arguments are not a JSON object")
    return value


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Tell whether a parsed JSON value is an object."""
    return isinstance(value, dict)


def _call(call_id: str, name: str, value: object) -> ToolCall | BrokenCall:
    if not is_object(value):
        return BrokenCall(call_id, name, json.dumps(value), "the arguments are not a JSON object")
    text = value.get(INVALID_JSON)
    if len(value) == 1 and isinstance(text, str):
        call = call_of(call_id, name, text)
        return call if isinstance(call, BrokenCall) else BrokenCall(call_id, name, text, "the call was refused")
    return ToolCall(call_id, name, value)


def _function(raw: JsonObject) -> ToolCall | BrokenCall:
    value = raw.get("function")
    function = value if is_object(value) else {}
    call = call_of(_string(raw, "id"), _string(function, "name"), _string(function, "arguments"))
    return _call(call.id, call.name, call.arguments) if isinstance(call, ToolCall) else call


def _string(raw: JsonObject, key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the arguments give `{twice[:80]}` twice")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"the number {text[:40]} is too large")
    return number
