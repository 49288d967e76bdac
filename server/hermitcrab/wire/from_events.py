"""Event -> update: the one way a session is shown to any client.

Deltas come by the thousand, so their updates are plain dictionaries in the models' shape (a test holds them to it).
"""

from __future__ import annotations

from typing import Any

from hermitcrab.core import events
from hermitcrab.core.messages import CallBlock, TextBlock, ThinkingBlock
from hermitcrab.wire import content, updates
from hermitcrab.wire.base import WireModel

Update = dict[str, Any]
_STATUS = {"completed": "completed"}  # every other end of a call is a failure to ACP


def updates_of(event: events.Event, *, replay: bool = False) -> list[Update]:
    """Return the updates that show `event`; on `replay` messages stand in for the deltas that made them."""
    match event:
        case events.TextDelta():
            return [_chunk("agent_message_chunk", event.message, event.offset, event.text)]
        case events.ThoughtDelta():
            return [_chunk("agent_thought_chunk", event.message, event.offset, event.text)]
        case events.ArgumentsDelta():
            return []
        case events.ToolOutput():
            return [{"sessionUpdate": "tool_call_update", "toolCallId": event.call, "appended": event.text}]
        case events.MessageFinished():
            return _message(event) if replay else []
        case _:
            return [model.to_json() for model in _models(event, replay=replay)]


def _chunk(kind: str, message: str, offset: int, text: str) -> Update:
    return {
        "sessionUpdate": kind,
        "messageId": message,
        "offset": offset,
        "content": {"type": "text", "text": text},
    }


def _message(event: events.MessageFinished) -> list[Update]:
    found: list[Update] = []
    for block in event.content.blocks:
        match block:
            case TextBlock(text):
                found.append(_chunk("agent_message_chunk", event.message, 0, text))
            case ThinkingBlock(text):
                found.append(_chunk("agent_thought_chunk", event.message, 0, text))
            case CallBlock():
                pass
    return found


def _models(event: events.Event, *, replay: bool) -> list[WireModel]:
    match event:
        case events.PromptReceived():
            said = updates.UserMessageChunk(content=content.TextContent(text=event.text), message_id=event.turn)
            running = updates.StateUpdate(state="running", turn_id=event.turn)
            return [said] if replay else [said, running]
        case events.MessageCut():
            return [updates.StateUpdate(state="running", turn_id=event.turn, message="the answer was cut off")]
        case events.CallAnnounced():
            return [updates.ToolCallStart(tool_call_id=event.call, title=event.tool, kind="other", status="pending")]
        case events.ToolCallStarted():
            return [_call_started(event)]
        case events.ToolCallFinished():
            return [_call_finished(event)]
        case events.EditConfirmed():
            return [_edit(event)]
        case events.PermissionAsked():
            return [updates.StateUpdate(state="requires_action", message=event.title)]
        case events.PermissionSettled(tool="") if not replay:  # a consent: no tool call will tell its end
            status = "failed" if event.outcome in {"reject", "cancelled"} else "completed"
            settled = updates.ToolCallUpdate(tool_call_id=event.call, status=status)
            return [settled, updates.StateUpdate(state="running", turn_id=event.turn)]
        case events.PermissionSettled():
            return [] if replay else [updates.StateUpdate(state="running", turn_id=event.turn)]
        case events.TodosChanged():
            entries = [updates.PlanEntry.model_validate({"content": what, "status": how}) for what, how in event.todos]
            return [updates.PlanUpdate(entries=entries)]
        case events.ModeChanged():
            return [updates.CurrentModeUpdate(current_mode_id=event.mode)]
        case events.UsageChanged():
            return [_usage(event)]
        case events.Notice():
            return [updates.StateUpdate(state="running", message=event.text)]
        case events.ModelReminded():
            return [updates.StateUpdate(state="running", turn_id=event.turn, message=event.notice)]
        case events.TurnUndone():
            return [updates.StateUpdate(state="idle", turn_id=event.turn, message=undo_summary(event))]
        case events.TurnFinished():
            message = event.message or None
            return [updates.StateUpdate(state="idle", turn_id=event.turn, stop_reason=event.reason, message=message)]
        case _:
            return []


def _call_started(event: events.ToolCallStarted) -> updates.ToolCallStart:
    return updates.ToolCallStart(
        tool_call_id=event.call,
        title=event.title,
        kind=event.kind,
        status="in_progress",
        raw_input=event.arguments,
        locations=[content.ToolLocation(path=str(path)) for path in event.paths],
    )


def _call_finished(event: events.ToolCallFinished) -> updates.ToolCallUpdate:
    return updates.ToolCallUpdate(
        tool_call_id=event.call,
        status="completed" if event.status in _STATUS else "failed",
        content=[content.ToolText(content=content.TextContent(text=event.text))],
        raw_output={"status": event.status, "notes": list(event.notes)},
    )


def _edit(event: events.EditConfirmed) -> updates.ToolCallUpdate:
    diffs: list[content.ToolText | content.ToolDiff] = [
        content.ToolDiff(path=str(event.path), old_text=change.before, new_text=change.after, line=change.line)
        for change in event.lines
    ]
    return updates.ToolCallUpdate(
        tool_call_id=event.call,
        content=diffs,
        locations=[content.ToolLocation(path=str(event.path))],
        raw_output={"saved": event.saved, "created": event.created},
    )


def _usage(event: events.UsageChanged) -> updates.UsageUpdate:
    counts = {
        "input": event.usage.input,
        "output": event.usage.output,
        "cacheRead": event.usage.cache_read,
        "cacheWrite": event.usage.cache_write,
    }
    known = {name: count for name, count in counts.items() if count is not None}
    return updates.UsageUpdate(
        used=event.context_used, size=event.context_size, usage=known, cost=event.cost, model=event.model
    )


def undo_summary(event: events.TurnUndone) -> str:
    """Tell a person what an undo did, left alone, and cannot reach."""
    lines = [f"Undone in {', '.join(path.name for path in event.reverted)}." if event.reverted else "Nothing undone."]
    lines += [f"Left alone: {path.name}: {reason}." for path, reason in event.kept]
    if event.not_covered:
        lines.append("Not covered by undo: " + "; ".join(f"`{command}`" for command in event.not_covered) + ".")
    return " ".join(lines)
