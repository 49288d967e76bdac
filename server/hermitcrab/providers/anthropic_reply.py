"""Reads the events of one Anthropic reply (https://docs.anthropic.com/en/docs/build-with-claude/streaming).

Nothing is taken on trust: events may be unknown, doubled, out of order or missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.core.ids import new_id
from hermitcrab.core.messages import (
    BlockPart,
    BrokenCall,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    JsonObject,
    StopPart,
    StreamPart,
    TextPart,
    ThinkingPart,
    Usage,
    UsagePart,
)
from hermitcrab.providers.pieces import Mender, join_surrogates
from hermitcrab.providers.raw import block_of, call_of, is_object, raw_call
from hermitcrab.providers.sse import SseEvent

log = logging.getLogger(__name__)

Reason = Literal["tool_use", "end_turn", "max_tokens", "refusal"]

_REASONS: dict[str, Reason] = {
    "end_turn": "end_turn",
    "stop_sequence": "end_turn",
    "pause_turn": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "refusal": "refusal",
}
_PASSING = frozenset({"overloaded_error", "rate_limit_error", "api_error", "timeout_error"})
_KEYS = {  # kind of block: the keys that deltas may add to; blocks of other kinds take whatever comes
    "text": frozenset({"text"}),
    "thinking": frozenset({"thinking", "signature"}),
    "redacted_thinking": frozenset[str](),
    "tool_use": frozenset({"input"}),
}
_DELTAS = {  # kind of delta: the key of the block it adds to
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "input",
}


@dataclass(slots=True)
class _Open:
    """A content block that is still being written."""

    raw: JsonObject
    kind: str
    id: str = ""
    pieces: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    mender: Mender = field(default_factory=Mender)
    problem: str = ""  # why a call in it will not run, whatever its JSON says

    def add(self, key: str, piece: str) -> None:
        self.pieces.setdefault(key, []).append(piece)


class ReplyReader:
    """Turns events into parts. Work per event does not grow with the reply.

    A call is yielded when its content block is closed, once, and never otherwise.
    """

    def __init__(self, used_ids: Collection[str] = ()) -> None:
        self.is_over = False
        self._open: dict[int, _Open] = {}
        self._closed: set[int] = set()
        self._used_ids = used_ids
        self._ids: set[str] = set()
        self._usage: dict[str, int] = {}
        self._stop: str | None = None
        self._has_call = False
        self._lost_call = False
        self._held: _Open | None = None
        self._odd: set[str] = set()

    def take(self, event: SseEvent) -> list[StreamPart]:
        """Return what `event` adds to the reply; raise ProviderError when it is an error or no event at all."""
        data = _object(event.data)
        kind = data.get("type", event.name)
        if kind == "content_block_delta":
            return self._delta(data)
        if self.is_over:
            return []
        parts = self._release(data)
        if kind == "content_block_start":
            parts += self._start(data)
        elif kind == "content_block_stop":
            parts += self._close(data)
        elif kind == "message_start":
            parts += self._count(_sub_object(_sub_object(data, "message"), "usage"))
        elif kind == "message_delta":
            self._stop = _text(_sub_object(data, "delta"), "stop_reason") or self._stop
            parts += self._count(_sub_object(data, "usage"))
        elif kind == "message_stop":
            parts += self._finish()
        elif kind == "error":
            raise _error(_sub_object(data, "error"))
        elif kind != "ping":
            self._note_odd(f"event `{str(kind)[:40]}`")
        return parts

    def cut(self) -> list[StreamPart] | None:
        """Say what a stream that broke here amounts to: None when it is no reply, else the parts that end it.

        Complete calls stand (their results are sent, nothing is retried), and so does a reply that only lacks its
        very last event.
        """
        if self.is_over:
            return []
        parts = self._release({})
        if self._has_call:
            self._stop = "tool_use"
        elif self._stop is None or self._open:
            return None
        return parts + self._finish()

    def _delta(self, data: JsonObject) -> list[StreamPart]:
        index = data.get("index")
        block = self._open.get(index) if type(index) is int else None
        delta = data.get("delta")
        if block is None or not is_object(delta):
            return []
        kind = delta.get("type")
        key = _DELTAS.get(kind) if isinstance(kind, str) else None
        keys = _KEYS.get(block.kind)
        if key is None or (keys is not None and key not in keys):
            return self._other_delta(block, delta, is_open_minded=keys is None)
        piece = delta.get(key if key != "input" else "partial_json")
        if not isinstance(piece, str) or not piece:
            return []
        if key == "input":
            block.add(key, piece)
            return [CallArgumentsPart(block.id, block.mender.mend(piece))] if block.kind == "tool_use" else []
        piece = block.mender.mend(piece)
        block.add(key, piece)
        return _shown(block.kind, key, piece)

    def _other_delta(self, block: _Open, delta: JsonObject, *, is_open_minded: bool) -> list[StreamPart]:
        """Keep what a delta brings to a block nobody knows: strings are joined, else the newest word counts."""
        self._note_odd(f"delta `{str(delta.get('type'))[:40]}`")
        citation = delta.get("citation")
        if citation is not None:
            block.raw["citations"] = [*(block.raw.get("citations") or ()), citation]
            return []
        for key, value in delta.items() if is_open_minded else ():
            if key == "type":
                continue
            if isinstance(value, str):
                block.add(key, value)
            else:
                block.raw[key] = value
        return []

    def _start(self, data: JsonObject) -> list[StreamPart]:
        index, raw = data.get("index"), _sub_object(data, "content_block")
        kind = _text(raw, "type")
        if type(index) is not int or not kind:
            self._note_odd("a content block without index or type")
            return []
        if index in self._open or index in self._closed:
            self._note_odd(f"content block {index}, begun twice")
            self._spoil(index)
            return []
        block = self._open[index] = _Open(raw, kind)
        if kind == "tool_use":
            self._identify(block)
            return [CallStartPart(block.id, _text(raw, "name"))]
        text = _text(raw, kind) if kind in {"text", "thinking"} else ""
        return _shown(kind, kind, text) if text else []

    def _identify(self, block: _Open) -> None:
        """Give a call an id no other call has: results find their call by it."""
        block.id = _text(block.raw, "id") or new_id("call")
        if block.id in self._ids:
            block.problem = f"another call of this reply has its id, `{block.id}`"
        if block.id in self._ids or block.id in self._used_ids:
            block.id = new_id("call")
        self._ids.add(block.id)

    def _spoil(self, index: int) -> None:
        block = self._open.get(index)
        if block is not None:
            block.problem = "the stream wrote two blocks into one place"

    def _close(self, data: JsonObject) -> list[StreamPart]:
        index = data.get("index")
        block = self._open.pop(index, None) if type(index) is int else None
        if block is None or type(index) is not int:
            return []
        self._closed.add(index)
        if block.kind == "tool_use":
            self._has_call = True
            if not block.pieces.get("input") and not block.raw.get("input"):
                self._held = block  # empty because it takes nothing, or because the limit cut it: the next event tells
                return []
        return [self._part(block)]

    def _release(self, data: JsonObject) -> list[StreamPart]:
        block, self._held = self._held, None
        if block is None:
            return []
        if _sub_object(data, "delta").get("stop_reason") in {"max_tokens", "model_context_window_exceeded"}:
            block.problem = "the reply reached its limit before the arguments"
        return [self._part(block)]

    def _part(self, block: _Open) -> BlockPart:
        if block.kind == "tool_use":
            return _call_part(block)
        for key, pieces in block.pieces.items():
            text = "".join(pieces)
            block.raw[key] = _input(text) if key == "input" else _text(block.raw, key) + text
        return BlockPart(block_of(block.raw), block.raw)

    def _count(self, usage: JsonObject) -> list[StreamPart]:
        self._usage.update({key: value for key, value in usage.items() if type(value) is int})
        if not self._usage:
            return []
        return [
            UsagePart(
                Usage(
                    input=self._usage.get("input_tokens"),
                    output=self._usage.get("output_tokens"),
                    cache_read=self._usage.get("cache_read_input_tokens"),
                    cache_write=self._usage.get("cache_creation_input_tokens"),
                )
            )
        ]

    def _finish(self) -> list[StreamPart]:
        """End the reply: open words count as said, open calls never happened."""
        self._drop_open_calls()
        if self._lost_call and not self._has_call:
            raise ProviderBusyError("the reply ended inside a tool call")
        self.is_over = True
        parts: list[StreamPart] = [
            self._part(block) for block in self._open.values() if block.kind == "text" and _has_text(block)
        ]
        self._open.clear()
        return [*parts, StopPart(self._reason())]

    def _drop_open_calls(self) -> None:
        calls = [index for index, block in self._open.items() if block.kind == "tool_use"]
        self._lost_call = self._lost_call or bool(calls)
        for index in calls:
            del self._open[index]

    def _reason(self) -> Reason:
        reason = _REASONS.get(self._stop or "")
        if reason is None:
            self._note_odd(f"stop reason `{str(self._stop)[:40]}`")
        if reason in {"max_tokens", "refusal"}:
            return reason
        return "tool_use" if self._has_call else "end_turn"

    def _note_odd(self, what: str) -> None:
        if what not in self._odd:
            self._odd.add(what)
            log.info("ignored in a reply: %s", what)


def _shown(kind: str, key: str, piece: str) -> list[StreamPart]:
    if key != kind or not piece:
        return []
    return [TextPart(piece)] if kind == "text" else [ThinkingPart(piece)]


def _call_part(block: _Open) -> BlockPart:
    name = _text(block.raw, "name")
    pieces = block.pieces.get("input")
    text = join_surrogates("".join(pieces), "surrogatepass") if pieces else json.dumps(block.raw.get("input") or {})
    call = call_of(block.id, name, text)
    if block.problem:
        call = BrokenCall(block.id, name, text, block.problem)
    return BlockPart(CallBlock(call), {**block.raw, **raw_call(call)})


def _input(text: str) -> Any:
    """Return the input of a block we do not run ourselves, as well as it can be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {}


def _has_text(block: _Open) -> bool:
    return bool(block.pieces.get("text") or _text(block.raw, "text"))


def _object(text: str) -> JsonObject:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not is_object(value):
        raise ProviderBusyError("the stream carries something that is no event")
    return value


def _sub_object(data: JsonObject, key: str) -> JsonObject:
    value = data.get(key)
    return value if is_object(value) else {}


def _text(data: JsonObject, key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _error(error: JsonObject) -> ProviderError:
    kind, message = _text(error, "type") or "error", _text(error, "message")
    text = f"the model's server broke off ({kind}){': ' if message else ''}{message}"
    return ProviderBusyError(text) if kind in _PASSING else ProviderError(text)
