"""What goes over the wire has the shape the models promise, and the pages say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from hermitcrab.core import events
from hermitcrab.core.edits import Hunk, LineChange
from hermitcrab.core.messages import AssistantMessage, TextBlock, ThinkingBlock, Usage
from hermitcrab.wire.base import WireModel
from hermitcrab.wire.from_events import updates_of
from hermitcrab.wire.methods import METHODS, SessionPromptParams
from hermitcrab.wire.schema import protocol_page, protocol_schema
from hermitcrab.wire.updates import SessionUpdate

ROOT = Path(__file__).parents[2]
A = Path("/project/a.py")
ONE_OF_EACH: tuple[events.Event, ...] = (
    events.PromptReceived(turn="t", text="hi"),
    events.TextDelta(message="m", offset=0, text="a"),
    events.ThoughtDelta(message="m", offset=0, text="a"),
    events.CallAnnounced(call="c", tool="Read"),
    events.ArgumentsDelta(call="c", text="{"),
    events.MessageFinished(message="m", turn="t", content=AssistantMessage((ThinkingBlock("hm"), TextBlock("yes")))),
    events.MessageCut(message="m", turn="t", text="ye"),
    events.ToolCallStarted(
        call="c", turn="t", tool="Read", kind="read", title="Read a.py", arguments={"file_path": "a.py"}, paths=(A,)
    ),
    events.ToolOutput(call="c", text="line\n"),
    events.ToolCallFinished(call="c", turn="t", tool="Read", status="denied", text="no", notes=("unsaved",)),
    events.EditConfirmed(
        call="c", turn="t", path=A, base_hash="0", base_version=1, hunks=(Hunk(0, "a", "b"),), after_hash="1",
        saved=True, lines=(LineChange(1, "a\n", "b\n"),),
    ),
    events.PermissionAsked(request="q", call="c", title="Run", detail="ls"),
    events.PermissionSettled(request="q", call="c", turn="t", tool="Bash", outcome="reject", detail="ls"),
    events.TodosChanged(todos=(("read", "completed"), ("edit", "pending"))),
    events.ModeChanged(mode="plan"),
    events.UsageChanged(turn="t", model="m", usage=Usage(1, 2), context_used=3, context_size=4),
    events.Notice(text="busy"),
    events.ModelReminded(turn="t1", text="still there", notice="it was told"),
    events.TurnUndone(turn="t", reverted=(A,), kept=((A, "changed"),), not_covered=("ls",)),
    events.TurnFinished(turn="t", reason="end_turn"),
)  # fmt: skip


def test_every_event_is_in_the_list_above() -> None:
    known = {event_type.__name__ for event_type in events.Event.__subclasses__()}
    assert {type(event).__name__ for event in ONE_OF_EACH} == known


@pytest.mark.parametrize("replay", [False, True])
@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_updates_have_the_models_shape(event: events.Event, replay: bool) -> None:
    for update in updates_of(event, replay=replay):
        model = TypeAdapter(SessionUpdate).validate_python(update)
        assert model.to_json() == update
        assert not model.model_extra


def test_unknown_keys_and_meta_survive_a_round_trip() -> None:
    said = {
        "sessionId": "s",
        "prompt": [{"type": "text", "text": "hi", "_meta": {"a": [1]}}, {"type": "image", "data": "…"}],
        "_meta": {"trace": "x"},
        "from": {"the": "future"},
    }
    assert SessionPromptParams.model_validate(said).to_json() == said


def test_each_method_says_what_it_is_for() -> None:
    for method in METHODS:
        for model in filter(None, (method.params, method.result)):
            assert model.__doc__ != WireModel.__doc__
            assert model.__doc__


def test_schema_refers_only_to_what_it_defines() -> None:
    schema = protocol_schema()
    text = json.dumps(schema)
    used = {part.split('"', 1)[0] for part in text.split('"#/$defs/')[1:]}
    assert used <= schema["$defs"].keys()


def test_the_protocol_page_is_fresh() -> None:
    assert (ROOT / "docs" / "protocol.md").read_text("utf-8") == protocol_page(), "run: make docs"
