"""Lines, columns and offsets as the Language Server Protocol counts them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.edits import text_hash
from hermitcrab.core.text import (
    LineText,
    PositionEncoding,
    TextChange,
    codepoints_to_column,
    column_to_codepoints,
    split_lines,
)

ODD = st.text(alphabet=st.sampled_from("ab\r\n\f\v\x85\u2028é漢😀\ud83d\ude00\u0301"), max_size=30)
ENCODINGS: tuple[PositionEncoding, ...] = ("utf-8", "utf-16", "utf-32")


def lines_by_the_book(text: str) -> list[str]:
    """Split by the specification's words alone, without the product's code."""
    parts = re.split(r"(\r\n|\n|\r)", text)
    return ["".join(parts[i : i + 2]) for i in range(0, len(parts), 2)]


def units(char: str, encoding: str) -> int:
    code = ord(char)
    if encoding == "utf-8":
        return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
    return 2 if encoding == "utf-16" and code > 0xFFFF else 1


def test_only_three_ends_end_a_line() -> None:
    assert split_lines("a\fb\vc\x85d\u2028e\nf\rg\r\nh") == ["a\fb\vc\x85d\u2028e\n", "f\r", "g\r\n", "h"]
    assert split_lines("") == [""]
    assert split_lines("a\n") == ["a\n", ""]


@pytest.mark.parametrize(
    ("encoding", "column", "codepoints"),
    [
        ("utf-16", 0, 0),
        ("utf-16", 1, 1),  # behind é
        ("utf-16", 2, 1),  # inside the surrogate pair: its start
        ("utf-16", 3, 2),
        ("utf-16", 4, 3),
        ("utf-16", 99, 3),
        ("utf-8", 2, 1),
        ("utf-8", 4, 1),
        ("utf-8", 6, 2),
        ("utf-32", 2, 2),
        ("utf-8", -1, 0),
    ],
)
def test_columns_count_what_the_client_counts(encoding: PositionEncoding, column: int, codepoints: int) -> None:
    assert column_to_codepoints("é😀x\r\n", column, encoding) == codepoints


def test_a_lone_surrogate_is_one_unit() -> None:
    assert codepoints_to_column("\ud83dx", 1, "utf-16") == 1
    assert column_to_codepoints("\ud83d\ude00x", 2, "utf-16") == 2  # two code points, not one pair
    assert codepoints_to_column("\ud83dx", 1, "utf-8") == 3


@given(ODD, st.integers(-2, 70), st.sampled_from(ENCODINGS))
def test_columns_agree_with_counting_by_hand(text: str, column: int, encoding: PositionEncoding) -> None:
    line = lines_by_the_book(text)[0]
    body = line.rstrip("\r\n")
    taken = total = 0
    for char in body:
        if total + units(char, encoding) > column:
            break
        total += units(char, encoding)
        taken += 1
    assert column_to_codepoints(line, column, encoding) == taken
    assert codepoints_to_column(line, taken, encoding) == total


@given(ODD, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), ODD), max_size=6))
def test_replacing_is_replacing_in_the_whole_text(text: str, changes: list[tuple[int, int, str]]) -> None:
    lines = LineText(text)
    for one, other, new in changes:
        start, end = sorted((min(one, len(text)), min(other, len(text))))
        if {"\r\n"} & {text[start - 1 : start + 1], text[end - 1 : end + 1]} and start * end:
            continue  # no position names the place between \r and \n
        lines.replace(lines.position(start), lines.position(end), new)
        text = text[:start] + new + text[end:]
        assert lines.text == text
        assert list(lines.lines) == lines_by_the_book(text)
        assert lines.hash == text_hash(text)


@given(ODD)
def test_offsets_and_positions_go_round(text: str) -> None:
    lines = LineText(text)
    for offset in range(len(text) + 1):
        line, column = lines.position(offset)
        if text[offset - 1 : offset + 1] == "\r\n" and offset:
            assert lines.offset((line, column)) == offset - 1
            continue
        assert lines.offset((line, column)) == offset
        for encoding in ENCODINGS:
            assert lines.from_client(lines.to_client((line, column), encoding), encoding) == (line, column)


@pytest.mark.parametrize("place", [(-1, 5), (0, -3), (0, 0)])
def test_places_before_the_text_are_its_start(place: tuple[int, int]) -> None:
    assert LineText("ab\ncd").offset(place) == 0


@pytest.mark.parametrize("place", [(1, 99), (7, 0), (2**31 - 1, 2**31 - 1)])
def test_places_behind_the_text_are_its_end(place: tuple[int, int]) -> None:
    assert LineText("ab\ncd").offset(place) == 5
    assert LineText("ab\ncd").from_client(place, "utf-16") == (1, 2)


def test_a_change_without_a_range_is_the_whole_text() -> None:
    lines = LineText("old")
    lines.change(TextChange("new\n"))
    assert (lines.text, lines.line_count) == ("new\n", 2)


def test_a_change_counts_in_its_own_encoding() -> None:
    lines = LineText("😀é|\n")
    lines.change(TextChange("X", (0, 3), (0, 4), "utf-16"))
    lines.change(TextChange("Y", (0, 6), (0, 7), "utf-8"))
    assert lines.text == "😀éY\n"


def test_an_insertion_may_join_or_part_a_line_end() -> None:
    lines = LineText("a\rb")
    lines.replace((1, 0), (1, 0), "\n")
    assert list(lines.lines) == ["a\r\n", "b"]
    lines = LineText("a\n")
    lines.replace((0, 1), (0, 1), "\r")
    assert list(lines.lines) == ["a\r\n", ""]


def test_a_keystroke_neither_joins_the_text_nor_splits_it_again() -> None:
    lines = LineText("x = 1\n" * 50_000)
    untouched = [id(line) for line in lines.lines[1:]]
    for column in range(20):
        lines.change(TextChange("y", (0, column), (0, column)))
    assert lines._text is None
    assert lines._offsets is None
    assert [id(line) for line in lines.lines[1:]] == untouched
