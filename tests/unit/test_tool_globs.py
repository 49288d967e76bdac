"""File name patterns mean what people expect, and none of them can hold anybody up."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermitcrab.core.errors import ToolError
from hermitcrab.tools.globs import compile_glob
from hermitcrab.tools.ignore import IgnoreRule, is_ignored, read_rules
from hermitcrab.tools.walk import walk


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("*.py", ["a.py", "src/deep/a.py"], ["a.pyc", "py"]),
        ("**/*.py", ["a.py", "src/deep/a.py"], ["a.pyi"]),
        ("./*.py", ["a.py"], ["src/a.py"]),
        ("src/*.py", ["src/a.py"], ["src/deep/a.py", "lib/src/a.py"]),
        ("src/**", ["src/a", "src/b/c"], ["src", "lib/src/a"]),
        ("src/**/test_*.py", ["src/test_a.py", "src/x/y/test_b.py"], ["src/x/a_test.py"]),
        ("src/", ["src/a", "src/b/c"], ["src"]),
        ("*.{ts,tsx}", ["a.ts", "b/c.tsx"], ["a.js", "a.{ts,tsx}"]),
        ("{src,test}/**/*.{c,h}", ["src/a.c", "test/x/b.h"], ["lib/a.c"]),
        ("[ab]?.txt", ["a1.txt", "bx.txt"], ["c1.txt", "a.txt"]),
        ("[^a].txt", ["b.txt"], ["a.txt"]),
        ("**/x/**/y", ["x/y", "a/x/b/c/y", "x/x/y"], ["x", "y", "x/b"]),
        (".github/**/*.yml", [".github/workflows/ci.yml"], ["github/a.yml"]),
        ("A.TXT", ["A.TXT"], ["a.txt"]),
    ],
)
def test_a_pattern_fits_what_it_says(pattern: str, fits: list[str], fits_not: list[str]):
    glob = compile_glob(pattern)
    assert [path for path in [*fits, *fits_not] if glob.matches(path)] == fits


@pytest.mark.parametrize("pattern", ["", "/", "../*.py", "src/../../x"])
def test_a_pattern_without_meaning_is_refused(pattern: str):
    with pytest.raises(ToolError):
        compile_glob(pattern)


def test_a_flood_of_alternatives_is_refused_at_once():
    with pytest.raises(ToolError, match="alternatives"):
        compile_glob("{a,b}" * 40)


@pytest.mark.parametrize("pattern", ["*a" * 40 + "b", "**/" * 30 + "b", "**/*a" * 20 + "/b", "[a" * 30])
def test_no_pattern_takes_long(pattern: str):
    glob = compile_glob(pattern)
    began = time.process_time()
    assert not glob.matches("a" * 250)
    assert not glob.matches("/".join(["a" * 100] * 40))
    assert time.process_time() - began < 1


NAMES = st.sampled_from(["a", "b", "a.py", "b.txt", "build", "x"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
LINES = st.sampled_from(
    [
        "*.py",
        "/a",
        "build/",
        "a/b",
        "!a.py",
        "**/x",
        "a/**",
        "b*",
        "# a",
        "",
        "a/*/b",
        "!/b/a.py",
        "x ",
        "/build/a*",
        "[ab]",
        "a/",
        "!a/b",
        "/b/",
        "*/a",
        "x/**/b",
        "[!ab]",
        "[^ab]",
        "\\!a",
        "**",
        "!*.py",
        "a?py",
        "!x/",
    ]
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, max_size=4), st.lists(PATHS, min_size=1, max_size=12, unique=True))
def test_ignore_files_mean_what_git_means(repository: Path, lines: list[str], paths: list[str]):
    (repository / ".gitignore").write_text("".join(f"{line}\n" for line in lines))
    asked = "".join(f"{path}\0" for path in paths)
    words = ["git", "check-ignore", "--no-index", "-z", "--stdin"]
    done = subprocess.run(words, cwd=repository, input=asked, capture_output=True, text=True, check=False)
    rules = [("", read_rules("\n".join(lines)))]
    assert [path for path in paths if is_left_out(rules, path)] == done.stdout.split("\0")[:-1]


def is_left_out(rules: list[tuple[str, tuple[IgnoreRule, ...]]], path: str) -> bool:
    """Say what a walk would do: it does not go into a folder that is ignored."""
    parts = path.split("/")
    folders = ["/".join(parts[:end]) for end in range(1, len(parts))]
    return any(is_ignored(rules, folder, is_folder=True) for folder in folders) or is_ignored(
        rules, path, is_folder=False
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def test_a_walk_follows_ignore_files_on_its_way_but_no_links(tmp_path: Path):
    for name in ("a.py", "b.log", "keep.log", "sub/c.py", "sub/d.log", "out/e.py", "node_modules/f.js", ".git/g"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".gitignore").write_text("*.log\n!keep.log\n/out/\n")
    (tmp_path / "sub/.gitignore").write_text("!d.log\n")
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "file_link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    walked = walk(tmp_path, threading.Event())
    assert walked.files == (".gitignore", "a.py", "keep.log", "sub/.gitignore", "sub/c.py", "sub/d.log")
    assert walked.is_whole


def test_a_hostile_ignore_file_holds_nobody_up(tmp_path: Path):
    (tmp_path / ("a" * 200)).write_text("")
    (tmp_path / ".gitignore").write_text(("*a" * 60 + "b\n") * 100)
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "sub/.gitignore")
    began = time.process_time()
    assert walk(tmp_path, threading.Event()).files == (".gitignore", "a" * 200)
    assert time.process_time() - began < 2


def test_a_walk_stops_when_nobody_wants_it(tmp_path: Path):
    (tmp_path / "a").write_text("")
    stop = threading.Event()
    stop.set()
    assert not walk(tmp_path, stop).is_whole
    assert not walk(tmp_path, threading.Event(), seconds=-1).is_whole
