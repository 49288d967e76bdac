"""The tools as a model is told of them, and the task list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import TodosChanged
from hermitcrab.tools.registry import core_tools
from tool_case import TOOLS, ToolCase

KEYS = {
    "Read": "file_path offset? limit? pages?",
    "Write": "file_path content",
    "Edit": "file_path old_string new_string replace_all?",
    "Glob": "pattern path?",
    "Grep": "pattern path? glob? type? output_mode? -i? -A? -B? -C? head_limit? multiline?",
    "Bash": "command timeout? description? run_in_background?",
    "Diagnostics": "file_path?",
    "Todo": "todos",
}


def test_there_are_eight_in_one_order():
    assert [tool.name for tool in core_tools()] == list(KEYS)
    assert [tool.name for tool in core_tools() if tool.is_effectful] == ["Write", "Edit", "Bash"]


def test_the_keys_are_the_public_ones_in_their_order():
    for tool in core_tools():
        required = set(tool.spec.schema.get("required", []))
        keys = [key if key in required else f"{key}?" for key in tool.spec.schema["properties"]]
        assert " ".join(keys) == KEYS[tool.name]


def test_all_they_say_of_themselves_is_small():
    specs = [tool.spec for tool in core_tools()]
    size = sum(len(json.dumps({"name": s.name, "description": s.description, "input_schema": s.schema})) for s in specs)
    assert size <= 6000
    assert all(len(spec.description) > 60 for spec in specs)


def test_no_schema_says_what_no_model_needs():
    text = json.dumps([tool.spec.schema for tool in core_tools()])
    for word in ('"title"', '"anyOf"', '"null"', "additionalProperties"):
        assert word not in text


@pytest.mark.parametrize("name", KEYS)
def test_an_unknown_key_is_told(name: str):
    with pytest.raises(ToolError, match=r"`surprise`: .*Keys: "):
        TOOLS[name].parse({"surprise": 1})


def test_an_optional_key_may_be_null():
    assert TOOLS["Read"].parse({"file_path": "a", "offset": None}) == TOOLS["Read"].parse({"file_path": "a"})


@pytest.fixture
def case(tmp_path: Path) -> ToolCase:
    return ToolCase(tmp_path, tmp_path / "spill")


async def test_a_task_list_is_remembered_and_shown(case: ToolCase):
    done = await case.call(
        "Todo", todos=[{"content": " find it ", "status": "completed"}, {"content": "fix it", "status": "in_progress"}]
    )
    assert done.text == "[x] find it\n[~] fix it"
    assert case.memory.todos == (("find it", "completed"), ("fix it", "in_progress"))
    assert done.events == [TodosChanged(todos=case.memory.todos)]
    assert (done.access.kind, done.access.paths) == ("none", ())


async def test_an_empty_list_clears_it(case: ToolCase):
    await case.call("Todo", todos=[{"content": "a", "status": "pending"}])
    assert (await case.call("Todo", todos=[])).text == "The task list is empty."
    assert case.memory.todos == ()


@pytest.mark.parametrize(
    "item", [{"content": "", "status": "pending"}, {"content": "a", "status": "done"}, {"content": "a"}, "a"]
)
def test_a_task_without_meaning_is_refused(item: object):
    with pytest.raises(ToolError, match="todos"):
        TOOLS["Todo"].parse({"todos": [item]})
