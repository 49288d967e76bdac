"""Reads the chunks of one Chat Completions reply (https://platform.openai.com/docs/api-reference/chat-streaming).

Many servers speak this wire, each a little differently: indexes, ids, finish reasons and the end itself may be missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, cast

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
from hermitcrab.net.failures import BUSY_STATUSES
from hermitcrab.providers.pieces import Mender, join_surrogates
from hermitcrab.providers.raw import block_of, call_of, is_object, raw_function
from hermitcrab.providers.sse import SseEvent

log = logging.getLogger(__name__)

Reason = Literal["tool_use", "end_turn", "max_tokens", "refusal"]
Kind = Literal["text", "thinking"]

_REASONS: dict[str, Reason] = {
    "stop": "end_turn",
    "eos": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "model_length": "max_tokens",
    "content_filter": "refusal",
    "refusal": "refusal",
}
_BREAKS = frozenset({"error", "abort", "insufficient_system_resource"})  # reasons that are none: the server gave up
_FINAL = frozenset({"insufficient_quota", "model_not_found", "invalid_api_key"})
_FINAL_KINDS = ("invalid_request", "authentication", "permission", "not_found", "unauthorized", "exceed_context")
_FUNCTION = -1  # the index of a call in the words of 2023, `function_call`


@dataclass(slots=True)
class _Words:
    """Text or reasoning that is still being written."""

    kind: Kind
    pieces: list[str] = field(default_factory=list[str])
    mender: Mender = field(default_factory=Mender)


@dataclass(slots=True)
class _Call:
    """A tool call that is still being written; `wire_id` is its id as the server has it, empty when it gave none."""

    index: int
    wire_id: str
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list[str])
    mender: Mender = field(default_factory=Mender)
    extra: JsonObject = field(default_factory=dict[str, Any])
    problem: str = ""  # why it will not run, whatever its JSON says
    is_told: bool = False  # its start was

    def text(self) -> str:
        """Return the JSON so far."""
        return join_surrogates("".join(self.pieces), "surrogatepass")


class ReplyReader:
    """Turns chunks into parts. Work per chunk does not grow with the reply.

    A call is yielded when the next one begins or a finish reason arrives, once, and never otherwise; where a server
    gives no finish reason, its own word that the stream is whole does for calls whose JSON is.
    """

    def __init__(self, used_ids: Collection[str] = ()) -> None:
        self.is_over = False
        self._words: _Words | None = None
        self._open: list[_Call] = []
        self._used_ids = used_ids
        self._ids: set[str] = set()
        self._closed: set[int] = set()
        self._usage: Usage | None = None
        self._finish = ""
        self._has_call = False
        self._is_refused = False
        self._odd: set[str] = set()

    @property
    def has_ended(self) -> bool:
        """Tell whether the reply has given its reason to end: what may follow is counts."""
        return bool(self._finish) and self._words is None and not self._open

    def take(self, event: SseEvent) -> list[StreamPart]:
        """Return what `event` adds to the reply; raise ProviderError when it is an error or no chunk at all."""
        if self.is_over:
            return []
        if event.data.strip() == "[DONE]":
            return self._done()
        data = _object(event.data)
        _raise_error(event, data)
        return self.take_chunk(data)

    def take_chunk(self, data: JsonObject) -> list[StreamPart]:
        """Return what one chunk, or a reply that came in one piece, adds."""
        parts: list[StreamPart] = []
        for choice in _objects(data.get("choices")):
            if choice.get("index") in (0, None):  # a tuple: what comes from a wire need not be hashable
                parts += self._choice(choice)
        usage = data.get("usage")
        if is_object(usage):
            parts += self._count(usage)
        return parts

    def cut(self) -> list[StreamPart] | None:
        """Say what a stream that broke here amounts to: None when it is no reply, else the parts that end it.

        Complete calls stand (their results are sent, nothing is retried), and so does a reply that only lacks the
        word that it is over.
        """
        if self.is_over:
            return []
        if not self._has_call and (not self._finish or self._open):
            return None
        return self._end()

    def _choice(self, choice: JsonObject) -> list[StreamPart]:
        delta = choice.get("delta")
        if not is_object(delta):
            delta = choice.get("message")  # a reply in one piece
        parts = self._delta(delta) if is_object(delta) else []
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            parts += self._finished(reason)
        usage = choice.get("usage")
        if is_object(usage):
            parts += self._count(usage)
        return parts

    def _delta(self, delta: JsonObject) -> list[StreamPart]:
        parts: list[StreamPart] = []
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            parts += self._say("thinking", thought)
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                parts += self._say("text", content)
        elif content is not None:
            parts += self._content(content)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._is_refused = True
            parts += self._say("text", refusal)
        for call in _objects(delta.get("tool_calls")):
            parts += self._call(call)
        function = delta.get("function_call")
        if is_object(function):
            parts += self._call({"index": _FUNCTION, "function": function})
        return parts

    def _content(self, content: object) -> list[StreamPart]:
        """Read content that comes as a list of parts, as some servers send it."""
        parts: list[StreamPart] = []
        for item in _objects(content):
            kind: Kind = "thinking" if _text(item, "type") in {"thinking", "reasoning"} else "text"
            words = item.get(kind) or item.get("text") or item.get("refusal")
            texts = [words] if isinstance(words, str) else [_text(inner, "text") for inner in _objects(words)]
            for text in filter(None, texts):
                parts += self._say(kind, text)
        return parts

    def _say(self, kind: Kind, piece: str) -> list[StreamPart]:
        parts: list[StreamPart] = []
        words = self._words
        if words is None or words.kind != kind:
            parts = self._close_words()
            words = self._words = _Words(kind)
        piece = words.mender.mend(piece)
        if piece:
            words.pieces.append(piece)
            parts.append(TextPart(piece) if kind == "text" else ThinkingPart(piece))
        return parts

    def _close_words(self) -> list[StreamPart]:
        words, self._words = self._words, None
        text = "".join(words.pieces) if words else ""
        if words is None or not text:
            return []
        raw: JsonObject = {"type": words.kind, words.kind: text}
        return [BlockPart(block_of(raw), raw)]

    def _call(self, data: JsonObject) -> list[StreamPart]:
        function = data.get("function")
        function = function if is_object(function) else {}
        name, arguments = _text(function, "name"), function.get("arguments")
        piece = json.dumps(arguments) if is_object(arguments) else arguments if isinstance(arguments, str) else ""
        call, parts = self._place(data, name, has_piece=bool(piece))
        if call is None:
            return parts
        for key, value in data.items():
            if key not in {"index", "id", "type", "function"} and value is not None:
                call.extra[key] = value
        if name != call.name and not call.pieces:
            call.name += name  # the protocol allows names in pieces
        if not call.is_told and (call.name or piece):
            call.is_told = True
            parts.append(CallStartPart(call.id, call.name))
        if piece:
            call.pieces.append(piece)
            parts.append(CallArgumentsPart(call.id, call.mender.mend(piece)))
        return parts

    def _place(self, data: JsonObject, name: str, *, has_piece: bool) -> tuple[_Call | None, list[StreamPart]]:
        """Return the call a delta goes on with, or the one it begins, with the parts that its beginning completes."""
        index, wire_id = data.get("index"), _text(data, "id")
        if type(index) is int:
            known = next((call for call in reversed(self._open) if call.index == index), None)
            if known is None and index in self._closed and not (wire_id and name):
                self._note_odd("more of a tool call that was whole")
                return None, []
        else:
            index = None
            known = self._open[-1] if self._open else None
        if known is not None and not _begins_anew(known, wire_id, name, is_indexed=index is not None):
            return known, []
        if known is None and not (wire_id or name or has_piece):
            return None, []
        return self._begin(index, wire_id)

    def _begin(self, index: int | None, wire_id: str) -> tuple[_Call, list[StreamPart]]:
        parts = self._close_words()
        whole = [call for call in self._open if call.pieces]  # without a piece of JSON it may only have been announced
        self._open = [call for call in self._open if not call.pieces]
        parts += [self._part(call) for call in whole]
        call = _Call(index if index is not None else -2 - len(self._ids), wire_id)
        self._identify(call)
        self._open.append(call)
        return call, parts

    def _identify(self, call: _Call) -> None:
        """Give a call an id no other call has: results find their call by it, and some servers give none."""
        call.id = call.wire_id or new_id("call")
        if call.id in self._ids:
            call.problem = f"another call of this reply has its id, `{call.id}`"
        if call.id in self._ids or call.id in self._used_ids:
            call.id = new_id("call")
        self._ids.add(call.id)

    def _part(self, call: _Call, *, is_cut: bool = False) -> BlockPart:
        self._has_call = True
        self._closed.add(call.index)
        text = call.text()
        asked = call_of(call.id, call.name, text)
        if is_cut and not text.strip():
            call.problem = "the reply reached its limit before the arguments"
        if call.problem:
            asked = BrokenCall(call.id, call.name, text, call.problem)
        return BlockPart(CallBlock(asked), {**call.extra, **raw_function(asked, text)})

    def _finished(self, reason: str) -> list[StreamPart]:
        """Close everything: the reply gives its reason to end."""
        if reason in _BREAKS:
            raise ProviderBusyError(f"the model's server broke off (`{reason}`)")
        if self._finish not in {"tool_calls", "length", "content_filter"}:
            self._finish = reason
        parts = self._close_words()
        calls, self._open = self._open, []
        return parts + [self._part(call, is_cut=reason in {"length", "content_filter"}) for call in calls]

    def _done(self) -> list[StreamPart]:
        """End a reply of which the server says that it is whole."""
        parts: list[StreamPart] = []
        for call in tuple(self._open):
            if call.pieces and not isinstance(call_of(call.id, call.name, call.text()), BrokenCall):
                self._open.remove(call)
                parts += [*self._close_words(), self._part(call)]
        if not self._has_call and not self._finish and not self._words and not self._open and not self._usage:
            raise ProviderBusyError("the reply is empty")
        if self._open and not self._has_call:
            raise ProviderBusyError("the reply ended inside a tool call")
        return parts + self._end()

    def _end(self) -> list[StreamPart]:
        """End the reply: open words count as said, open calls never happened."""
        self.is_over = True
        self._open.clear()
        return [*self._close_words(), StopPart(self._reason())]

    def _reason(self) -> Reason:
        reason = _REASONS.get(self._finish)
        if reason is None and self._finish:
            self._note_odd(f"finish reason `{self._finish[:40]}`")
        if reason in {"max_tokens", "refusal"}:
            return reason
        if self._has_call:
            return "tool_use"
        return "refusal" if self._is_refused else "end_turn"

    def _count(self, data: JsonObject) -> list[StreamPart]:
        details = data.get("prompt_tokens_details")
        cached = _number(details, "cached_tokens") if is_object(details) else None
        if cached is None:
            cached = _number(data, "prompt_cache_hit_tokens")
        total = _number(data, "prompt_tokens")
        fresh = max(0, total - (cached or 0)) if total is not None else None
        usage = Usage(input=fresh, output=_number(data, "completion_tokens"), cache_read=cached)
        if usage in {self._usage, Usage()}:
            return []
        self._usage = usage
        return [UsagePart(usage)]

    def _note_odd(self, what: str) -> None:
        if what not in self._odd:
            self._odd.add(what)
            log.info("ignored in a reply: %s", what)


def _begins_anew(known: _Call, wire_id: str, name: str, *, is_indexed: bool) -> bool:
    """Tell whether a delta at the place of `known` is another call: some servers give all calls one index, or none."""
    if wire_id and known.wire_id:  # a new id alone is no new call: some servers make one up for every piece
        return wire_id != known.wire_id and bool(name or not is_indexed)
    if not name or not known.pieces:
        return bool(wire_id and not is_indexed and known.name)
    return name != known.name or not is_indexed


def _raise_error(event: SseEvent, data: JsonObject) -> None:
    error: object = data.get("error")
    if not error and (event.name == "error" or data.get("object") == "error"):
        error = data
    if not error:
        return
    details = error if is_object(error) else {"message": error}
    message = details.get("message")
    text = "the model's server broke off"
    if isinstance(message, str) and message:
        text += f": {' '.join(message.split())[:300]}"
    raise ProviderError(text) if _is_final(details) else ProviderBusyError(text)


def _is_final(error: JsonObject) -> bool:
    """Tell whether asking again would meet the same error."""
    code, kind = str(error.get("code")), _text(error, "type")
    if len(code) == 3 and code.isdecimal():
        return 400 <= int(code) < 500 and int(code) not in BUSY_STATUSES
    return code in _FINAL or kind in _FINAL or kind.startswith(_FINAL_KINDS)


def _object(text: str) -> JsonObject:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not is_object(value):
        raise ProviderBusyError("the stream carries something that is no chunk")
    return value


def _objects(value: object) -> list[JsonObject]:
    return [item for item in cast("list[object]", value) if is_object(item)] if isinstance(value, list) else []


def _text(data: JsonObject, key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _number(data: JsonObject, key: str) -> int | None:
    value = data.get(key)
    return value if type(value) is int else None
