"""Events in and out of the session log: all but deltas is logged before it is shown, and every view is a replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hermitcrab.core import events
from hermitcrab.core.edits import Hunk, LineChange
from hermitcrab.core.messages import AssistantMessage, JsonObject, RawReply, Usage

if TYPE_CHECKING:
    from hermitcrab.store.log import SessionLog

EventT = TypeVar("EventT", bound=events.Event)

_PLAIN: dict[type[events.Event], str] = {
    events.PromptReceived: "user",
    events.MessageCut: "cut",
    events.ToolCallStarted: "tool_intent",
    events.ToolCallFinished: "tool_result",
    events.PermissionSettled: "permission",
    events.TodosChanged: "todos",
    events.ModeChanged: "mode",
    events.UsageChanged: "usage",
    events.Notice: "notice",
    events.ModelReminded: "reminder",
    events.TurnUndone: "undo",
    events.TurnFinished: "turn_end",
}
_RENAMED = {"kind": "tool_kind"}  # a record has a `kind` of its own


class UnloggedError(OSError):
    """The log cannot be written: whatever was to be logged first must not be done."""


class Journal:
    """One session's log, spoken to in events."""

    def __init__(self, log: SessionLog) -> None:
        self._log = log

    async def write(self, event: EventT, *, sync: bool = False) -> EventT:
        """Log `event` and return it with its `seq`; with `sync` it is on disk when this returns."""
        kind, payload = record_of(event)
        try:
            seq = await self._log.append(kind, payload, sync=sync)
        except OSError as error:
            raise UnloggedError(error.errno, error.strerror or str(error)) from error
        return replace(event, seq=seq)


def record_of(event: events.Event) -> tuple[str, JsonObject]:
    """Return the log kind and payload of an event."""
    match event:
        case events.MessageFinished():
            return "assistant_raw", _message_record(event)
        case events.EditConfirmed():
            return "edit", _edit_record(event)
        case _:
            payload = {_RENAMED.get(key, key): _plain(value) for key, value in asdict(event).items() if key != "seq"}
            return _PLAIN[type(event)], payload


def events_of(records: Iterable[JsonObject]) -> Iterator[events.Event]:
    """Replay log records as the events they were; records of other kinds are passed over."""
    by_kind = {kind: event_type for event_type, kind in _PLAIN.items()}
    for record in records:
        kind: Any = record.get("kind")
        try:
            if kind == "assistant_raw":
                yield _message_event(record)
            elif kind == "edit":
                yield _edit_event(record)
            elif kind in by_kind:
                yield _plain_event(by_kind[kind], record)
        except (KeyError, TypeError, ValueError, AttributeError):
            yield events.Notice(seq=_seq(record), text=f"a `{kind}` record of this session could not be read")


def _seq(record: JsonObject) -> int:
    return int(record.get("seq", 0))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value


def _message_record(event: events.MessageFinished) -> JsonObject:
    raw = event.content.raw or RawReply("", "", ())
    return {
        "message": event.message,
        "turn": event.turn,
        "wire": raw.wire,
        "model": raw.model,
        "blocks": list(raw.blocks),
    }


def _message_event(record: JsonObject) -> events.MessageFinished:
    from hermitcrab.providers.raw import blocks_of

    raw = RawReply(record["wire"], record["model"], tuple(record["blocks"]))
    content = AssistantMessage(blocks_of(raw), raw)
    return events.MessageFinished(seq=_seq(record), message=record["message"], turn=record["turn"], content=content)


def _edit_record(event: events.EditConfirmed) -> JsonObject:
    return {
        "path": str(event.path),
        "base": {"version": event.base_version, "hash": event.base_hash},
        "hunks": [{"start": hunk.start, "before": hunk.before, "after": hunk.after} for hunk in event.hunks],
        "after_hash": event.after_hash,
        "call": event.call,
        "turn": event.turn,
        "saved": event.saved,
        "lines": [[change.line, change.before, change.after] for change in event.lines],
        "created": event.created,
    }


def _edit_event(record: JsonObject) -> events.EditConfirmed:
    hunks: list[JsonObject] = record["hunks"]
    return events.EditConfirmed(
        seq=_seq(record),
        call=record["call"],
        turn=record["turn"],
        path=Path(record["path"]),
        base_hash=record["base"]["hash"],
        base_version=record["base"]["version"],
        hunks=tuple(Hunk(hunk["start"], hunk["before"], hunk["after"]) for hunk in hunks),
        after_hash=record["after_hash"],
        saved=record["saved"],
        lines=tuple(LineChange(*change) for change in record.get("lines", ())),
        created=record["created"],
    )


def _plain_event(event_type: type[events.Event], record: JsonObject) -> events.Event:
    fields = {_RENAMED_BACK.get(key, key): value for key, value in record.items() if key not in _ENVELOPE}
    if event_type is events.ToolCallStarted:
        fields["paths"] = tuple(Path(path) for path in fields.get("paths", ()))
    elif event_type is events.ToolCallFinished:
        fields["notes"] = tuple(fields.get("notes", ()))
    elif event_type is events.TodosChanged:
        fields["todos"] = tuple((what, how) for what, how in fields["todos"])
    elif event_type is events.UsageChanged:
        fields["usage"] = Usage(**fields["usage"])
    elif event_type is events.TurnUndone:
        fields["reverted"] = tuple(Path(path) for path in fields["reverted"])
        fields["kept"] = tuple((Path(path), reason) for path, reason in fields["kept"])
        fields["not_covered"] = tuple(fields["not_covered"])
    return event_type(seq=_seq(record), **fields)


_RENAMED_BACK = {new: old for old, new in _RENAMED.items()}
_ENVELOPE = frozenset({"v", "seq", "t", "m", "kind", "crc"})
