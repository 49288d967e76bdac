"""The search itself, as it runs in its own process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermitcrab.tools import grep_worker
from hermitcrab.tools.grep_worker import Matcher, Search


def search_for(pattern: str, **more: Any) -> Search:
    return Search(pattern, "/", [], {}, **more)


def hit_lines(pattern: str, text: str, **more: Any) -> list[int]:
    search = search_for(pattern, **more)
    rows = grep_worker.find_rows(text, Matcher(search).spans(text), search)
    return [number for number, is_hit, _ in rows if is_hit]


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [("foo", [1, 3]), ("^foo$", [3]), (r"foo\Z", [3]), (r"o\s", [1]), (r"b[^x]r", [1, 4]), ("(?!f)oo", [1, 3]), ("zzz", []), ("$", [1, 2, 3, 4])],
)  # fmt: skip
def test_a_pattern_is_matched_against_each_line(pattern: str, lines: list[int]):
    assert hit_lines(pattern, "foo bar\n\nfoo\nbar\n") == lines


def test_across_lines_only_when_asked():
    assert hit_lines(r"a.b", "a\nb\n") == []
    assert hit_lines(r"a.b", "a\nb\n", multiline=True) == [1, 2]


def test_lines_around_are_shown_once():
    search = search_for("x", before=1, after=1)
    text = "1\nx\n3\nx\n5\n6\n"
    rows = grep_worker.find_rows(text, Matcher(search).spans(text), search)
    assert rows == [(1, False, "1"), (2, True, "x"), (3, False, "3"), (4, True, "x"), (5, False, "5")]


def test_a_long_line_is_shown_around_its_hit():
    search = search_for("needle")
    text = "a" * 5000 + "needle" + "b" * 5000
    ((_, _, shown),) = grep_worker.find_rows(text, Matcher(search).spans(text), search)
    assert "needle" in shown
    assert len(shown) <= grep_worker.LINE_WIDTH + 2


PIECES = [
    "a",
    "b",
    r"\s",
    "^",
    "$",
    ".",
    "[^a]",
    r"\b",
    "a*",
    "(?:a|b)",
    "b+?",
    r"\w*",
    "(?!a)",
    r"\Z",
    "[^b]*+",
    r"\s*",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join), st.text(alphabet="ab \n", max_size=30))
def test_the_quick_way_finds_what_the_plain_way_finds(pattern: str, text: str):
    try:
        regex = re.compile(pattern)
    except re.error:
        return
    lines = text.split("\n")
    lines = lines if lines[-1] else lines[:-1]
    assert hit_lines(pattern, text) == [number for number, line in enumerate(lines, 1) if regex.search(line)]


def work(root: Path, pattern: str, **more: Any) -> list[dict[str, Any]]:
    """Run the worker as the tool does."""
    files = more.pop("files", sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()))
    request = {"pattern": pattern, "root": str(root), "files": files, "buffers": {}, **more}
    argv = [sys.executable, "-I", "-S", str(Path(grep_worker.__file__))]
    done = subprocess.run(
        argv, input=json.dumps(request), capture_output=True, text=True, check=True, env={}, timeout=60
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_no_text_is_counted_and_passed_over(tmp_path: Path):
    (tmp_path / "a.txt").write_text("needle\n")
    (tmp_path / "b.bin").write_bytes(b"needle\0needle")
    (tmp_path / "c.big").write_bytes(b"needle " * 2_000_000)
    (tmp_path / "d.utf16").write_bytes("needle\r\n".encode("utf-16"))
    (tmp_path / "e.link").symlink_to("/etc/passwd")
    (tmp_path / "f.latin").write_bytes("n\xe9edle needle\n".encode("latin-1"))
    os.mkfifo(tmp_path / "g.pipe")
    *found, end = work(tmp_path, "needle", files=[*sorted(path.name for path in tmp_path.iterdir()), "gone.txt"])
    assert [record["path"] for record in found] == ["a.txt", "d.utf16", "f.latin"]
    assert {key: end["end"][key] for key in ("binary", "large", "unreadable")} == {
        "binary": 1,
        "large": 1,
        "unreadable": 1,
    }


def test_a_buffer_holds_instead_of_the_file(tmp_path: Path):
    (tmp_path / "a.txt").write_text("old\n")
    assert [r.get("path") for r in work(tmp_path, "new", buffers={"a.txt": "new\r\n"})] == ["a.txt", None]
    assert [r.get("path") for r in work(tmp_path, "old", buffers={"a.txt": "new\r\n"})] == [None]


def test_a_catastrophic_pattern_costs_its_file_and_no_other(tmp_path: Path):
    (tmp_path / "a.txt").write_text("a" * 60 + "b\n")
    (tmp_path / "b.txt").write_text("aaa\n")
    began = time.monotonic()
    found, end = work(tmp_path, "^(a+)+$", seconds_per_file=0.3)
    assert found["path"] == "b.txt"
    assert end["end"]["slow"] == ["a.txt"]
    assert time.monotonic() - began < 20


def test_after_three_slow_files_it_gives_up(tmp_path: Path):
    for name in "abcdef":
        (tmp_path / name).write_text("a" * 60 + "b\n")
    (end,) = work(tmp_path, "^(a+)+$", seconds_per_file=0.1)
    assert (end["end"]["slow"], end["end"]["stopped"]) == (["a", "b", "c"], "slow")


def test_a_pattern_that_squares_on_texts_is_quick_on_lines(tmp_path: Path):
    (tmp_path / "a.txt").write_text("some words without it\n" * 20_000)
    (end,) = work(tmp_path, '[^"]*=')
    assert end["end"]["slow"] == []


@pytest.mark.parametrize(
    ("pattern", "why"), [("(", "missing"), ("*a", "nothing to repeat"), ("[[:alpha:]", ""), ("(?<x>a)", "unknown")]
)
def test_a_broken_pattern_is_explained(tmp_path: Path, pattern: str, why: str):
    (end,) = work(tmp_path, pattern)
    assert why in end["end"]["error"]


def test_a_pattern_that_would_eat_the_memory_is_stopped(tmp_path: Path):
    (tmp_path / "a").write_text("x")
    *_, end = work(tmp_path, "(?:(?:(?:a{1,1000}){1,1000}){1,1000}){1,1000}b")
    assert end["end"]["error"] or end["end"]["slow"] or end["end"]["searched"] == 1


def test_it_ends_when_there_is_enough(tmp_path: Path):
    for name in "abc":
        (tmp_path / name).write_text("x\n" * 10)
    *found, end = work(tmp_path, "x", most=15)
    assert [len(record["rows"]) for record in found] == [10, 5]
    assert end["end"]["stopped"] == "full"


@pytest.mark.parametrize("pattern", ["needle", "a.c", "ne+dle", "é", "a\\.c", "x|y", "a c"])
def test_a_plain_pattern_is_looked_for_in_bytes_and_others_are_not(pattern: str, tmp_path: Path):
    for number, text in enumerate(["needle", "abc", "é", "a.c", "y", "a c", ""]):
        (tmp_path / f"{number}.8").write_text(text)
        (tmp_path / f"{number}.16").write_text(text, "utf-16")
    found = [record["path"] for record in work(tmp_path, pattern) if "path" in record]
    texts = {path.name: path.read_text("utf-16" if path.suffix == ".16" else "utf-8") for path in tmp_path.iterdir()}
    assert found == sorted(name for name, text in texts.items() if re.search(pattern, text))
