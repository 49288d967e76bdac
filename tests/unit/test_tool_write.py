"""Write makes files, and replaces only what the model knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermitcrab.core.edits import text_hash
from hermitcrab.core.errors import ToolError
from tool_case import ToolCase


@pytest.fixture
def case(tmp_path: Path) -> ToolCase:
    (tmp_path / "root").mkdir()
    return ToolCase(tmp_path / "root", tmp_path / "spill")


async def test_a_new_file_is_made_with_its_folders(case: ToolCase):
    done = await case.call("Write", file_path="src/new/a.py", content="x = 1\ny = 2")
    path = case.root / "src/new/a.py"
    assert path.read_bytes() == b"x = 1\ny = 2"
    assert done.text == "Created `src/new/a.py`, 2 lines."
    assert done.access.title == "Create src/new/a.py"
    assert done.access.detail.endswith("+x = 1\n+y = 2\n\\ No newline at end of file")
    (event,) = done.edits
    assert (event.created, event.saved, event.after_hash) == (True, True, text_hash("x = 1\ny = 2"))


async def test_what_it_made_it_knows(case: ToolCase):
    await case.call("Write", file_path="a.py", content="1\n")
    done = await case.call("Write", file_path="a.py", content="2\n3\n")
    assert done.text == "Wrote `a.py`, +2 -1 lines."


async def test_a_file_that_was_not_read_is_not_replaced(case: ToolCase):
    path = case.write("a.py", "precious\n")
    with pytest.raises(ToolError, match="has not been read in this session: Read it first"):
        await case.access("Write", file_path="a.py", content="gone\n")
    assert path.read_text() == "precious\n"


async def test_a_file_changed_since_it_was_read_is_not_replaced(case: ToolCase):
    path = case.write("a.py", "one\n")
    await case.call("Read", file_path="a.py")
    path.write_text("two\n")
    with pytest.raises(ToolError, match="has changed since you last read it"):
        await case.call("Write", file_path="a.py", content="three\n")
    assert path.read_text() == "two\n"


async def test_nor_is_one_that_changes_while_the_question_is_open(case: ToolCase):
    path = case.write("a.py", "one\n")
    await case.call("Read", file_path="a.py")
    with pytest.raises(ToolError, match="has changed since"):
        await case.call("Write", file_path="a.py", content="three\n", meanwhile=lambda: path.write_text("two\n"))
    assert path.read_text() == "two\n"


async def test_unsaved_typing_counts_as_a_change(case: ToolCase):
    case.write("a.py", "one\n")
    await case.call("Read", file_path="a.py")
    case.open("a.py", "typed\n")
    with pytest.raises(ToolError, match="has changed since"):
        await case.call("Write", file_path="a.py", content="three\n")
    assert case.buffer("a.py") == "typed\n"


async def test_a_buffer_that_was_read_is_replaced_in_the_editor(case: ToolCase):
    path = case.write("a.py", "one\n")
    case.open("a.py", "typed\n")
    await case.call("Read", file_path="a.py")
    done = await case.call("Write", file_path="a.py", content="three\n")
    assert (case.buffer("a.py"), path.read_text()) == ("three\n", "one\n")
    assert "not saved to disk" in done.text
    assert "unsaved" in done.result.notes


async def test_windows_line_ends_stay(case: ToolCase):
    path = case.write("a.txt", b"one\r\ntwo\r\n")
    await case.call("Read", file_path="a.txt")
    await case.call("Write", file_path="a.txt", content="one\n2\nthree\n")
    assert path.read_bytes() == b"one\r\n2\r\nthree\r\n"


async def test_the_same_text_is_not_written_again(case: ToolCase):
    path = case.write("a.py", "one\n")
    before = path.stat().st_mtime_ns
    done = await case.call("Write", file_path="a.py", content="one\n")
    assert "already" in done.text
    assert done.edits == []
    assert path.stat().st_mtime_ns == before


async def test_an_empty_file_may_be_filled_unread(case: ToolCase):
    path = case.write("a.py", "")
    await case.call("Write", file_path="a.py", content="x\n")
    assert path.read_text() == "x\n"


async def test_a_file_made_while_the_question_is_open_is_not_overwritten(case: ToolCase):
    path = case.root / "a.py"
    with pytest.raises(ToolError):
        await case.call("Write", file_path="a.py", content="mine\n", meanwhile=lambda: path.write_text("theirs\n"))
    assert path.read_text() == "theirs\n"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("sub", "directory"),
        ("sub/file/x", "a file|folder"),
        ("a\nb", "control"),
        ("a\0b", "control|null"),
        ("", "empty"),
    ],
)
async def test_places_where_no_file_can_be(case: ToolCase, name: str, why: str):
    case.write("sub/file", "x\n")
    with pytest.raises(ToolError, match=why):
        await case.call("Write", file_path=name, content="x")
    assert (case.root / "sub/file").read_text() == "x\n"


async def test_what_cannot_be_encoded_is_refused_and_the_file_stays(case: ToolCase):
    path = case.write("a.py", b"# -*- coding: latin-1 -*-\nx = '\xe9'\n")
    await case.call("Read", file_path="a.py")
    with pytest.raises(ToolError, match="cannot hold"):
        await case.call("Write", file_path="a.py", content="# -*- coding: latin-1 -*-\nx = '→'\n")
    assert path.read_bytes() == b"# -*- coding: latin-1 -*-\nx = '\xe9'\n"


async def test_a_binary_file_is_not_overwritten(case: ToolCase):
    path = case.write("a.bin", b"\0\1\2")
    with pytest.raises(ToolError, match="binary"):
        await case.call("Write", file_path="a.bin", content="text")
    assert path.read_bytes() == b"\0\1\2"


async def test_a_read_only_file_stays_as_it_is(case: ToolCase):
    path = case.write("a.py", "x\n")
    path.chmod(0o444)
    await case.call("Read", file_path="a.py")
    with pytest.raises(ToolError, match="read-only"):
        await case.call("Write", file_path="a.py", content="y\n")
    assert path.read_text() == "x\n"


async def test_outside_the_root_the_gate_sees_the_real_place(case: ToolCase, tmp_path: Path):
    access = await case.access("Write", file_path="../outside.txt", content="x")
    assert access.paths == (tmp_path / "outside.txt",)
    assert not case.view.is_inside(access.paths[0])
