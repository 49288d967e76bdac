"""What `hermitcrab/session/update` carries: ACP's kinds plus one of ours, `state_update`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hermitcrab.wire.base import WireModel
from hermitcrab.wire.content import TextContent, ToolCallView


class UserMessageChunk(WireModel):
    """A piece of what the user said (on replay)."""

    session_update: Literal["user_message_chunk"] = "user_message_chunk"
    content: TextContent
    message_id: str | None = None


class AgentMessageChunk(WireModel):
    """A piece of the model's words. `offset` counts code points from the start of the message: a merge keeps it."""

    session_update: Literal["agent_message_chunk"] = "agent_message_chunk"
    content: TextContent
    message_id: str | None = None
    offset: int | None = None


class AgentThoughtChunk(WireModel):
    """A piece of the model's reasoning."""

    session_update: Literal["agent_thought_chunk"] = "agent_thought_chunk"
    content: TextContent
    message_id: str | None = None
    offset: int | None = None


class ToolCallStart(ToolCallView):
    """A tool call appears."""

    session_update: Literal["tool_call"] = "tool_call"


class ToolCallUpdate(ToolCallView):
    """A tool call moves on; only what changed is there. `appended` is live output to add to what is shown."""

    session_update: Literal["tool_call_update"] = "tool_call_update"
    appended: str | None = None


class PlanEntry(WireModel):
    """One line of the model's task list."""

    content: str
    status: Literal["pending", "in_progress", "completed"]
    priority: Literal["high", "medium", "low"] = "medium"


class PlanUpdate(WireModel):
    """The model's task list, whole."""

    session_update: Literal["plan"] = "plan"
    entries: list[PlanEntry]


class CurrentModeUpdate(WireModel):
    """The session's permission mode is another."""

    session_update: Literal["current_mode_update"] = "current_mode_update"
    current_mode_id: str


class UsageUpdate(WireModel):
    """Tokens: how full the context is, and what the last request cost."""

    session_update: Literal["usage_update"] = "usage_update"
    used: int | None = None
    size: int | None = None
    usage: dict[str, int] | None = None
    cost: float | None = None
    model: str | None = None


class SessionInfoUpdate(WireModel):
    """The session's title changed."""

    session_update: Literal["session_info_update"] = "session_info_update"
    title: str


class StateUpdate(WireModel):
    """Ours: whether a turn runs, waits for the user, or ended and how; `message` is for the user."""

    session_update: Literal["state_update"] = "state_update"
    state: Literal["running", "requires_action", "idle"]
    turn_id: str | None = None
    stop_reason: str | None = None
    message: str | None = None


SessionUpdate = Annotated[
    UserMessageChunk
    | AgentMessageChunk
    | AgentThoughtChunk
    | ToolCallStart
    | ToolCallUpdate
    | PlanUpdate
    | CurrentModeUpdate
    | UsageUpdate
    | SessionInfoUpdate
    | StateUpdate,
    Field(discriminator="session_update"),
]


class SessionNotification(WireModel):
    """Params of `hermitcrab/session/update`. `seq` is the log record behind it; deltas have none."""

    session_id: str
    update: SessionUpdate
    seq: int | None = None


def known_kinds() -> dict[str, Any]:
    """Return each update kind and its model."""
    models = (
        UserMessageChunk,
        AgentMessageChunk,
        AgentThoughtChunk,
        ToolCallStart,
        ToolCallUpdate,
        PlanUpdate,
        CurrentModeUpdate,
        UsageUpdate,
        SessionInfoUpdate,
        StateUpdate,
    )
    return {model.model_fields["session_update"].default: model for model in models}
