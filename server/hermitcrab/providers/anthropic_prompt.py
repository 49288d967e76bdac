"""Writes a prompt as the body of an Anthropic Messages request.

The canonical prefix (all but the cache marks) only ever grows: a message once written is written the same way again,
from memory where it is the same object, so that request number 200 costs little more than request number 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hermitcrab.core.messages import (
    AssistantMessage,
    BrokenCall,
    CallBlock,
    JsonObject,
    Prompt,
    ResultBlock,
    TextBlock,
    ToolCall,
    ToolSpec,
    UserMessage,
)
from hermitcrab.providers.groups import Group, Quarantine, clean, clean_value, groups_of, is_same, results_and_words
from hermitcrab.providers.raw import raw_call

WIRE = "anthropic"

_MARK = b',"cache_control":{"type":"ephemeral"}'
_CONVERSATIONS = 4  # conversations whose written messages are remembered
_NAME = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class _Written:
    """A group as bytes, ending in `}]}`; empty when there is nothing to say."""

    group: Group
    is_plain: bool
    model: str
    json: bytes
    is_user: bool
    call_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenPrompt:
    """A request body, and the group behind each message of it."""

    body: bytes
    groups: tuple[Group, ...]
    call_ids: frozenset[str]


class PromptWriter:
    """Writes prompts; remembers what it wrote, and which groups the server did not like as they were."""

    def __init__(self) -> None:
        self._remembered: dict[int, list[_Written]] = {}
        self._head: tuple[Prompt, bytes] | None = None
        self._quarantine = Quarantine()

    def write(self, prompt: Prompt, *, model: str, settings: JsonObject) -> WrittenPrompt:
        """Return the request for `prompt`; `settings` are its other members, such as `max_tokens`."""
        written = [item for item in self._messages(prompt, model) if item.json]
        marked = [index for index, item in enumerate(written) if item.is_user][-2:]
        parts = [item.json for item in written]
        for index in marked:
            parts[index] = _mark(parts[index])
        start = _dump({"model": model, "stream": True, **settings})[:-1]
        body = b"".join((start, self._written_head(prompt), b',"messages":[', b",".join(parts), b"]}"))
        ids = [call_id for item in written for call_id in item.call_ids]
        return WrittenPrompt(body, tuple(item.group for item in written), frozenset(ids))

    def quarantine(self, groups: Sequence[Group]) -> bool:
        """Write `groups` plainly from now on, without raw blocks; False when all of them are already."""
        return self._quarantine.take(groups)

    def _messages(self, prompt: Prompt, model: str) -> list[_Written]:
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
            if item is None or item.is_plain != is_plain or item.model != model or not is_same(item.group, group):
                known = known[:index]
                item = _written(group, previous, model, is_plain=is_plain)
            written.append(item)
            previous = group[-1] if isinstance(group[-1], AssistantMessage) else None
        self._remembered[key] = written
        while len(self._remembered) > _CONVERSATIONS:
            del self._remembered[next(iter(self._remembered))]
        return written

    def _written_head(self, prompt: Prompt) -> bytes:
        """Return system text and tools, each with a mark at its end: they change less often than messages."""
        if self._head is None or self._head[0].tools is not prompt.tools or self._head[0].system != prompt.system:
            head = b""
            if prompt.system.strip():
                head += b',"system":[' + _close(_dump({"type": "text", "text": prompt.system})) + b"]"
            if prompt.tools:
                tools = [_dump(_tool(spec)) for spec in prompt.tools]
                head += b',"tools":[' + b",".join([*tools[:-1], _close(tools[-1])]) + b"]"
            self._head = (prompt, head)
        return self._head[1]


def _written(group: Group, previous: AssistantMessage | None, model: str, *, is_plain: bool) -> _Written:
    first = group[0]
    calls = first.calls if isinstance(first, AssistantMessage) else ()
    content = _write_group(group, previous, model, is_plain=is_plain)
    ids = tuple(call.id for call in calls)
    return _Written(group, is_plain, model, content, isinstance(first, UserMessage), ids)


def _write_group(group: Group, previous: AssistantMessage | None, model: str, *, is_plain: bool) -> bytes:
    first = group[0]
    if isinstance(first, AssistantMessage):
        role, blocks = "assistant", _reply_blocks(first, model, is_plain=is_plain)
    else:
        role, blocks = "user", _user_blocks(group, previous, is_plain=is_plain)
    if not blocks:
        return b""
    content = b",".join(_dump(block) for block in blocks)
    return b'{"role":"%s","content":[%s]}' % (role.encode(), content)


def _reply_blocks(message: AssistantMessage, model: str, *, is_plain: bool) -> list[JsonObject]:
    raw = message.raw
    if raw is not None and raw.wire == WIRE and not is_plain:
        has_signatures = bare_model(raw.model) == model  # they are worth nothing to another model
        return [block for block in map(_acceptable, raw.blocks) if _is_welcome(block, has_signatures=has_signatures)]
    blocks: list[JsonObject] = []
    for block in message.blocks:
        if isinstance(block, TextBlock) and block.text.strip():
            blocks.append({"type": "text", "text": clean(block.text) if is_plain else block.text})
        elif isinstance(block, CallBlock):
            blocks.append(_foreign_call(block.call, is_plain=is_plain))
    return blocks


def _foreign_call(call: ToolCall | BrokenCall, *, is_plain: bool) -> JsonObject:
    raw = raw_call(call)
    if is_plain:
        raw["input"] = clean_value(raw["input"])
    return {**raw, "id": _wire_id(call.id), "name": _wire_name(call.name)}


def _is_welcome(block: JsonObject, *, has_signatures: bool) -> bool:
    """Tell whether the server will take a block back: empty words and unsigned thoughts it refuses for ever."""
    match block.get("type"):
        case "text":
            return bool(str(block.get("text", "")).strip())
        case "thinking":
            return has_signatures and bool(block.get("signature"))
        case "redacted_thinking":
            return has_signatures
        case _:
            return True


def _acceptable(block: JsonObject) -> JsonObject:
    """Return a raw block with what would be refused on its way back made acceptable; others are returned as they are."""
    if block.get("type") != "tool_use":
        return block
    name, call_id = str(block.get("name")), str(block.get("id"))
    if _wire_name(name) == name and _wire_id(call_id) == call_id:
        return block
    return {**block, "name": _wire_name(name), "id": _wire_id(call_id)}


def _user_blocks(group: Group, previous: AssistantMessage | None, *, is_plain: bool) -> list[JsonObject]:
    """Return results first, one for each call of the reply before and in its order, then words."""
    results, words = results_and_words(group, previous)
    tidy = clean if is_plain else str
    answers = [_result(block) for block in results]
    if is_plain:
        answers = [{**answer, "content": clean(answer["content"])} for answer in answers]
    return answers + [{"type": "text", "text": tidy(text)} for text in words if text.strip()]


def _result(block: ResultBlock) -> JsonObject:
    result: JsonObject = {"type": "tool_result", "tool_use_id": _wire_id(block.call_id), "content": block.text}
    if block.is_error:
        result["is_error"] = True
        result["content"] = block.text or "The call failed."
    return result


def _tool(spec: ToolSpec) -> JsonObject:
    return {"name": spec.name, "description": spec.description, "input_schema": spec.schema}


def bare_model(model: str) -> str:
    """Return a model's name without our provider prefix."""
    return model.removeprefix("anthropic/")


def _wire_id(call_id: str) -> str:
    return _NAME.sub("_", call_id) or "call"


def _wire_name(name: str) -> str:
    return _NAME.sub("_", name)[:128] or "unknown"


def _mark(message: bytes) -> bytes:
    return message[:-3] + _MARK + message[-3:]


def _close(block: bytes) -> bytes:
    return block[:-1] + _MARK + b"}"


def _dump(value: JsonObject) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
