"""Read shows the text the user sees, and says what it does not show."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from hermitcrab.core.edits import text_hash
from hermitcrab.core.errors import ToolError
from hermitcrab.workspace.files import FILE_LIMIT
from tool_case import ToolCase


@pytest.fixture
def case(tmp_path: Path) -> ToolCase:
    (tmp_path / "root").mkdir()
    return ToolCase(tmp_path / "root", tmp_path / "spill")


async def test_lines_come_with_their_numbers(case: ToolCase):
    path = case.write("a.py", "x = 1\r\n\ty = 2\n")
    done = await case.call("Read", file_path="a.py")
    assert done.text == "1\tx = 1\n2\t\ty = 2"
    assert done.access.kind == "read"
    assert (done.access.title, done.access.paths) == ("Read a.py", (path,))
    assert case.memory.read_hashes == {path: text_hash("x = 1\r\n\ty = 2\n")}
    assert case.memory.promised == {}


async def test_a_part_says_what_remains(case: ToolCase):
    case.write("a.py", "".join(f"{n}\n" for n in range(1, 101)))
    done = await case.call("Read", file_path="a.py", offset=10, limit=2)
    assert done.text == "10\t10\n11\t11\n[lines 10-11 of 100; go on with offset=12]"
    assert (await case.call("Read", file_path="a.py", offset=99, limit=9)).text == "99\t99\n100\t100"
    assert (await case.call("Read", file_path="a.py", offset=0, limit=1)).text.startswith("1\t1\n")
    assert (await case.call("Read", file_path="a.py", offset=101)).text == "[`a.py` has only 100 lines]"


async def test_two_thousand_lines_unless_told_otherwise(case: ToolCase):
    case.write("a.py", "x\n" * 2500)
    text = (await case.call("Read", file_path="a.py")).text
    assert text.count("\n") == 2000
    assert text.endswith("[lines 1-2000 of 2500; go on with offset=2001]")


async def test_the_buffer_is_the_truth(case: ToolCase):
    case.write("a.py", "old\n")
    case.open("a.py", "new\n")
    done = await case.call("Read", file_path=str(case.root / "a.py"))
    assert done.text == "[the editor's unsaved text; the file on disk differs]\n1\tnew"
    assert done.result.notes == ("unsaved",)


async def test_an_open_file_that_is_saved_is_just_a_file(case: ToolCase):
    case.write("a.py", "same\n")
    case.open("a.py", "same\n")
    assert (await case.call("Read", file_path="a.py")).text == "1\tsame"


async def test_a_buffer_that_has_no_file_yet_can_be_read(case: ToolCase):
    case.open("new.py", "x = 1\n")
    assert "1\tx = 1" in (await case.call("Read", file_path="new.py")).text


async def test_an_empty_file_is_said_to_be_empty(case: ToolCase):
    case.write("a.py", "")
    assert (await case.call("Read", file_path="a.py")).text == "[`a.py` is empty]"


async def test_utf_16_is_text(case: ToolCase):
    case.write("a.txt", "grüße\r\n".encode("utf-16"))
    assert (await case.call("Read", file_path="a.txt")).text == "1\tgrüße"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.bin", b"\x7fELF\0\0", "binary"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0", "is a picture; this version reads text alone"),
        ("a.PDF", b"%PDF-1.7\n\0", "is a PDF; this version reads text alone"),
        ("a.txt", "grüße".encode("latin-1"), "not text in UTF-8"),
    ],
)
async def test_what_is_no_text_is_refused(case: ToolCase, name: str, content: bytes, why: str):
    case.write(name, content)
    with pytest.raises(ToolError, match=why):
        await case.call("Read", file_path=name)
    assert case.memory.read_hashes == {}


async def test_a_picture_that_is_missing_is_missing(case: ToolCase):
    with pytest.raises(ToolError, match="no such file"):
        await case.call("Read", file_path="a.png")


async def test_folders_pipes_and_devices_are_refused_and_never_waited_for(case: ToolCase):
    (case.root / "sub").mkdir()
    os.mkfifo(case.root / "pipe")
    async with asyncio.timeout(5):
        for name, why in (
            ("sub", "directory"),
            ("pipe", "not a regular file"),
            ("/dev/zero", "system"),
            ("/proc/self/environ", "system"),
        ):
            with pytest.raises(ToolError, match=why):
                await case.call("Read", file_path=name)


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\x1b[31mb", "\ud800", ""])
async def test_odd_names_are_refused(case: ToolCase, name: str):
    with pytest.raises(ToolError):
        await case.call("Read", file_path=name)


async def test_pages_are_refused_honestly(case: ToolCase):
    case.write("a.py", "x\n")
    with pytest.raises(ToolError, match="PDF"):
        await case.call("Read", file_path="a.py", pages="1-3")


async def test_a_file_that_vanishes_after_the_question_is_an_error_and_no_crash(case: ToolCase):
    path = case.write("a.py", "x\n")
    with pytest.raises(ToolError, match="no such file"):
        await case.call("Read", file_path="a.py", meanwhile=path.unlink)


async def test_a_link_turned_after_the_question_is_not_followed(case: ToolCase, tmp_path: Path):
    (tmp_path / "secret").write_text("secret")
    path = case.write("a.py", "x\n")

    def swap():
        path.unlink()
        path.symlink_to(tmp_path / "secret")

    with pytest.raises(ToolError, match="since permission was given"):
        await case.call("Read", file_path="a.py", meanwhile=swap)


async def test_the_gate_is_shown_where_a_link_leads(case: ToolCase, tmp_path: Path):
    (tmp_path / "outside.txt").write_text("x")
    (case.root / "link").symlink_to(tmp_path / "outside.txt")
    access = await case.access("Read", file_path="link")
    assert access.paths == (tmp_path / "outside.txt",)
    assert access.title == f"Read {tmp_path / 'outside.txt'}"


async def test_twenty_megabytes_are_read_in_pages_quickly(case: ToolCase):
    case.write("big.txt", "some line of text\n" * 1_150_000)
    began = time.process_time()
    text = (await case.call("Read", file_path="big.txt", offset=1_000_000, limit=1)).text
    assert text == "1000000\tsome line of text\n[lines 1000000-1000000 of 1150000; go on with offset=1000001]"
    assert time.process_time() - began < 5


async def test_a_file_beyond_the_limit_is_shown_in_parts_and_cannot_be_taken_for_known(case: ToolCase):
    line = "x" * 99 + "\n"
    path = case.write("huge.txt", line * (FILE_LIMIT // 100 + 10))
    done = await case.call("Read", file_path="huge.txt", offset=300_000, limit=2)
    first, *rows, last = done.text.split("\n")
    assert "too large to edit" in first
    assert rows == [f"300000\t{'x' * 99}", f"300001\t{'x' * 99}"]
    assert last == "[lines 300000-300001; go on with offset=300002]"
    assert path not in case.memory.read_hashes
    assert "nothing is at line 9000000" in (await case.call("Read", file_path="huge.txt", offset=9_000_000)).text


async def test_a_huge_binary_is_refused_all_the_same(case: ToolCase):
    with (case.root / "huge.bin").open("wb") as file:
        file.truncate(FILE_LIMIT + 1)
    with pytest.raises(ToolError, match="too large"):
        await case.call("Read", file_path="huge.bin")


async def test_a_line_of_five_megabytes_is_cut_with_a_mark(case: ToolCase):
    case.write("a.js", "y" * 5_000_000 + "\nend\n")
    text = (await case.call("Read", file_path="a.js")).text
    assert text == f"1\t{'y' * 2000} [… 4,998,000 more characters on this line]\n2\tend"


async def test_a_result_never_grows_beyond_its_limit(case: ToolCase):
    case.write("a.txt", ("z" * 1999 + "\n") * 500)
    text = (await case.call("Read", file_path="a.txt")).text
    assert len(text) < 101_000
    assert text.endswith("[lines 1-49 of 500; go on with offset=50]")


@pytest.mark.parametrize(
    "arguments", [{}, {"file_path": "a", "offset": -1}, {"file_path": "a", "limit": 0}, {"file_path": "a", "lines": 3}]
)
async def test_wrong_arguments_name_the_right_ones(case: ToolCase, arguments: dict[str, object]):
    with pytest.raises(ToolError, match=r"Keys: `file_path`, `offset`\?, `limit`\?, `pages`\?"):
        await case.call("Read", **arguments)
