"""Something that happened in a turn; every view of a session is made of these.

All but deltas are logged before they are shown and carry the `seq` of their log record; a delta's is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hermitcrab.core.edits import Hunk, LineChange
from hermitcrab.core.messages import AssistantMessage, JsonObject, StopReason, Usage

ToolKind = Literal["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"]
"""The Agent Client Protocol's kinds of tool call."""

PermissionOutcome = Literal["allow_once", "allow_session", "trust", "reject", "cancelled"]
"""How a permission request was settled; `trust` trusts the folder and allows once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root of all events."""

    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReceived(Event):
    """The user said something, and a turn began; `facts` is what we told the model beside it."""

    turn: str
    text: str
    facts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(Event):
    """A piece of the model's words; `offset` counts code points from the start of the message."""

    message: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoughtDelta(Event):
    """A piece of the model's reasoning."""

    message: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnnounced(Event):
    """The model began to write a tool call: shown at once, logged only when it runs."""

    call: str
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentsDelta(Event):
    """A piece of a tool call's arguments, for display."""

    call: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFinished(Event):
    """The model's message is whole; it replaces the deltas before it."""

    message: str
    turn: str
    content: AssistantMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCut(Event):
    """A stream ended before its message was whole; `text` is what was shown of it, as far as known."""

    message: str
    turn: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallStarted(Event):
    """A tool call passed the gate and is about to run (log kind `tool_intent`)."""

    call: str
    turn: str
    tool: str
    kind: ToolKind
    title: str
    arguments: JsonObject
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput(Event):
    """Live output of a running tool."""

    call: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallFinished(Event):
    """A tool call has its one result, or was refused (log kind `tool_result`). `text` is what the model reads."""

    call: str
    turn: str
    tool: str
    status: Literal["completed", "failed", "denied", "cancelled", "interrupted"]
    text: str
    notes: tuple[str, ...] = ()  # e.g. "unsaved", "ran on saved text, 2 files differ", "may have run"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditConfirmed(Event):
    """An edit is in the file or the buffer (log kind `edit`)."""

    call: str
    turn: str
    path: Path
    base_hash: str
    base_version: int | None
    hunks: tuple[Hunk, ...]
    after_hash: str
    saved: bool  # False: it is in a buffer that nobody has saved yet
    lines: tuple[LineChange, ...] = ()  # the same change in whole lines, for display
    created: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAsked(Event):
    """The user is being asked; shown, logged when settled."""

    request: str
    call: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionSettled(Event):
    """A permission question has its answer (log kind `permission`)."""

    request: str
    call: str
    turn: str
    tool: str
    outcome: PermissionOutcome
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TodosChanged(Event):
    """The model's task list; each entry is (content, status)."""

    todos: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged(Event):
    """The session's permission mode is another."""

    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageChanged(Event):
    """One model request is paid for."""

    turn: str
    model: str
    usage: Usage
    cost: float | None = None  # US dollars, None where no price is known
    context_used: int | None = None
    context_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something the user should know and the model need not, such as a retry."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReminded(Event):
    """The model was told something it had overlooked (log kind `reminder`); `notice` says so to the user."""

    turn: str
    text: str
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnUndone(Event):
    """The edits of a turn were reverted as far as they were still found (log kind `undo`)."""

    turn: str
    reverted: tuple[Path, ...]
    kept: tuple[tuple[Path, str], ...]  # file and why it was left alone
    not_covered: tuple[str, ...] = ()  # commands whose effects no undo reaches


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished(Event):
    """The turn is over (log kind `turn_end`). `message` is for the user when it did not end well."""

    turn: str
    reason: StopReason
    message: str = ""
