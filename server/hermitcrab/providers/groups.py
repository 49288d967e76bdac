"""A conversation as groups, and what every wire asks of them: pairs kept, words cleaned, refused parts remembered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from hermitcrab.core.messages import AssistantMessage, JsonObject, Message, ResultBlock, TextBlock, UserMessage
from hermitcrab.providers.raw import INVALID_JSON

Group = tuple[Message, ...]
"""One reply, or all that was said to the model until the next."""

_LOST = "No result was recorded: the call was interrupted and may have run."
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Quarantine:
    """Groups a server refused as they were: one bad record must not end a conversation for ever."""

    def __init__(self) -> None:
        self._groups: dict[int, Group] = {}

    def take(self, groups: Sequence[Group]) -> bool:
        """Remember `groups`; False when all of them are known already."""
        fresh = [group for group in groups if not self.holds(group)]
        for group in fresh:
            self._groups[id(group[0])] = group
        return bool(fresh)

    def holds(self, group: Group) -> bool:
        """Tell whether `group` was refused before."""
        known = self._groups.get(id(group[0]))
        return known is not None and known[0] is group[0]


def groups_of(messages: Sequence[Message]) -> list[Group]:
    """Return `messages` as groups; a reply with calls is always followed by one for its results."""
    groups: list[list[Message]] = []
    last: Message | None = None
    for message in messages:
        if isinstance(message, UserMessage):
            if isinstance(last, UserMessage):
                groups[-1].append(message)
            else:
                groups.append([message])
        else:
            if isinstance(last, AssistantMessage) and last.calls:
                groups.append([UserMessage(())])  # the results of its calls are due first
            groups.append([message])
        last = message
    if groups and isinstance(last := groups[-1][-1], AssistantMessage) and last.calls:
        groups.append([UserMessage(())])
    return [tuple(group) for group in groups]


def is_same(one: Group, other: Group) -> bool:
    """Tell whether two groups are made of the very same messages."""
    if len(one) == len(other) == 1:
        return one[0] is other[0]
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def results_and_words(group: Group, previous: AssistantMessage | None) -> tuple[list[ResultBlock], list[str]]:
    """Return one result for each call of the reply before, in its order, then what else is said."""
    results: dict[str, ResultBlock] = {}
    words: list[str] = []
    due = [call.id for call in previous.calls] if previous else []
    for message in group:
        for block in message.blocks if isinstance(message, UserMessage) else ():
            if isinstance(block, TextBlock):
                words.append(block.text)
            elif block.call_id not in due:
                words.append(f"A result for a call that is not known here: {block.text}")
            else:
                results.setdefault(block.call_id, block)
    return [results.get(call_id) or ResultBlock(call_id, _LOST, is_error=True) for call_id in due], words


def clean(text: str) -> str:
    """Return `text` without what a server may choke on; never empty."""
    return _CONTROL.sub("\ufffd", text).strip() or INVALID_JSON


def clean_value(value: Any) -> Any:
    """Return a JSON value with its strings cleaned."""
    if isinstance(value, str):
        return _CONTROL.sub("\ufffd", value)
    if isinstance(value, list):
        return [clean_value(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: clean_value(item) for key, item in cast("JsonObject", value).items()}
    return value
