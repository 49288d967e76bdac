"""Writes a prompt as the body of a Chat Completions request.

The prefix only ever grows, byte for byte: tools and system text first, and a message once written is written the same
way again, from memory where it is the same object.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hermitcrab.core.messages import (
    AssistantMessage,
    CallBlock,
    JsonObject,
    Prompt,
    RawReply,
    ResultBlock,
    ToolSpec,
)
from hermitcrab.providers.groups import Group, Quarantine, clean, clean_value, groups_of, is_same, results_and_words
from hermitcrab.providers.raw import is_object, raw_call, raw_function

WIRE = "openai-chat"

_CONVERSATIONS = 4  # conversations whose written messages are remembered
_LONGEST_ID = 40
_LONGEST_NAME = 64
_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_MEMBERS = frozenset({"id", "type", "function"})


@dataclass(frozen=True, slots=True)
class _Written:
    """A group as the messages it becomes."""

    group: Group
    is_plain: bool
    model: str
    messages: tuple[bytes, ...]
    call_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenPrompt:
    """A request body, and the group behind each message of it (None: the system text)."""

    body: bytes
    groups: tuple[Group | None, ...]
    call_ids: frozenset[str]


class PromptWriter:
    """Writes prompts; remembers what it wrote, and which groups the server did not like as they were."""

    def __init__(self) -> None:
        self._remembered: dict[int, list[_Written]] = {}
        self._tools: tuple[tuple[ToolSpec, ...], bytes] | None = None
        self._quarantine = Quarantine()

    def write(self, prompt: Prompt, *, model: str, settings: JsonObject) -> WrittenPrompt:
        """Return the request for `prompt`; `settings` are its other members, such as `max_tokens`."""
        written = self._groups(prompt)
        messages = [message for item in written for message in item.messages]
        groups: list[Group | None] = [item.group for item in written for _ in item.messages]
        if prompt.system.strip():
            messages.insert(0, _dump({"role": "system", "content": prompt.system}))
            groups.insert(0, None)
        start = _dump({"model": model, "stream": True, **settings})[:-1]
        body = b"".join((start, self._written_tools(prompt.tools), b',"messages":[', b",".join(messages), b"]}"))
        return WrittenPrompt(body, tuple(groups), frozenset(call_id for item in written for call_id in item.call_ids))

    def quarantine(self, groups: Sequence[Group]) -> bool:
        """Write `groups` plainly from now on, without raw blocks; False when all of them are already."""
        return self._quarantine.take(groups)

    def _groups(self, prompt: Prompt) -> list[_Written]:
        groups = groups_of(prompt.messages)
        if not groups:
            return []
        key = id(groups[0][0])
        known = self._remembered.pop(key, [])
        written: list[_Written] = []
        previous: AssistantMessage | None = None
        for index, group in enumerate(groups):
            is_plain = self._quarantine.holds(group)
            item = known[index] if index < len(known) else None
            if (
                item is None
                or item.is_plain != is_plain
                or item.model != prompt.model
                or not is_same(item.group, group)
            ):
                known = known[:index]
                item = _write(group, previous, prompt.model, is_plain=is_plain)
            written.append(item)
            previous = last if isinstance(last := group[-1], AssistantMessage) else None
        self._remembered[key] = written
        while len(self._remembered) > _CONVERSATIONS:
            del self._remembered[next(iter(self._remembered))]
        return written

    def _written_tools(self, tools: tuple[ToolSpec, ...]) -> bytes:
        if not tools:
            return b""  # an empty list is refused
        if self._tools is None or self._tools[0] is not tools:
            self._tools = (tools, b',"tools":[' + b",".join(_dump(_tool(spec)) for spec in tools) + b"]")
        return self._tools[1]


def _write(group: Group, previous: AssistantMessage | None, model: str, *, is_plain: bool) -> _Written:
    first = group[0]
    if isinstance(first, AssistantMessage):
        reply = _reply(first, model, is_plain=is_plain)
        messages, ids = [reply] if reply else [], tuple(call.id for call in first.calls)
    else:
        messages, ids = _answers(group, previous, model, is_plain=is_plain), ()
    return _Written(group, is_plain, model, tuple(_dump(message) for message in messages), ids)


def _reply(message: AssistantMessage, model: str, *, is_plain: bool) -> JsonObject | None:
    """Return a reply as one message; None when there is nothing in it that a server would take back."""
    raw = message.raw
    if raw is not None and raw.wire == WIRE and not is_plain:
        words = "".join(str(block.get("text", "")) for block in raw.blocks if block.get("type") == "text")
        calls = [_own_call(block, raw, model) for block in raw.blocks if block.get("type") == "function"]
    else:
        words = clean(message.text) if is_plain and message.text.strip() else message.text
        calls = [
            _foreign_call(block, is_own=_is_own(raw, model), is_plain=is_plain)
            for block in message.blocks
            if isinstance(block, CallBlock)
        ]
    if not words.strip() and not calls:
        return None
    reply: JsonObject = {"role": "assistant", "content": words if words.strip() else None}
    return {**reply, "tool_calls": calls} if calls else reply


def _is_own(raw: RawReply | None, model: str) -> bool:
    """Tell whether `model` made this reply: only then its ids and extras mean something to its server."""
    return raw is not None and raw.wire == WIRE and raw.model == model


def _own_call(block: JsonObject, raw: RawReply, model: str) -> JsonObject:
    """Return a call as this model made it; to another model it goes without what only its maker understands."""
    function = block.get("function")
    function = function if is_object(function) else {}
    named = {**function, "name": _wire_name(str(function.get("name", "")))}
    if _is_own(raw, model):
        return {**block, "function": named}
    kept = {key: value for key, value in block.items() if key in _MEMBERS}
    return {**kept, "id": _wire_id(str(block.get("id", ""))), "function": named}


def _foreign_call(block: CallBlock, *, is_own: bool, is_plain: bool) -> JsonObject:
    arguments: object = raw_call(block.call)["input"]
    if is_plain:
        arguments = clean_value(arguments)
    text = json.dumps(arguments, ensure_ascii=False)
    written = raw_function(block.call, text)
    function: JsonObject = {"name": _wire_name(block.call.name), "arguments": text}
    return {**written, "id": block.call.id if is_own else _wire_id(block.call.id), "function": function}


def _answers(group: Group, previous: AssistantMessage | None, model: str, *, is_plain: bool) -> list[JsonObject]:
    """Return a message for each result, right behind the calls and in their order, then one for what else is said."""
    results, words = results_and_words(group, previous)
    tidy = clean if is_plain else str
    is_own = previous is not None and _is_own(previous.raw, model)
    answers: list[JsonObject] = [
        {
            "role": "tool",
            "tool_call_id": block.call_id if is_own else _wire_id(block.call_id),
            "content": tidy(_told(block)),
        }
        for block in results
    ]
    return answers + [{"role": "user", "content": tidy(text)} for text in words if text.strip()]


def _told(block: ResultBlock) -> str:
    """Return what the model hears of a result; the wire has no mark for failures."""
    return f"Error: {block.text or 'the call failed'}" if block.is_error else block.text


def _tool(spec: ToolSpec) -> JsonObject:
    function = {"name": spec.name, "description": spec.description, "parameters": spec.schema}
    return {"type": "function", "function": function}


def _wire_id(call_id: str) -> str:
    """Return an id any server takes: 40 characters at most, one for each id."""
    plain = _NAME.sub("_", call_id) or "call"
    if len(plain) <= _LONGEST_ID and plain == call_id:
        return plain
    return f"{plain[:20]}_{hashlib.sha256(call_id.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _wire_name(name: str) -> str:
    return _NAME.sub("_", name)[:_LONGEST_NAME] or "unknown"


def _dump(value: JsonObject) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
