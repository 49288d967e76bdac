from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermitcrab.tools.mend import mend

WORDS = st.text("ab ", min_size=0, max_size=4)
ENDS = st.sampled_from(["", " ", "\t", "  "])
LINE = st.tuples(WORDS, ENDS).map(lambda pair: pair[0] + pair[1])


def test_line_numbers_are_left_out() -> None:
    text = "def f():\n    return coutn\n"
    mended = mend(text, "1\tdef f():\n2\t    return coutn", "1\tdef f():\n2\t    return count")
    assert mended is not None
    assert mended.text == "def f():\n    return count\n"


def test_new_lines_may_have_no_numbers() -> None:
    mended = mend("a\r\nb\r\n", "2\tb\n", "c\nd\n")
    assert mended is not None
    assert mended.text == "a\r\nc\r\nd\r\n"


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("a\na\n", "1\ta", "1\tb"),  # it stands twice
        ("a\nb\n", "1\ta\n3\tb", "1\tc"),  # the numbers do not count up
        ("a\nb\n", "1\ta\nb", "1\tc"),  # one line has none
        ("xa\n", "1\ta", "1\tb"),  # not at the start of a line
        ("a\n", "1\ta", "1\tb\nc"),  # the new text mixes both
        ("  a\n", "    a", "    b"),  # indentation may carry meaning
        ("a \n\na \n", "a", "b"),  # stands twice without its end
        ("ab \n", "b  ", "c"),  # part of a line
        ("a\n", " \n", "b\n"),  # white space alone
    ],
)
def test_where_there_is_doubt_nothing_is_mended(text: str, old: str, new: str) -> None:
    assert mend(text, old, new) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=6), st.data())
def test_only_the_lines_that_change_are_touched(lines: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first, len(lines) - 1))
    target = data.draw(st.integers(first, last))
    old = [line.rstrip() + data.draw(ENDS) for line in lines[first : last + 1]]
    new = [*old]
    new[target - first] = "changed"
    mended = mend("\n".join(lines) + "\n", "\n".join(old), "\n".join(new))
    if mended is not None:
        expected = [*lines]
        expected[target] = "changed"
        assert mended.text.split("\n")[: len(lines)] == expected
