"""Diagnostics reports what is wrong with the text as it is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermitcrab.core.errors import ToolError
from tool_case import ToolCase


@pytest.fixture
def case(tmp_path: Path) -> ToolCase:
    (tmp_path / "root").mkdir()
    return ToolCase(tmp_path / "root", tmp_path / "spill")


async def test_the_buffer_is_checked_and_not_the_file(case: ToolCase):
    path = case.write("a.py", "x = 1\n")
    case.open("a.py", "import os\n")
    done = await case.call("Diagnostics", file_path="a.py")
    assert done.text.startswith("a.py (version 1):")
    assert "F401" in done.text
    assert (done.access.kind, done.access.title, done.access.paths) == ("read", "Check a.py", (path,))


async def test_without_a_file_those_changed_or_unsaved_are_checked(case: ToolCase):
    case.write("a.py", "x = 1\n")
    case.write("b.py", "import sys\n")
    case.write("c.py", "x = 1\n")
    case.open("c.py", "import re\n")
    await case.call("Edit", file_path="a.py", old_string="x = 1", new_string="import os")
    done = await case.call("Diagnostics")
    assert done.access.title == "Check 2 files"
    assert [part.split(" ")[0] for part in done.text.split("\n\n")] == ["a.py", "c.py"]
    assert "`os`" in done.text
    assert "`re`" in done.text


async def test_without_anything_to_check_it_says_so(case: ToolCase):
    assert "name one in `file_path`" in (await case.call("Diagnostics")).text


async def test_a_changed_file_that_is_gone_does_not_spoil_the_others(case: ToolCase):
    for name in ("a.py", "b.py"):
        await case.call("Write", file_path=name, content="import os\n")
    (case.root / "a.py").unlink()
    text = (await case.call("Diagnostics")).text
    assert "a.py: cannot be checked" in text
    assert "F401" in text


async def test_many_files_are_bounded(case: ToolCase):
    for number in range(12):
        case.write(f"{number}.txt", "")
        case.open(f"{number}.txt", "changed\n")
    text = (await case.call("Diagnostics")).text
    assert text.endswith("[2 more files not checked; name them in `file_path`]")


@pytest.mark.parametrize(("name", "why"), [("gone.py", "no such file"), ("a\0.py", "control"), (".", "directory")])
async def test_what_cannot_be_checked_is_an_error(case: ToolCase, name: str, why: str):
    with pytest.raises(ToolError, match=why):
        await case.call("Diagnostics", file_path=name)
