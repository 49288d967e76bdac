"""Reading and editing through one connection: buffers are the truth, edits land once, nobody's words are lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hermitcrab.core.edits import apply
from hermitcrab.core.errors import StaleEditError, ToolError, UnconfirmedEditError
from hermitcrab.workspace.buffers import Waits
from hermitcrab.workspace.documents import Documents
from hermitcrab.workspace.view import EditOutcome, Source, View
from simulator.clock import run
from simulator.editor import InProcess, Manners, SimulatedEditor

TEXT = "def greet(nmae):\n    print(nmae)\n\n\ngreet('you')\n"
FIXED = TEXT.replace("nmae", "name")


class Desk:
    """A file on disk, a view, and perhaps an editor that has the file open."""

    def __init__(self, root: Path, manners: Manners | None = None, text: str = TEXT, *, waits: Waits | None = None):
        self.path = root / "greet.py"
        if not self.path.exists():
            self.path.write_bytes(text.encode())
        self.uri = self.path.as_uri()
        self.documents = Documents(clock=asyncio.get_running_loop().time)
        self.view = View(root, self.documents, waits=waits or Waits())
        if manners:
            self.client = InProcess(self.documents, "one", manners)
            self.view.attach("one", self.client)
            self.editor.open(self.uri, text)

    @property
    def editor(self) -> SimulatedEditor:
        return self.client.editor

    @property
    def buffer(self) -> str:
        return self.editor.buffers[self.uri].text

    @property
    def disk(self) -> str:
        return self.path.read_bytes().decode()

    async def read(self) -> Source:
        return await self.view.read(self.path)

    async def fix(self, base: Source | None = None, text: str = FIXED) -> EditOutcome:
        return await self.view.apply(base or await self.read(), text, label="Fix")


# Files that are open nowhere.


def test_a_file_open_nowhere_is_written_to_disk(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        outcome = await desk.fix()
        assert (desk.disk, outcome.saved, outcome.created) == (FIXED, True, False)
        assert apply(outcome.before.text, outcome.hunks) == outcome.after_text == FIXED

    run(story())


def test_a_change_on_disk_beside_the_edit_is_kept(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        base = await desk.read()
        desk.path.write_text(TEXT + "# theirs\n")
        assert (await desk.fix(base)).before.text == TEXT + "# theirs\n"
        assert desk.disk == FIXED + "# theirs\n"

    run(story())


def test_a_change_on_disk_in_the_same_place_is_not_overwritten(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        base = await desk.read()
        desk.path.write_text(TEXT.replace("nmae", "theirs"))
        with pytest.raises(StaleEditError, match=r"greet\.py"):
            await desk.fix(base)
        assert desk.disk == TEXT.replace("nmae", "theirs")

    run(story())


def test_no_change_writes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        before = desk.path.stat()
        assert (await desk.fix(text=TEXT)).hunks == ()
        assert desk.path.stat() == before

    run(story())


def test_two_sessions_edit_one_file_and_both_edits_stay(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        other = View(tmp_path, desk.documents)
        base = await desk.read()
        await asyncio.gather(desk.fix(base), other.apply(base, TEXT.replace("you", "them"), label="Rename"))
        assert desk.disk == FIXED.replace("you", "them")

    run(story())


# Files that are open.


def test_the_open_buffer_is_what_is_read(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        assert await desk.read() == Source(desk.path, TEXT, desk.documents.find("one", desk.uri).id, True, True)
        desk.editor.type(desk.uri, 0, "# mine\n")
        source = await desk.read()
        assert (source.text, source.is_open, source.is_saved, source.id.version) == ("# mine\n" + TEXT, True, False, 2)
        assert await desk.view.unsaved() == (desk.path,)

    run(story())


@pytest.mark.parametrize("echo", ["each", "split", "merged", "full"])
@pytest.mark.parametrize(("echo_delay", "reply_delay"), [(0, 0), (0, 1), (1.5, 0), (0.15, 0.15)])
@pytest.mark.parametrize("stale", ["reject", "drop", "ignore"])
def test_an_edit_is_confirmed_from_its_echo(tmp_path: Path, stale, echo, echo_delay, reply_delay) -> None:
    async def story() -> None:
        manners = Manners(stale=stale, echo=echo, echo_delay=echo_delay, reply_delay=reply_delay)
        desk = Desk(tmp_path, manners)
        outcome = await desk.fix()
        assert desk.buffer == outcome.after_text == FIXED
        assert (desk.disk, outcome.saved, len(desk.client.sent)) == (TEXT, False, 1)
        assert "not saved" in outcome.notes[0]

    run(story())


def test_hunks_are_small_so_that_cursors_and_folds_stay(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        await desk.fix()
        assert [(hunk.before, hunk.after) for hunk in desk.client.sent[0].hunks] == [("ma", "am")] * 2

    run(story())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_characters_beyond_ascii_before_the_edit_do_not_move_it(tmp_path: Path, encoding) -> None:
    async def story() -> None:
        text = "x = '😀漢é'; nmae\n"
        desk = Desk(tmp_path, Manners(encoding=encoding), text)
        desk.editor.type(desk.uri, 6, "👍")
        base = await desk.read()
        await desk.fix(base, base.text.replace("nmae", "name"))
        assert desk.buffer == "x = '😀👍漢é'; name\n"

    run(story())


def test_a_clean_file_is_saved_by_the_editor(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(saves=True))
        outcome = await desk.fix()
        assert (outcome.saved, desk.disk, outcome.notes) == (True, FIXED, ())

    run(story())


def test_a_dirty_file_is_never_saved(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(saves=True))
        desk.editor.type(desk.uri, len(TEXT), "# mine\n")
        base = await desk.read()
        outcome = await desk.fix(base, base.text.replace("nmae", "name"))
        assert (desk.buffer, desk.disk, outcome.saved) == (FIXED + "# mine\n", TEXT, False)
        assert (desk.client.saves_asked, desk.editor.saved) == (0, [])

    run(story())


def test_a_file_typed_in_while_the_edit_is_under_way_is_not_saved(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(saves=True, reply_delay=0.1))
        desk.editor.after_apply.append(lambda: desk.editor.type(desk.uri, 0, "# mine\n"))
        outcome = await desk.fix()
        assert (desk.buffer, desk.disk, outcome.saved) == ("# mine\n" + FIXED, TEXT, False)
        assert "typed in" in outcome.notes[0]

    run(story())


def test_a_formatter_that_runs_on_save_does_not_make_it_unsaved(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(saves=True, echo="merged", echo_delay=0.3))
        save = desk.editor.save

        def formats(uri: str) -> None:
            desk.editor.type(uri, 0, "# formatted\n")
            save(uri)

        desk.editor.save = formats
        outcome = await desk.fix()
        assert outcome.saved
        assert desk.disk == "# formatted\n" + FIXED

    run(story())


def test_an_editor_that_says_saved_and_did_not_is_not_believed(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(saves=True))
        desk.editor.save = lambda uri: None
        outcome = await desk.fix()
        assert not outcome.saved
        assert "did not save" in outcome.notes[0]

    run(story())


def test_typing_beside_the_edit_before_it_is_sent_is_kept(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        base = await desk.read()
        desk.editor.type(desk.uri, len(TEXT), "# mine\n")
        outcome = await desk.fix(base)
        assert desk.buffer == outcome.after_text == FIXED + "# mine\n"

    run(story())


def test_typing_in_the_same_place_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        base = await desk.read()
        desk.editor.type(desk.uri, TEXT.index("nmae") + 2, "X")
        with pytest.raises(StaleEditError, match="same place"):
            await desk.fix(base)
        assert desk.client.sent == []

    run(story())


def test_the_user_made_the_same_edit_first(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        base = await desk.read()
        desk.editor.type(desk.uri, 0, FIXED, delete=len(TEXT))
        outcome = await desk.fix(base)
        assert (outcome.hunks, outcome.after_text, desk.client.sent) == ((), FIXED, [])

    run(story())


@pytest.mark.parametrize("echo", ["each", "split", "merged", "full"])
@pytest.mark.parametrize("stale", ["reject", "drop"])
def test_typing_right_behind_the_edit_comes_with_its_echo(tmp_path: Path, stale, echo) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(stale=stale, echo=echo, echo_delay=0.2))
        desk.editor.after_apply.append(lambda: desk.editor.type(desk.uri, 4, "mine_"))
        outcome = await desk.fix()
        assert desk.buffer == FIXED[:4] + "mine_" + FIXED[4:]
        assert outcome.after_text in {FIXED, desk.buffer}

    run(story())


def test_a_stale_edit_that_is_rejected_changes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(echo_delay=0.05))
        desk.editor.before_apply.append(lambda: desk.editor.type(desk.uri, 0, "# mine\n"))
        with pytest.raises(StaleEditError, match="document has changed"):
            await desk.fix()
        await asyncio.sleep(5)
        assert desk.buffer == "# mine\n" + TEXT
        assert len(desk.client.sent) == 1

    # The change may be told before or after the refusal.
    run(story())


def test_a_stale_edit_that_is_dropped_is_not_taken_for_done(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(stale="drop"))
        desk.editor.before_apply.append(lambda: desk.editor.type(desk.uri, 0, "# mine\n"))
        with pytest.raises(UnconfirmedEditError, match=r"(?s)now reads.*nmae"):
            await desk.fix()
        await asyncio.sleep(5)
        assert desk.buffer == "# mine\n" + TEXT
        assert len(desk.client.sent) == 1

    run(story())


def test_an_edit_without_an_echo_is_unconfirmed_and_not_sent_again(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(echo="missing"))
        with pytest.raises(UnconfirmedEditError, match="may or may not have been made"):
            await desk.fix()
        await asyncio.sleep(5)
        assert len(desk.client.sent) == 1

    run(story())


def test_the_client_refuses_for_its_own_reason(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(refuses="read-only buffer"))
        with pytest.raises(ToolError, match="read-only buffer") as caught:
            await desk.fix()
        assert type(caught.value) is ToolError

    run(story())


def test_an_echo_is_enough_where_the_answer_never_comes(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(replies=False))
        assert (await desk.fix()).after_text == FIXED
        assert asyncio.get_running_loop().time() < 1010

    run(story())


def test_an_edit_that_is_under_way_can_be_cancelled(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(replies=False, echo="missing"))
        task = asyncio.create_task(desk.fix())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    run(story())


def test_a_file_closed_while_the_edit_is_under_way(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        desk.editor.before_apply.append(lambda: desk.editor.close(desk.uri))
        with pytest.raises(ToolError, match="no such buffer"):
            await desk.fix()
        assert desk.disk == TEXT

    run(story())


@pytest.mark.parametrize(("line_end", "given"), [("\r\n", "\n"), ("\n", "\r\n")])
def test_an_editor_that_knows_one_line_end_per_file(tmp_path: Path, line_end, given) -> None:
    async def story() -> None:
        text = "a\nb\n".replace("\n", line_end)
        desk = Desk(tmp_path, Manners(line_end=line_end), text)
        outcome = await desk.fix(text=text + "c" + given + "d" + given)
        assert desk.buffer == outcome.after_text == "a\nb\nc\nd\n".replace("\n", line_end)
        assert apply(text, outcome.hunks) == desk.buffer

    run(story())


# Editors that put an edit at our line and column whatever stands there.


def test_an_edit_waits_until_the_user_pauses_where_versions_are_not_checked(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(stale="ignore"))
        loop = asyncio.get_running_loop()
        base = await desk.read()
        for tick in range(20):
            loop.call_later(tick * 0.1, desk.editor.type, desk.uri, 0, "x")
        outcome = await desk.fix(base)
        assert desk.buffer == outcome.after_text == "x" * 20 + FIXED
        assert 1002.4 <= loop.time() < 1003

    run(story())


def test_a_user_who_never_pauses_is_not_disturbed(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(stale="ignore"))
        for tick in range(200):
            asyncio.get_running_loop().call_later(tick * 0.1, desk.editor.type, desk.uri, 0, "x")
        with pytest.raises(StaleEditError, match="typed in"):
            await desk.fix()
        assert desk.client.sent == []

    run(story())


def test_a_misplaced_edit_is_found_and_what_it_removed_is_put_back(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(stale="ignore"))
        desk.editor.before_apply.append(lambda: desk.editor.type(desk.uri, 0, "# mine\n"))
        outcome = await desk.fix()
        assert desk.buffer == outcome.after_text == "# mine\n" + FIXED
        assert apply(outcome.before.text, outcome.hunks) == desk.buffer
        assert "put back" in outcome.notes[0]
        assert len(desk.client.sent) == 2

    run(story())


def test_a_misplaced_edit_is_taken_back_where_the_user_typed_in_its_place(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(stale="ignore"))
        desk.editor.before_apply.append(lambda: desk.editor.type(desk.uri, TEXT.index("nmae") + 2, "MINE"))
        with pytest.raises(StaleEditError, match="taken back"):
            await desk.fix()
        assert desk.buffer == TEXT.replace("nmae", "nmMINEae", 1)

    run(story())


def test_what_cannot_be_put_back_is_shown(tmp_path: Path) -> None:
    async def story() -> None:
        text = "first line\nsecond line\n"
        desk = Desk(tmp_path, Manners(stale="ignore"), text)
        type_ = desk.editor.type
        desk.editor.before_apply += [
            lambda: type_(desk.uri, 0, "MINE\n"),
            lambda: type_(desk.uri, 0, "AGAIN\n"),
        ]
        with pytest.raises(UnconfirmedEditError) as caught:
            await desk.fix(text=text.replace("second", "other"))
        missing = [word for word in ("MINE", "AGAIN", "first", "line") if word not in desk.buffer]
        assert all(word in str(caught.value) for word in missing)
        assert "'first'" in str(caught.value) or "first" in desk.buffer
        assert len(desk.client.sent) == 2

    run(story())


def test_typing_inside_the_replaced_text_told_together_with_the_edit_is_not_taken_for_success(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(stale="ignore", echo="full", echo_delay=0.1), "call(before)\n")
        desk.editor.before_apply.append(lambda: desk.editor.type(desk.uri, 8, "MINE"))
        with pytest.raises(UnconfirmedEditError):
            await desk.fix(text="call(after!)\n")

    run(story())


# Several editors.


def test_other_unsaved_text_in_another_window_refuses_the_edit(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        other = InProcess(desk.documents, "two", Manners())
        other.editor.open(desk.uri, TEXT)
        other.editor.type(desk.uri, 0, "# theirs\n")
        with pytest.raises(ToolError, match="another editor"):
            await desk.fix()
        assert (desk.buffer, other.editor.buffers[desk.uri].text) == (TEXT, "# theirs\n" + TEXT)
        assert (await View(tmp_path, desk.documents).read(desk.path)).text == TEXT
        assert desk.client.sent == []

    run(story())


def test_a_file_another_window_holds_unsaved_is_not_written_to_disk(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        other = InProcess(desk.documents, "two", Manners())
        other.editor.open(desk.uri, TEXT)
        assert "reload" in (await desk.fix()).notes[0]
        other.editor.type(desk.uri, 0, "# theirs\n")
        with pytest.raises(ToolError, match="another editor"):
            await desk.fix(text=TEXT)
        assert desk.disk == FIXED

    run(story())


def test_a_clean_buffer_in_another_window_is_no_hindrance(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        InProcess(desk.documents, "two", Manners()).editor.open(desk.uri, TEXT)
        assert (await desk.fix()).after_text == FIXED

    run(story())


def test_an_open_file_with_no_editor_to_ask(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        desk.view.attach("one", None)
        with pytest.raises(ToolError, match="cannot be asked"):
            await desk.fix()

    run(story())


# New files.


def test_a_new_file_is_made_with_its_folders(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        outcome = await desk.view.create(desk.view.resolve("pkg/new.py"), "x = 1\n", label="New")
        assert (outcome.created, outcome.saved, outcome.before.text) == (True, True, "")
        assert (tmp_path / "pkg/new.py").read_bytes() == b"x = 1\n"
        with pytest.raises(ToolError, match="exists already"):
            await desk.view.create(desk.view.resolve("pkg/new.py"), "y\n", label="New")

    run(story())


def test_a_new_file_whose_buffer_holds_text_is_not_made(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        path = tmp_path / "new.py"
        desk.editor.open(path.as_uri(), "mine")
        with pytest.raises(ToolError, match="unsaved text"):
            await desk.view.create(path, "x\n", label="New")
        assert not path.exists()

    run(story())


def test_a_new_file_whose_buffer_is_empty_is_filled_there(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners(saves=True))
        path = tmp_path / "new.py"
        desk.editor.open(path.as_uri(), "")
        outcome = await desk.view.create(path, "x\n", label="New")
        assert (outcome.created, outcome.saved, path.exists()) == (True, False, False)
        assert desk.editor.buffers[path.as_uri()].text == "x\n"

    run(story())


# Deleting.


def test_a_file_is_deleted_only_as_it_was_read(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        source = await desk.read()
        desk.path.write_text("theirs")
        with pytest.raises(StaleEditError, match="not deleted"):
            await desk.view.remove(source)
        await desk.view.remove(await desk.read())
        assert not desk.path.exists()

    run(story())


def test_an_open_file_is_not_deleted(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path, Manners())
        with pytest.raises(ToolError, match="close it there"):
            await desk.view.remove(await desk.read())
        assert desk.path.exists()

    run(story())


# Paths.


def test_paths_are_resolved_and_compared_by_their_parts(tmp_path: Path) -> None:
    async def story() -> None:
        root = tmp_path / "root"
        (tmp_path / "rootless").mkdir()
        root.mkdir()
        (root / "out").symlink_to(tmp_path / "rootless")
        view = View(root, Documents())
        assert view.resolve("a/../b.py") == root / "b.py"
        assert view.is_inside(view.resolve("new/deep/b.py"))
        assert not view.is_inside(view.resolve("out/new.py"))
        assert not view.is_inside(view.resolve("../rootless/x"))
        assert not view.is_inside(root / "out/x")
        assert view.is_inside(root)
        assert view.show(root / "a/b.py") == str(Path("a/b.py"))
        assert view.show(tmp_path / "rootless/x") == str(tmp_path / "rootless/x")

    run(story())


@pytest.mark.parametrize("name", ["", "a\nb", "a\0b", "a\x1b[2Jb", "a\x7f", "a\u2028b", "a\ud800"])
def test_names_with_control_characters_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ToolError) as caught:
        View(tmp_path, Documents()).resolve(name)
    assert str(caught.value).isprintable()


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ToolError, match="leads back"):
        View(tmp_path, Documents()).resolve("a")


def test_an_edit_through_a_link_changes_its_target(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path)
        link = tmp_path / "link.py"
        link.symlink_to("greet.py")
        base = await desk.view.read(desk.view.resolve("link.py"))
        await desk.fix(base)
        assert link.is_symlink()
        assert desk.disk == FIXED

    run(story())
