"""One reply of a model while it streams: parts in, events and complete calls out."""

from __future__ import annotations

from collections.abc import Iterator

from hermitcrab.core import events
from hermitcrab.core.ids import new_id
from hermitcrab.core.messages import (
    AssistantMessage,
    BlockPart,
    BrokenCall,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    JsonObject,
    NoticePart,
    RawReply,
    RetryPart,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ThinkingBlock,
    ThinkingPart,
    ToolCall,
    Usage,
    UsagePart,
)

NEVER_WHOLE = "the call was cut off before its arguments were whole; it did not run"


class Reply:
    """Collects one message; work per delta does not grow with the message."""

    def __init__(self, turn: str, wire: str, model: str, known_calls: frozenset[str]) -> None:
        self.id = new_id("msg")
        self.stop: str | None = None
        self.usage = Usage()
        self.calls: list[ToolCall | BrokenCall] = []
        self._turn, self._wire, self._model = turn, wire, model
        self._known = set(known_calls)
        self._blocks: list[TextBlock | ThinkingBlock | CallBlock] = []
        self._raw: list[JsonObject] = []
        self._shown: list[str] = []
        self._begun: dict[str, str] = {}  # calls announced whose block has not come: id -> tool
        self._text_offset = self._thought_offset = 0

    def take(self, part: StreamPart) -> Iterator[events.Event]:
        """Take one part and yield what a client may see of it; complete calls are added to `calls`."""
        match part:
            case TextPart(text):
                yield events.TextDelta(message=self.id, offset=self._text_offset, text=text)
                self._text_offset += len(text)
                self._shown.append(text)
            case ThinkingPart(text):
                yield events.ThoughtDelta(message=self.id, offset=self._thought_offset, text=text)
                self._thought_offset += len(text)
            case CallStartPart(call, name):
                if call not in self._known:
                    self._begun[call] = name
                yield events.CallAnnounced(call=call, tool=name)
            case CallArgumentsPart(call, piece):
                yield events.ArgumentsDelta(call=call, text=piece)
            case BlockPart():
                yield from self._take_block(part)
            case RetryPart(reason, wait, _):
                yield events.Notice(text=f"{reason}; trying again in {wait:.1f} s")
            case NoticePart(text):
                yield events.Notice(text=text)
            case UsagePart(usage):
                self.usage = usage
            case StopPart(reason):
                self.stop = reason

    def _take_block(self, part: BlockPart) -> Iterator[events.Event]:
        if isinstance(part.block, CallBlock):
            call = part.block.call
            self._begun.pop(call.id, None)
            if call.id in self._known:
                yield events.Notice(text=f"the model used the id of an earlier call again: `{call.name}` was not run")
                return
            self._known.add(call.id)
            self.calls.append(call)
        self._blocks.append(part.block)
        self._raw.append(part.raw)

    def lost_calls(self) -> Iterator[events.ToolCallFinished]:
        """Yield an end for each call that was announced and never came whole."""
        while self._begun:
            call, tool = self._begun.popitem()
            yield events.ToolCallFinished(call=call, turn=self._turn, tool=tool, status="failed", text=NEVER_WHOLE)

    @property
    def shown_text(self) -> str:
        """Return the words shown so far."""
        return "".join(self._shown)

    @property
    def is_empty(self) -> bool:
        """Tell whether no block is whole yet."""
        return not self._blocks

    def message(self) -> events.MessageFinished:
        """Return the whole message."""
        raw = RawReply(self._wire, self._model, tuple(self._raw))
        content = AssistantMessage(tuple(self._blocks), raw)
        return events.MessageFinished(message=self.id, turn=self._turn, content=content)

    def cut(self) -> events.MessageCut:
        """Return the message as far as it came."""
        return events.MessageCut(message=self.id, turn=self._turn, text=self.shown_text)
