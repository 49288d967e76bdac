"""Edit changes what it names and nothing else, in the text as it is at that moment."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from hermitcrab.core.edits import Hunk, text_hash
from hermitcrab.core.errors import StaleEditError, ToolError, UnconfirmedEditError
from hermitcrab.core.ports import ApplyReply, BufferEdit
from hermitcrab.workspace.view import View
from tool_case import ToolCase


@pytest.fixture
def case(tmp_path: Path) -> ToolCase:
    (tmp_path / "root").mkdir()
    return ToolCase(tmp_path / "root", tmp_path / "spill")


def edit(old: str, new: str, name: str = "a.py", **more: object) -> dict[str, object]:
    return {"file_path": name, "old_string": old, "new_string": new, **more}


async def test_a_unique_text_is_replaced_without_a_read_before(case: ToolCase):
    path = case.write("a.py", "x = 1\ny = 2\nz = 3\n")
    done = await case.call("Edit", **edit("y = 2", "y = 20"))
    assert path.read_text() == "x = 1\ny = 20\nz = 3\n"
    assert done.text == "Edited `a.py`.\n1\tx = 1\n2\ty = 20\n3\tz = 3"
    assert done.access.title == "Edit a.py"
    assert done.access.kind == "edit"
    assert done.access.paths == (path,)
    assert done.access.detail == "--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n x = 1\n-y = 2\n+y = 20\n z = 3"
    (event,) = done.edits
    assert (event.path, event.saved, event.created, event.call, event.turn) == (path, True, False, "call1", "turn")
    assert (event.base_hash, event.after_hash) == (text_hash("x = 1\ny = 2\nz = 3\n"), text_hash(path.read_text()))
    assert sum(len(hunk.after) - len(hunk.before) for hunk in event.hunks) == 1
    assert done.result.notes == ()


async def test_a_read_file_stays_known_after_its_own_edit(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    await case.call("Read", file_path="a.py")
    await case.call("Edit", **edit("1", "2"))
    assert case.memory.read_hashes[path] == text_hash("x = 2\n")
    await case.call("Write", file_path="a.py", content="x = 3\n")
    assert path.read_text() == "x = 3\n"


async def test_a_file_that_was_never_read_is_not_known_after_an_edit(case: ToolCase):
    case.write("a.py", "x = 1\n")
    await case.call("Edit", **edit("1", "2"))
    with pytest.raises(ToolError, match="Read it first"):
        await case.call("Write", file_path="a.py", content="")


async def test_several_places_are_named(case: ToolCase):
    path = case.write("a.py", "x = 1\ny = 1\r\nx = 1\n")
    with pytest.raises(ToolError, match=r"occurs 2 times in `a.py`, at lines 1, 3; give more"):
        await case.call("Edit", **edit("x = 1", "x = 2"))
    assert path.read_bytes() == b"x = 1\ny = 1\r\nx = 1\n"


async def test_all_places_change_when_asked_and_the_file_was_read(case: ToolCase):
    path = case.write("a.py", "a\nb\na\n" + "c\n" * 20 + "a\n")
    with pytest.raises(ToolError, match="Read the file before"):
        await case.call("Edit", **edit("a", "z", replace_all=True))
    await case.call("Read", file_path="a.py")
    done = await case.call("Edit", **edit("a", "z", replace_all=True))
    assert path.read_text() == "z\nb\nz\n" + "c\n" * 20 + "z\n"
    assert done.text.split("\n") == [
        "Edited `a.py`.", "1\tz", "2\tb", "3\tz", "4\tc", "5\tc", "6\tc", "…", "21\tc", "22\tc", "23\tc", "24\tz",
    ]  # fmt: skip


async def test_one_place_needs_no_read_even_with_replace_all(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    await case.call("Edit", **edit("1", "2", replace_all=True))
    assert path.read_text() == "x = 2\n"


async def test_windows_line_ends_stay(case: ToolCase):
    path = case.write("a.py", b"def f():\r\n    return 1\r\n")
    await case.call("Edit", **edit("def f():\n    return 1\n", "def f():\n    x = 1\n    return x\n"))
    assert path.read_bytes() == b"def f():\r\n    x = 1\r\n    return x\r\n"


async def test_encoding_bom_mode_and_final_newline_stay(case: ToolCase):
    path = case.write("a.txt", "\ufeffgrüße\r\nwelt".encode("utf-16-le"))
    path.chmod(0o754)
    await case.call("Edit", **edit("welt", "Welt", "a.txt"))
    assert path.read_bytes() == "\ufeffgrüße\r\nWelt".encode("utf-16-le")
    assert path.stat().st_mode & 0o777 == 0o754


@pytest.mark.parametrize(
    ("text", "old", "why"),
    [
        ("def f():\n\treturn 1\n", "def f():\n    return 1", "White space differs at lines 1-2; this is what stands there"),
        ("alpha = 1\nbeta = 2\n", "1\talpha = 1\n2\tbeta = 3", "line numbers that Read shows; leave them out"),
        ("x = compute(1)\n", "x = compute(2)", "The nearest text is at lines 1-1"),
        ("x = 1\n", "something else entirely", "Nothing like it is there"),
        ("x = 20\n", "x = 10", "`new_string` already stands at line 1"),
        ("", "x", "the file is empty"),
    ],
)  # fmt: skip
async def test_a_text_that_is_not_there_is_explained(case: ToolCase, text: str, old: str, why: str):
    path = case.write("a.py", text)
    with pytest.raises(ToolError) as caught:
        await case.call("Edit", **edit(old, "x = 20"))
    assert why in str(caught.value)
    assert path.read_text() == text
    assert not case.memory.changed


async def test_the_nearest_lines_are_shown_with_their_numbers(case: ToolCase):
    case.write("a.py", "import os\n\ndef greet(name):\n    print('hello', name)\n")
    with pytest.raises(ToolError) as caught:
        await case.call("Edit", **edit("def greet(name):\n    print('hallo', name)", "pass"))
    assert str(caught.value).endswith("3\tdef greet(name):\n4\t    print('hello', name)")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("x", "x", "are the same"),
        ("", "x", "exists and is not empty"),
        ("x = 1\r\n", "x = 1\n", "differ in line ends alone"),
    ],
)
async def test_requests_without_meaning_are_refused(case: ToolCase, old: str, new: str, why: str):
    case.write("a.py", "x = 1\n")
    with pytest.raises(ToolError, match=why):
        await case.call("Edit", **edit(old, new))


async def test_nothing_becomes_a_new_file_with_its_folders(case: ToolCase):
    done = await case.call("Edit", **edit("", "x = 1\n", "new/deep/a.py"))
    assert (case.root / "new/deep/a.py").read_text() == "x = 1\n"
    assert done.access.detail == "--- /dev/null\n+++ new/deep/a.py\n@@ -0,0 +1,1 @@\n+x = 1"
    assert done.access.title == "Create new/deep/a.py"
    assert done.text == "Created `new/deep/a.py`.\n1\tx = 1"
    assert done.edits[0].created


async def test_an_empty_file_can_be_filled(case: ToolCase):
    path = case.write("a.py", "")
    await case.call("Edit", **edit("", "x = 1\n"))
    assert path.read_text() == "x = 1\n"


async def test_the_gate_sees_every_hidden_character(case: ToolCase):
    case.write("a.py", "x = 1\n")
    access = await case.access("Edit", **edit("1", "2 # \u202e\x1b[2J"))
    assert "+x = 2 # \\u202e\\x1b[2J" in access.detail


async def test_an_unsaved_buffer_is_edited_where_it_is_and_not_saved(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    case.open("a.py", "x = 1\nmine = True\n")
    done = await case.call("Edit", **edit("x = 1", "x = 2"))
    assert case.buffer("a.py") == "x = 2\nmine = True\n"
    assert path.read_text() == "x = 1\n"
    assert "in the editor's buffer, not saved to disk" in done.text
    assert "unsaved" in done.result.notes
    assert (done.edits[0].saved, done.edits[0].base_version) == (False, 1)


async def test_a_clean_buffer_is_saved_by_the_editor(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    case.open("a.py", "x = 1\n")
    done = await case.call("Edit", **edit("1", "2"))
    assert (case.buffer("a.py"), path.read_text()) == ("x = 2\n", "x = 2\n")
    assert done.edits[0].saved
    assert done.result.notes == ()


async def test_text_only_the_disk_has_is_not_there(case: ToolCase):
    case.write("a.py", "x = 1\n")
    case.open("a.py", "y = 2\n")
    with pytest.raises(ToolError, match="is not in"):
        await case.call("Edit", **edit("x = 1", "x = 2"))


async def test_typing_beside_the_edit_while_the_question_is_open_is_kept(case: ToolCase):
    case.write("a.py", "x = 1\n")
    case.open("a.py", "x = 1\n")
    await case.call("Edit", **edit("1", "2"), meanwhile=lambda: case.type("a.py", "typed = 0\nx = 1\n"))
    assert case.buffer("a.py") == "typed = 0\nx = 2\n"


async def test_typing_over_the_place_while_the_question_is_open_stops_the_edit(case: ToolCase):
    case.write("a.py", "x = 1\n")
    case.open("a.py", "x = 1\n")
    with pytest.raises(ToolError, match="is not in"):
        await case.call("Edit", **edit("x = 1", "x = 2"), meanwhile=lambda: case.type("a.py", "x = 5\n"))
    assert case.buffer("a.py") == "x = 5\n"


async def test_a_second_place_that_appears_meanwhile_stops_the_edit(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    with pytest.raises(ToolError, match="occurs 2 times"):
        await case.call("Edit", **edit("x = 1", "x = 2"), meanwhile=lambda: path.write_text("x = 1\nx = 1\n"))
    assert path.read_text() == "x = 1\nx = 1\n"


async def test_a_file_deleted_meanwhile_is_named_and_not_made_again(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    with pytest.raises(ToolError, match=r"a\.py.*no such file"):
        await case.call("Edit", **edit("1", "2"), meanwhile=path.unlink)
    assert not path.exists()


async def test_a_file_made_meanwhile_is_not_overwritten(case: ToolCase):
    path = case.root / "a.py"
    with pytest.raises(ToolError, match="exists"):
        await case.call("Edit", **edit("", "mine\n"), meanwhile=lambda: path.write_text("theirs\n"))
    assert path.read_text() == "theirs\n"


async def test_a_link_turned_after_the_question_changes_nothing_outside(case: ToolCase, tmp_path: Path):
    outside = tmp_path / "outside.py"
    outside.write_text("x = 1\n")
    path = case.write("a.py", "x = 1\n")

    def swap():
        path.unlink()
        path.symlink_to(outside)

    with pytest.raises(ToolError, match="since permission was given"):
        await case.call("Edit", **edit("1", "2"), meanwhile=swap)
    assert outside.read_text() == "x = 1\n"


async def test_a_refusing_editor_leaves_the_file_alone_and_the_model_is_told(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    case.open("a.py", "x = 1\n")
    case.editor.refuses = "readonly buffer"
    with pytest.raises(ToolError, match="readonly buffer"):
        await case.call("Edit", **edit("1", "2"))
    assert (path.read_text(), case.buffer("a.py")) == ("x = 1\n", "x = 1\n")


async def test_another_window_with_other_text_refuses_the_edit(case: ToolCase):
    case.write("a.py", "x = 1\n")
    case.open("a.py", "x = 1\n")
    case.open("a.py", "x = 1\ntheirs\n", connection="c2")
    with pytest.raises(ToolError, match="another editor"):
        await case.call("Edit", **edit("1", "2"))
    assert case.buffer("a.py") == "x = 1\n"


async def test_a_stale_edit_tells_the_model_to_read_again(case: ToolCase, monkeypatch: pytest.MonkeyPatch):
    path = case.write("a.py", "x = 1\n")
    await case.call("Read", file_path="a.py")

    async def stale(*_: object, **__: object) -> None:
        raise StaleEditError("`a.py` was changed in the same place")

    monkeypatch.setattr(View, "apply", stale)
    with pytest.raises(StaleEditError, match=r"Nothing was changed\. Read `a\.py` again"):
        await case.call("Edit", **edit("1", "2"))
    assert path not in case.memory.read_hashes


class Silent:
    """An editor that says applied and shows nothing."""

    def __init__(self, case: ToolCase) -> None:
        profile = case.editor.profile
        self.profile = type(profile)("silent", tells_refusal=False, echo_seconds=0.05)

    async def apply_edit(self, edit: BufferEdit) -> ApplyReply:
        return ApplyReply(applied=True)

    async def save(self, path: Path) -> bool:
        return False

    async def diagnostics(self, path: Path) -> None:
        return None


async def test_an_edit_nobody_confirms_is_said_to_be_uncertain(case: ToolCase):
    case.write("a.py", "x = 1\n")
    case.open("a.py", "x = 1\n")
    case.view.attach("c1", Silent(case))
    with pytest.raises(UnconfirmedEditError, match="may or may not have been made"):
        await case.call("Edit", **edit("1", "2"))


async def test_a_read_only_file_stays_as_it_is(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    path.chmod(0o444)
    with pytest.raises(ToolError, match="read-only"):
        await case.call("Edit", **edit("1", "2"))
    assert path.read_text() == "x = 1\n"
    assert path.stat().st_mode & 0o777 == 0o444


async def test_no_text_no_edit(case: ToolCase):
    (case.root / "sub").mkdir()
    os.mkfifo(case.root / "pipe")
    case.write("a.bin", b"x\0y")
    async with asyncio.timeout(5):
        for name, why in (
            ("sub", "directory"),
            ("pipe", "regular file"),
            ("a.bin", "binary"),
            ("gone.py", "no such file"),
        ):
            with pytest.raises(ToolError, match=why):
                await case.call("Edit", **edit("x", "y", name))


async def test_half_a_surrogate_pair_is_refused(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    with pytest.raises(ToolError, match="surrogate"):
        await case.call("Edit", **edit("1", "'\ud800'"))
    assert path.read_text() == "x = 1\n"


async def test_a_change_in_twenty_megabytes_is_quick_and_exact(case: ToolCase):
    text = "some line of text\n" * 600_000 + "needle\n" + "some line of text\n" * 550_000
    path = case.write("big.txt", text)
    done = await case.call("Edit", **edit("needle", "thread", "big.txt"))
    assert path.read_text() == text.replace("needle", "thread")
    assert len(done.access.detail) < 500
    assert "600001\tthread" in done.text


async def test_hunks_are_as_small_as_the_change(case: ToolCase):
    case.write("a.py", "def f():\n    return 1\n")
    done = await case.call("Edit", **edit("def f():\n    return 1\n", "def f():\n    return 2\n"))
    assert done.edits[0].hunks == (Hunk(20, "1", "2"),)


async def test_places_that_overlap_are_two_places(case: ToolCase):
    path = case.write("a.py", "x = [[[\n")
    with pytest.raises(ToolError, match="occurs 2 times"):
        await case.call("Edit", **edit("[[", "("))
    await case.call("Read", file_path="a.py")
    await case.call("Edit", **edit("[[", "(", replace_all=True))
    assert path.read_text() == "x = ([\n"
