"""What a model has been told so far, rebuilt from events: valid after any interruption, never rewritten."""

from __future__ import annotations

from collections.abc import Iterable

from hermitcrab.core import events
from hermitcrab.core.messages import (
    AssistantMessage,
    Message,
    ResultBlock,
    TextBlock,
    UserMessage,
)

INTERRUPTED = "interrupted before its result was known; it may have run. Look before you do it again."


class History:
    """The messages of one session, append-only; each tool call gets exactly one result."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._results: dict[str, ResultBlock] = {}
        self._call_ids: set[str] = set()

    @property
    def call_ids(self) -> frozenset[str]:
        """Return the ids of all calls made so far."""
        return frozenset(self._call_ids)

    def take(self, event: events.Event) -> None:
        """Add what `event` means to a model, if anything."""
        match event:
            case events.PromptReceived():
                words = f"{event.facts}\n\n{event.text}" if event.facts else event.text
                self._say((*self._open_results(), TextBlock(words)))
            case events.ModelReminded():
                self._say((*self._open_results(), TextBlock(event.text)))
            case events.MessageFinished():
                self._settle()
                if event.content.blocks:
                    self._messages.append(event.content)
                    self._call_ids.update(call.id for call in event.content.calls)
            case events.ToolCallFinished():
                failed = event.status != "completed"
                self._results[event.call] = ResultBlock(event.call, event.text, is_error=failed)
            case _:
                pass

    def messages(self) -> tuple[Message, ...]:
        """Return all messages, the results of the last reply's calls included."""
        self._settle()
        return tuple(self._messages)

    def _settle(self) -> None:
        if results := self._open_results():
            self._say(results)

    def _open_results(self) -> tuple[ResultBlock, ...]:
        if not self._messages or not isinstance(last := self._messages[-1], AssistantMessage):
            return ()
        missing = {call.id: ResultBlock(call.id, INTERRUPTED, is_error=True) for call in last.calls}
        found = tuple(self._results.get(call_id, lost) for call_id, lost in missing.items())
        self._results.clear()
        return found

    def _say(self, blocks: tuple[TextBlock | ResultBlock, ...]) -> None:
        self._messages.append(UserMessage(blocks))


def history_of(past: Iterable[events.Event]) -> History:
    """Return the history that `past` left behind."""
    history = History()
    for event in past:
        history.take(event)
    return history
