"""While the agent edits, the user types: in every manner of editor no typed character is lost, no edit made twice."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import EditConfirmed
from simulator import clock
from simulator.editor import InProcess, Manners
from tool_case import ToolCase

TEXT = "alpha = 1\nbeta = 2\ngamma = 3\n"

MANNERS = st.builds(
    Manners,
    stale=st.sampled_from(["reject", "drop", "ignore"]),
    echo=st.sampled_from(["each", "split", "merged", "full"]),
    echo_delay=st.sampled_from([0.0, 0.05, 0.4]),
    reply_delay=st.sampled_from([0.0, 0.1]),
    saves=st.booleans(),
)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MANNERS, st.sampled_from(["before", "after"]), st.integers(0, len(TEXT)))
def test_typing_while_an_edit_is_under_way(tmp_path: Path, manners: Manners, moment: str, offset: int):
    clock.run(_race(tmp_path, manners, moment, offset))


async def _race(root: Path, manners: Manners, moment: str, offset: int) -> None:
    case = ToolCase(root, root / "spill")
    path = case.write("a.py", TEXT)
    port = InProcess(case.documents, "c1", manners)
    case.view.attach("c1", port)
    uri = path.as_uri()
    port.editor.open(uri, TEXT)
    actions = port.editor.before_apply if moment == "before" else port.editor.after_apply
    actions.append(lambda: port.editor.type(uri, offset, "§"))
    try:
        done = await case.call("Edit", file_path="a.py", old_string="beta = 2", new_string="beta = 20")
    except ToolError:
        told: list[EditConfirmed] = []
    else:
        told = done.edits
    port.editor.flush(uri)
    shown = port.editor.buffers[uri].text
    rest = shown.replace("§", "")
    edited = TEXT.replace("= 2", "= 20")
    if told:
        assert rest == edited
    if manners.stale != "ignore":
        assert "§" in shown
        assert rest in {TEXT, edited}
        assert len(port.editor.applied) <= 1
    if told and not told[0].saved:
        assert path.read_text() == TEXT


@pytest.mark.parametrize("stale", ["reject", "drop", "ignore"])
def test_without_typing_every_manner_of_editor_takes_the_edit_once(
    tmp_path: Path, stale: Literal["reject", "drop", "ignore"]
):
    async def story() -> None:
        case = ToolCase(tmp_path, tmp_path / "spill")
        path = case.write("a.py", TEXT)
        port = InProcess(case.documents, "c1", Manners(stale=stale, echo="merged", echo_delay=0.2))
        case.view.attach("c1", port)
        port.editor.open(path.as_uri(), TEXT + "typed\n")
        done = await case.call("Edit", file_path="a.py", old_string="2", new_string="20")
        assert port.editor.buffers[path.as_uri()].text == TEXT.replace("2", "20") + "typed\n"
        assert len(port.editor.applied) == len(done.edits) == 1
        assert "not saved to disk" in done.text
        assert path.read_text() == TEXT

    clock.run(story())
