"""Grep and Glob see the files git sees, with the text the editor has."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from hermitcrab.core.errors import ToolError
from hermitcrab.tools import grep_worker
from tool_case import ToolCase, processes_with


@pytest.fixture
def case(tmp_path: Path) -> ToolCase:
    (tmp_path / "root").mkdir()
    return ToolCase(tmp_path / "root", tmp_path / "spill")


def git(case: ToolCase, *words: str) -> None:
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", "-c", "init.defaultBranch=main", *words], cwd=case.root, check=True, env={**os.environ, **names, "HOME": str(case.root)})  # fmt: skip


@pytest.fixture
def project(case: ToolCase) -> ToolCase:
    case.write(".gitignore", "*.log\nbuild/\n")
    case.write("a.py", "import os\nneedle = 1\nprint(needle)\n")
    case.write("src/b.py", "x = 'Needle'\r\n")
    case.write("src/c.ts", "const needle = 2\n")
    case.write("debug.log", "needle\n")
    case.write("build/out.py", "needle\n")
    return case


async def test_files_with_hits_are_named_in_order(project: ToolCase):
    done = await project.call("Grep", pattern="needle")
    assert done.text == "a.py\nsrc/c.ts"
    assert (done.access.kind, done.access.paths, done.access.title) == ("read", (project.root,), "Search needle")


async def test_in_a_repository_git_says_what_is_searched(project: ToolCase):
    git(project, "init", "-q")
    git(project, "add", "a.py")
    assert (await project.call("Grep", pattern="needle")).text == "a.py\nsrc/c.ts"


async def test_lines_are_shown_with_numbers(project: ToolCase):
    assert (await project.call("Grep", pattern="needle", output_mode="content")).text == (
        "a.py:2:needle = 1\na.py:3:print(needle)\nsrc/c.ts:1:const needle = 2"
    )


async def test_lines_around_and_upper_case(project: ToolCase):
    done = await project.call("Grep", pattern="NEEDLE", output_mode="content", _i=True, _B=1, path="src")
    assert done.text == "--\nsrc/b.py:1:x = 'Needle'\n--\nsrc/c.ts:1:const needle = 2"
    done = await project.call("Grep", pattern="needle = 1", output_mode="content", _C=1)
    assert done.text == "--\na.py-1-import os\na.py:2:needle = 1\na.py-3-print(needle)"
    done = await project.call("Grep", pattern="needle = 1", output_mode="content", _C=1, _A=0)
    assert done.text == "--\na.py-1-import os\na.py:2:needle = 1"


async def test_hits_are_counted(project: ToolCase):
    assert (await project.call("Grep", pattern="needle", output_mode="count")).text == "a.py:2\nsrc/c.ts:1"


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        ({"glob": "*.py"}, "a.py"),
        ({"glob": "src/**"}, "src/c.ts"),
        ({"glob": "*.{ts,tsx}"}, "src/c.ts"),
        ({"type": "py"}, "a.py"),
        ({"type": "typescript"}, "src/c.ts"),
        ({"path": "src"}, "src/c.ts"),
        ({"path": "src", "glob": "src/*.ts"}, "src/c.ts"),
        ({"path": "a.py"}, "a.py"),
        ({"path": "debug.log"}, "debug.log"),
        ({"path": "build"}, "build/out.py"),
        ({"path": "src", "type": "py"}, "[nothing found]"),
    ],
)
async def test_a_search_can_be_narrowed(project: ToolCase, narrow: dict[str, str], found: str):
    git(project, "init", "-q")
    assert (await project.call("Grep", pattern="needle", **narrow)).text == found


async def test_a_buffer_is_searched_instead_of_the_file(project: ToolCase):
    project.open("a.py", "import os\nhaystack = 1\n")
    project.open("new.py", "haystack = 2\n")
    assert (await project.call("Grep", pattern="needle")).text == "src/c.ts"
    assert (await project.call("Grep", pattern="haystack")).text == "a.py\nnew.py"
    assert (await project.call("Grep", pattern="haystack", path="new.py")).text == "new.py"


async def test_an_ignored_buffer_stays_ignored(project: ToolCase):
    project.open("debug.log", "haystack\n")
    assert (await project.call("Grep", pattern="haystack")).text == "[nothing found]"


async def test_a_limit_says_that_there_is_more(project: ToolCase):
    done = await project.call("Grep", pattern="needle", output_mode="content", head_limit=1)
    assert done.text == "a.py:2:needle = 1\n[there is more: narrow the search, or raise `head_limit`]"
    assert (await project.call("Grep", pattern="needle", head_limit=2)).text == "a.py\nsrc/c.ts"


async def test_multiline(project: ToolCase):
    assert (await project.call("Grep", pattern="os.needle")).text == "[nothing found]"
    done = await project.call("Grep", pattern="os.needle", multiline=True, output_mode="content")
    assert done.text == "a.py:1:import os\na.py:2:needle = 1"


async def test_what_was_passed_over_is_counted(project: ToolCase):
    project.write("a.bin", b"needle\0")
    project.write("b.big", b"needle " * 1_500_000)
    done = await project.call("Grep", pattern="needle")
    assert done.text == "a.py\nsrc/c.ts\n[files passed over: 1 binary, 1 large]"


async def test_links_lead_nobody_outside(project: ToolCase, tmp_path: Path):
    (tmp_path / "secret.txt").write_text("needle\n")
    (project.root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (project.root / "folder").symlink_to(tmp_path)
    git(project, "init", "-q")
    git(project, "add", "link.txt", "folder")
    assert (await project.call("Grep", pattern="needle")).text == "a.py\nsrc/c.ts"
    access = await project.access("Grep", pattern="needle", path="folder")
    assert access.paths == (tmp_path,)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": ""}, "use Glob"),
        ({"pattern": "x", "path": "gone"}, "neither a folder nor a file"),
        ({"pattern": "x", "path": "a\0b"}, "control"),
        ({"pattern": "x", "type": "cobol"}, "use `glob`, or one of: c, cpp"),
        ({"pattern": "x", "glob": "../*"}, "climbs out"),
        ({"pattern": "x", "output_mode": "lines"}, "output_mode"),
        ({"pattern": "x", "_A": -1}, "`-A`"),
    ],
)
async def test_wrong_requests_are_explained(project: ToolCase, arguments: dict[str, object], why: str):
    with pytest.raises(ToolError, match=why):
        await project.call("Grep", **arguments)


async def test_a_catastrophic_pattern_does_not_hold_up_the_engine(case: ToolCase):
    case.write("a.txt", "a" * 60 + "b\n")
    case.write("b.txt", "aaa\n")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    began = time.monotonic()
    done = await case.call("Grep", pattern="^(a+)+$")
    seconds = time.monotonic() - began
    ticking.cancel()
    assert done.text == "b.txt\n[the pattern takes too long on a.txt (nested repetition?): not searched]"
    assert ticks > seconds * 20


async def test_cancelling_leaves_no_process(case: ToolCase):
    for number in range(3):
        case.write(f"{number}.txt", "a" * 60 + "b\n")
    searching = asyncio.create_task(case.call("Grep", pattern="^(a+)+$"))
    while not await processes_with(grep_worker.__file__):
        await asyncio.sleep(0.01)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    async with asyncio.timeout(5):
        while await processes_with(grep_worker.__file__):
            await asyncio.sleep(0.05)


async def test_files_with_odd_names_are_found_and_shown_safely(case: ToolCase):
    case.write("tab\there\x1b[2J.txt", "needle\n")
    (case.root / os.fsdecode(b"latin-\xe9.txt")).write_text("needle\n")
    assert (await case.call("Grep", pattern="needle")).text.split("\n") == [
        "latin-\\udce9.txt",
        "tab\there\\x1b[2J.txt",
    ]
    git(case, "init", "-q")
    assert (await case.call("Grep", pattern="needle")).text.split("\n") == [
        "latin-\\udce9.txt",
        "tab\there\\x1b[2J.txt",
    ]


async def test_names_are_found_newest_first(project: ToolCase):
    os.utime(project.root / "a.py", (1, 1))
    os.utime(project.root / "src/b.py", (2, 2))
    done = await project.call("Glob", pattern="**/*.py")
    assert done.text == "src/b.py\na.py"
    assert (done.access.kind, done.access.paths) == ("read", (project.root,))


async def test_a_file_that_is_only_in_a_buffer_is_found(project: ToolCase):
    project.open("src/new.py", "x\n")
    assert (await project.call("Glob", pattern="src/*.py")).text == "src/new.py\nsrc/b.py"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"pattern": "*.ts"}, "src/c.ts"),
        ({"pattern": "*.ts", "path": "src"}, "src/c.ts"),
        ({"pattern": "*.log"}, "[no files fit; ignored ones are left out unless `path` is inside an ignored folder]"),
        ({"pattern": "*", "path": "build"}, "build/out.py"),
    ],
)
async def test_names_below_a_folder(project: ToolCase, arguments: dict[str, str], found: str):
    git(project, "init", "-q")
    assert (await project.call("Glob", **arguments)).text == found


async def test_an_absolute_pattern_brings_its_folder_along(project: ToolCase):
    done = await project.call("Glob", pattern=f"{project.root}/src/*.ts")
    assert (done.text, done.access.paths) == ("src/c.ts", (project.root / "src",))
    assert (await project.call("Glob", pattern=f"{project.root}/a.py")).text == "a.py"
    outside = await project.access("Glob", pattern="/etc/*.conf")
    assert outside.paths == (Path("/etc"),)


async def test_many_names_are_cut_with_a_count(case: ToolCase):
    for number in range(250):
        case.write(f"{number}.txt", "")
    text = (await case.call("Glob", pattern="*.txt")).text
    assert text.endswith("[200 of 250 files, the newest; narrow the pattern for the others]")


@pytest.mark.parametrize(
    ("arguments", "why"), [({"pattern": ""}, "names no file"), ({"pattern": "*", "path": "gone"}, "neither")]
)
async def test_a_pattern_for_nothing_is_refused(case: ToolCase, arguments: dict[str, str], why: str):
    with pytest.raises(ToolError, match=why):
        await case.call("Glob", **arguments)
