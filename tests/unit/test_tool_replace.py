"""Edits find their text whatever the line ends, and leave those they do not name alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermitcrab.tools.replace import Span, find_all, fitted, main_line_end, replace

TEXT = st.text(alphabet=st.sampled_from("ab\n\r é😀"), max_size=40)
PLAIN = st.text(alphabet=st.sampled_from("ab\né😀"), max_size=8)
NEEDLE = st.text(alphabet=st.sampled_from("ab\n"), min_size=1, max_size=4)


def lf(text: str) -> str:
    return text.replace("\r\n", "\n")


def without_returns(text: str) -> str:
    """Put a line feed for every line feed with carriage returns before it: a lone one may have met a new line."""
    return re.sub(r"\r*\n", "\n", text)


def test_a_line_feed_finds_a_windows_line_end_and_keeps_it():
    text = "one\r\ntwo\r\nthree\r\n"
    spans = find_all(text, "one\ntwo", overlapping=True)
    assert spans == [Span(0, 8)]
    assert replace(text, spans, "uno\ndue\ntre") == "uno\r\ndue\r\ntre\r\nthree\r\n"


def test_a_windows_line_end_in_the_request_finds_a_line_feed():
    text = "one\ntwo\n"
    assert replace(text, find_all(text, "one\r\ntwo", overlapping=True), "1\r\n2") == "1\n2\n"


def test_new_lines_in_a_windows_file_get_its_ends_even_when_the_old_text_had_none():
    text = "a = 1\r\nb = 2\r\n"
    assert replace(text, find_all(text, "b = 2", overlapping=True), "b = 2\nc = 3") == "a = 1\r\nb = 2\r\nc = 3\r\n"


def test_mixed_line_ends_stay_mixed_on_lines_that_do_not_change():
    assert fitted("a\r\nb\nc\r\nd\n", "a\nX\nc\nd\n", "\n") == "a\r\nX\nc\r\nd\n"


def test_overlapping_places_are_all_counted_when_one_is_wanted():
    assert len(find_all("aaa", "aa", overlapping=True)) == 2
    assert len(find_all("aaaa", "aa", overlapping=False)) == 2


@pytest.mark.parametrize(
    ("text", "end"), [("", "?"), ("a\r\nb\r\nc\n", "\r\n"), ("a\nb\n", "\n"), ("a\r\nb\n", "?"), ("a\rb", "?")]
)
def test_the_line_end_of_a_text_is_the_one_most_lines_have(text: str, end: str):
    assert main_line_end(text, "?") == end


@settings(deadline=None)
@given(TEXT, NEEDLE, PLAIN)
def test_line_ends_apart_it_is_a_plain_replacement(text: str, old: str, new: str):
    spans = find_all(text, old, overlapping=False)
    assert without_returns(replace(text, spans, new)) == without_returns(lf(text).replace(old, new))


@settings(deadline=None)
@given(TEXT, NEEDLE, PLAIN)
def test_nothing_outside_the_places_changes(text: str, old: str, new: str):
    spans = find_all(text, old, overlapping=False)
    changed = replace(text, spans, new)
    if spans:
        assert changed.startswith(text[: spans[0].start])
        assert changed.endswith(text[spans[-1].end :])
    else:
        assert changed == text


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab", max_size=3), min_size=2, max_size=8), NEEDLE, PLAIN)
def test_a_windows_file_stays_a_windows_file(lines: list[str], old: str, new: str):
    text = "\r\n".join(lines)
    changed = replace(text, find_all(text, old, overlapping=False), new)
    assert "\n" not in changed.replace("\r\n", "")


@settings(deadline=None)
@given(TEXT, NEEDLE)
def test_putting_back_what_was_there_changes_nothing(text: str, old: str):
    assert replace(text, find_all(text, old, overlapping=False), old) == text
