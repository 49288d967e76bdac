"""Two editors on one engine: what one has not saved is nobody else's to overwrite."""

from __future__ import annotations

from pathlib import Path

from simulator.clock import run
from simulator.editor import Manners
from wire.lsp_editor import house

TEXT = "x = 1\ny = 2\n"
EDITED = "x = 10\ny = 2\n"
SCRIPT = 'call Read file_path=a.py\n\ncall Edit {"file_path": "a.py", "old_string": "x = 1", "new_string": "x = 10"}\n\nsay So it is.\n\n'


def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text(TEXT)
    return root


def test_different_unsaved_text_refuses_the_edit_and_leaves_both_buffers_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(root := project(tmp_path), SCRIPT) as place:
            uri = (root / "a.py").as_uri()
            one, two = await place.editor(), await place.editor(Manners(stale="drop"))
            for editor, word in ((one, "# one\n"), (two, "# two\n")):
                editor.sim.open(uri, TEXT)
                editor.sim.type(uri, len(TEXT), word)
                await editor.heard()
            await one.say(await one.new_session(root), "make it ten")
            _, refused = one.results()
            assert refused["status"] == "failed"
            assert "`a.py` has other unsaved changes in another editor window" in refused["text"]
            assert one.sim.buffers[uri].text == TEXT + "# one\n"
            assert two.sim.buffers[uri].text == TEXT + "# two\n"
            assert (one.sim.applied, two.sim.applied) == ([], [])
            assert (root / "a.py").read_text() == TEXT

    run(story())


def test_once_the_other_has_saved_the_edit_goes_through(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(root := project(tmp_path), SCRIPT + SCRIPT) as place:
            uri = (root / "a.py").as_uri()
            one, two = await place.editor(), await place.editor()
            one.sim.open(uri, TEXT)
            two.sim.open(uri, TEXT)
            two.sim.type(uri, len(TEXT), "# two\n")
            await two.heard()
            session = await one.new_session(root)
            await one.say(session, "make it ten")
            assert one.results()[-1]["status"] == "failed"
            two.sim.save(uri)
            await two.heard()
            await one.say(session, "again")
            assert one.results()[-1]["status"] == "completed"
            assert one.sim.buffers[uri].text == EDITED
            assert two.sim.buffers[uri].text == TEXT + "# two\n"
            assert (root / "a.py").read_text() == TEXT + "# two\n", "saved by nobody but the other editor"

    run(story())


def test_a_file_another_editor_holds_unsaved_is_not_written_to_disk(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(root := project(tmp_path), SCRIPT) as place:
            uri = (root / "a.py").as_uri()
            one, two = await place.editor(), await place.editor()
            two.sim.open(uri, TEXT)
            two.sim.type(uri, 0, "# two\n")
            await two.heard()
            await one.say(await one.new_session(root), "make it ten")
            assert "another editor window" in one.results()[1]["text"]
            assert (root / "a.py").read_text() == TEXT
            assert two.sim.buffers[uri].text == "# two\n" + TEXT

    run(story())


def test_both_editors_see_one_session_and_the_edit_lands_where_it_was_asked_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(root := project(tmp_path), SCRIPT) as place:
            uri = (root / "a.py").as_uri()
            one, two = await place.editor(), await place.editor()
            two.sim.open(uri, TEXT)
            session = await one.new_session(root)
            await two.request("hermitcrab/session/load", {"sessionId": session})
            end = await two.say(session, "make it ten")
            assert two.sim.buffers[uri].text == EDITED
            assert one.sim.applied == []
            assert await one.end_of(end["turnId"]) == end
            shown = [update for update in one.updates(session) if update["sessionUpdate"] != "usage_update"]
            assert shown == [update for update in two.updates(session) if update["sessionUpdate"] != "usage_update"]

    run(story())


def test_one_editor_leaving_takes_its_turn_with_it_and_nobody_elses(tmp_path: Path) -> None:
    async def story() -> None:
        slow = "say-many 50\nwait 60\nsay late\n\n"
        async with house(root := project(tmp_path), slow + SCRIPT) as place:
            one, two = await place.editor(), await place.editor()
            first = await one.new_session(root)
            await one.prompt(first, "talk")
            await one.update(lambda update: update["sessionUpdate"] == "agent_message_chunk")
            second = await two.new_session(root)
            await one.leave()
            end = await two.say(second, "make it ten")
            assert end["stopReason"] == "end_turn"
            assert (root / "a.py").read_text() == EDITED
            assert [record["reason"] for record in place.log(first) if record["kind"] == "turn_end"] == ["cancelled"]

    run(story())
