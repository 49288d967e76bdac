"""What is shown to models and people: numbered lines, diffs, hidden characters, the middle left out."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermitcrab.core.text import split_lines
from hermitcrab.tools.diff import changed_lines, counts, line_changes, unified
from hermitcrab.tools.escape import one_line, visible
from hermitcrab.tools.excerpt import around, clip, cut_line, line_number, numbered, shown_lines, window
from hermitcrab.tools.nearest import Near, nearest

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "  a"]), max_size=12)


@pytest.mark.parametrize(
    ("text", "lines"),
    [("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\r\nb\rc\nd", ["a", "b", "c", "d"]), ("\n", [""]), ("a\x0bb\x85c", ["a\x0bb\x85c"])],
)  # fmt: skip
def test_lines_end_where_the_protocol_says(text: str, lines: list[str]):
    assert shown_lines(text) == lines


@settings(deadline=None)
@given(st.text(alphabet="a\r\n", max_size=20), st.integers(0, 20))
def test_a_line_number_counts_the_line_ends_before(text: str, offset: int):
    offset = min(offset, len(text))
    if text[:offset].endswith("\r") and text[offset : offset + 1] == "\n":
        offset += 1
    assert line_number(text, offset) == len(split_lines(text[:offset]))


def test_numbered_lines_are_number_tab_text_and_long_ones_say_how_much_is_missing():
    assert numbered(["x", "y"], 9) == ["9\tx", "10\ty"]
    assert cut_line("a" * 2005) == "a" * 2000 + " [… 5 more characters on this line]"


def test_changed_places_are_shown_with_lines_around_them():
    lines = [str(n) for n in range(1, 31)]
    shown = around(lines, [(5, 5), (20, 21)], context=1)
    assert shown.split("\n") == ["4\t4", "5\t5", "6\t6", "…", "19\t19", "20\t20", "21\t21", "22\t22"]


def test_too_many_changed_lines_are_counted():
    shown = around(["x"] * 100, [(1, 100)], most=10)
    assert shown.endswith("[… 90 more changed lines not shown]")


def test_head_and_tail_remain_of_what_is_too_long():
    text, is_cut = clip("".join(f"line {n}\n" for n in range(1000)), 300, "; whole: file")
    assert is_cut
    assert text.startswith("line 0\n")
    assert text.endswith("line 999\n")
    assert "characters left out; whole: file …]" in text
    assert len(text) < 400
    assert clip("short", 300, "") == ("short", False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[2Jb", "a\\x1b[2Jb"), ("x\u202ey", "x\\u202ey"), ("tab\tand\nline", "tab\tand\nline"), ("a\0b\rc", "a\\x00b\\x0dc"),
     ("\ud800", "\\ud800"), ("\U000e0041", "\\U000e0041"), ("é😀", "é😀")],
)  # fmt: skip
def test_hidden_characters_are_written_out(text: str, shown: str):
    assert visible(text) == shown


@settings(deadline=None)
@given(st.text())
def test_what_is_visible_stays_so(text: str):
    assert visible(visible(text)) == visible(text)
    assert "\x1b" not in visible(text)
    assert len(one_line(text, 20)) <= 20
    assert "\n" not in one_line(text)


def test_a_diff_shows_every_byte_that_matters():
    diff = unified("a.py", "one\ntwo\nthree", "one\n2\x1b[31m\r\nthree\n")
    assert diff.split("\n") == [
        "--- a.py",
        "+++ a.py",
        "@@ -1,3 +1,3 @@",
        " one",
        "-two",
        "-three",
        "\\ No newline at end of file",
        "+2\\x1b[31m\\x0d",
        "+three",
    ]


def test_a_diff_of_a_new_file_comes_from_nothing():
    assert unified("n.py", None, "x\n") == "--- /dev/null\n+++ n.py\n@@ -0,0 +1,1 @@\n+x"


@settings(deadline=None)
@given(LINES, LINES)
def test_a_diff_taken_as_a_patch_gives_the_new_text(old: list[str], new: list[str]):
    before, after = "".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)
    rows = unified("f", before, after).split("\n")[2:]
    assert _apply(old, rows) == new


def _apply(old: list[str], rows: list[str]) -> list[str]:
    """Apply a unified diff as `patch` would."""
    result: list[str] = []
    at = 0
    for row in rows:
        if row.startswith("@@"):
            start, count = (int(part) for part in row.split()[1][1:].split(","))
            begin = start - 1 if count else start
            result += old[at:begin]
            at = begin
        elif row[0] == "+":
            result.append(row[1:])
        else:
            assert old[at] == row[1:]
            result += [old[at]] if row[0] == " " else []
            at += 1
    return result + old[at:]


@settings(deadline=None)
@given(st.text(alphabet="a\r\n", max_size=30), st.integers(1, 10), st.integers(1, 10))
def test_a_window_is_a_slice_of_all_lines(text: str, first: int, limit: int):
    lines, total = window(text, first, limit)
    assert lines == shown_lines(text)[first - 1 : first - 1 + limit]
    assert total == len(shown_lines(text)) == len([line for line in split_lines(text) if line])


def test_a_window_into_a_huge_text_costs_little():
    text = "some line of text\n" * 1_000_000 + "last\r"
    began = time.process_time()
    assert window(text, 1_000_000, 5) == (["some line of text", "last"], 1_000_001)
    assert time.process_time() - began < 1


@settings(deadline=None)
@given(LINES, LINES, st.integers(0, 3))
def test_changed_lines_name_every_line_that_is_not_as_before(old: list[str], new: list[str], context: int):
    before, after = "".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)
    changed = {n for first, last in changed_lines(before, after) for n in range(first, last + 1)}
    kept = [line for n, line in enumerate(new, 1) if n not in changed]
    rest = iter(old)
    assert all(line in rest for line in kept)  # what is not named stands in the old text, in order


def test_a_change_in_a_huge_text_is_shown_at_once():
    lines = [f"line {n}\n" for n in range(1_000_000)]
    old = "".join(lines)
    lines[500_000] = "another\n"
    new = "".join(lines)
    began = time.process_time()
    assert unified("f", old, new, context=1).split("\n")[2:] == [
        "@@ -500000,3 +500000,3 @@", " line 499999", "-line 500000", "+another", " line 500001"
    ]  # fmt: skip
    assert time.process_time() - began < 1


@settings(deadline=None)
@given(LINES, LINES)
def test_changes_turn_the_old_lines_into_the_new(old: list[str], new: list[str]):
    result: list[str] = []
    at = 0
    for i, j, k, m in line_changes(old, new):
        result += old[at:i] + new[k:m]
        at = j
    assert result + old[at:] == new
    added, removed = counts("".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new))
    assert len(old) + added - removed == len(new)


def test_a_huge_rewrite_is_compared_in_no_time():
    old, new = "".join(f"a{n}\n" for n in range(50_000)), "".join(f"b{n}\n" for n in range(50_000))
    began = time.process_time()
    assert changed_lines(old, new) == [(1, 50_000)]
    assert time.process_time() - began < 2


def test_the_nearest_text_may_differ_in_white_space_alone():
    lines = ["def f():", "\treturn  1", "", "x = 2"]
    assert nearest(lines, ["def f():", "    return 1"]) == Near(1, 2, same_words=True)


def test_the_nearest_text_is_where_most_lines_agree():
    lines = [*["pass"] * 5, "def g(a, b):", "    c = a + b", "    return c", *["pass"] * 5]
    assert nearest(lines, ["def g(a, b, k):", "    c = a + b", "    return c"]) == Near(6, 8, same_words=False)


def test_one_misspelt_line_is_found_by_likeness():
    assert nearest(["import os", "print(mesage)", "x = 1"], ["print(message)"]) == Near(2, 2, same_words=False)


def test_nothing_alike_is_nothing():
    assert nearest(["import os"], ["completely different"]) is None
    assert nearest([], ["x"]) is None
    assert nearest(["x"], ["", " "]) is None


def test_looking_for_the_nearest_text_ends_in_time():
    lines = [f"value_{n} = compute_{n}(alpha, beta, gamma)" for n in range(200_000)]
    began = time.monotonic()
    nearest(lines, ["value = compute(alpha, beta, gamma, delta, epsilon)"], seconds=0.2)
    assert time.monotonic() - began < 2
