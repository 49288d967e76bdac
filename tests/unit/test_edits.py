"""Changes to text as values: found, made, moved, recognised and taken back."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hermitcrab.core.alignment import align
from hermitcrab.core.edits import Hunk, apply, contains, diff, invert, rebase
from hermitcrab.core.text import LineText

TEXT = st.text(alphabet=st.sampled_from("ab \r\né😀"), max_size=40)
FRESH = "".join(map(chr, itertools.chain(range(0x4E00, 0x4E00 + 3000), range(0x1F300, 0x1F5FF))))
"""Characters that occur nowhere else, so that each can be traced."""

PROGRAM = """\
def greet(name):
    message = "hello " + name
    print(message)
    return message


def main():
    greet("world")
"""


def marked(before: str, after: str) -> str:
    """Show what a diff found: the old text with [old|new] where it changes."""
    pieces, done = [], 0
    for hunk in diff(before, after):
        pieces += before[done : hunk.start], f"[{hunk.before}|{hunk.after}]"
        done = hunk.end
    return "".join((*pieces, before[done:]))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("same\n", "same\n", "same\n"),
        ("x = 1\n", "y = 2\n", "[x|y] = [1|2]\n"),
        ("total = cuont + 1\n", "total = count + 1\n", "total = c[uo|ou]nt + 1\n"),
        ("a\n    y\n", "a\n    z\n    y\n", "a\n[|    z\n]    y\n"),
        ("a\nb\nc\n", "a\nc\n", "a\n[b\n|]c\n"),
        ("a\nb\n", "A\nb\nc\n", "[a|A]\nb\n[|c\n]"),
        ("f(a, b)\ng(c)\n", "f(a, B)\ng(C)\n", "f(a, [b|B])\ng([c|C])\n"),
        ("if x:\n  y\n  z\n", "if x:\n    y\n    z\n", "if x:\n  [|  ]y\n[|  ]  z\n"),
        ("", "new\n", "[|new\n]"),
        ("old\n", "", "[old\n|]"),
        ("a\r\nb", "a\nb", "a[\r\n|\n]b"),
        ("a\rb", "a\r\nb", "a[\r|\r\n]b"),
        ("a\nb", "a\r\nb", "a[\n|\r\n]b"),
        ("a\r\n", "a\r\n\r\n", "a\r\n[|\r\n]"),
    ],
)
def test_a_diff_is_small(before: str, after: str, expected: str) -> None:
    assert marked(before, after) == expected


@given(TEXT, TEXT)
@example("a\r\r\n\r", "a\r\n\r\r\n")
def test_a_diff_leads_there_and_back(before: str, after: str) -> None:
    hunks = diff(before, after)
    assert apply(before, hunks) == after
    assert apply(after, invert(hunks)) == before
    assert invert(invert(hunks)) == hunks
    assert all(one.end < other.start for one, other in itertools.pairwise(hunks))


@given(TEXT, TEXT)
def test_a_client_can_make_a_diff_by_line_and_column(before: str, after: str) -> None:
    for old, new, hunks in ((before, after, diff(before, after)), (after, before, invert(diff(before, after)))):
        places, lines = LineText(old), LineText(old)
        for hunk in reversed(hunks):
            lines.replace(places.position(hunk.start), places.position(hunk.end), hunk.after)
        assert lines.text == new


def test_a_hunk_that_does_not_stand_in_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="offset 1"):
        apply("abc", [Hunk(1, "x", "y")])


@pytest.mark.parametrize(
    ("foreign", "moved"),
    [
        (Hunk(0, "", "USER"), 9),
        (Hunk(0, "0123", ""), 1),
        (Hunk(8, "89", "USER"), 5),
        (Hunk(4, "4", "X"), None),  # ends where ours begins
        (Hunk(7, "", "X"), None),  # begins where ours ends
        (Hunk(6, "", "X"), None),
        (Hunk(0, "0123456789", ""), None),
    ],
)
def test_hunks_move_along_with_foreign_changes_that_do_not_touch_them(foreign: Hunk, moved: int | None) -> None:
    ours = (Hunk(5, "56", "ab"),)
    assert rebase(ours, (foreign,)) == (None if moved is None else (Hunk(moved, "56", "ab"),))


def scattered(rng: random.Random, text: str, fresh: str, count: int) -> tuple[list[Hunk], list[Hunk]]:
    """Make hunks with fresh characters at places that do not touch, and deal them to two hands."""
    cuts = sorted(rng.sample(range(0, len(text) + 1, 2), count * 2))
    letters = iter(fresh)
    hands: tuple[list[Hunk], list[Hunk]] = ([], [])
    for start, cut in zip(cuts[::2], cuts[1::2], strict=True):
        end = start if rng.random() < 0.4 else cut
        after = "".join(itertools.islice(letters, rng.randint(0 if end > start else 1, 3)))
        hands[rng.random() < 0.5].append(Hunk(start, text[start:end], after))
    return hands


@pytest.mark.parametrize("seed", range(40))
def test_unique_characters_survive_rebasing_and_are_recognised(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        fresh = "".join(rng.sample(FRESH, 60))
        base = "".join(fresh[i] + "\n" * (i % 5 == 4) for i in range(40))
        ours, foreign = scattered(rng, base, fresh[40:], 3)
        moved = rebase(ours, foreign)
        assert moved is not None
        now = apply(apply(base, foreign), moved)
        assert now == apply(apply(base, ours), rebase(foreign, ours) or ())
        assert {c for h in (*ours, *foreign) for c in h.after} <= set(now)
        assert contains(base, now, ours)
        assert contains(base, now, foreign)
        for dropped in range(len(ours)):
            rest = ours[:dropped] + ours[dropped + 1 :]
            partial = apply(apply(base, foreign), rebase(rest, foreign) or ())
            assert not contains(base, partial, ours)


@settings(max_examples=150)
@given(TEXT, TEXT, st.integers(0, 40), st.text(alphabet="漢字", max_size=3))
def test_an_edit_that_did_not_happen_is_never_found(base: str, wanted: str, place: int, typed: str) -> None:
    hunks = diff(base, wanted)
    place = min(place, len(base))
    now = base[:place] + typed + base[place:]
    assert contains(base, now, hunks) == (not hunks)


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.integers(0, 7), st.text(alphabet="ré 漢\n", min_size=1, max_size=4))
def test_an_edit_is_found_beside_typing(place: int, line: int, typed: str) -> None:
    lines = PROGRAM.splitlines(keepends=True)
    lines[line] = lines[line].replace("e", "E").rstrip("\n") + "  # done\n"
    hunks = diff(PROGRAM, wanted := "".join(lines))
    inside = {p for h in invert(hunks) for p in range(h.start + 1, h.end)}
    place %= len(wanted) + 1
    now = wanted[:place] + typed + wanted[place:]
    if place not in inside:
        assert contains(PROGRAM, now, hunks)
    elif now.count("done") == 0 or "  # done\n" not in now.replace(typed, "", 1):
        assert not contains(PROGRAM, now, hunks)


@pytest.mark.parametrize(
    ("base", "now", "hunk", "expected"),
    [
        ("abc", "ac", Hunk(1, "b", ""), True),
        ("abc", "azc", Hunk(1, "b", ""), True),  # deleted, and something typed in its place
        ("abc", "abc!", Hunk(1, "b", ""), False),
        ("x\nx\nx\n", "x\nx\nx\n\n!", Hunk(0, "x\n", ""), False),  # the deletion could be any of the three
        ("x\nx\n", "x\nx\n!", Hunk(0, "", "x\n"), False),
        ("bb", "!bb", Hunk(0, "bb", "b"), False),
        ("-ab-", "-ab-!", Hunk(1, "ab", "cabd"), False),
        ("-cabd-", "-cabd-!", Hunk(1, "cabd", "ab"), False),
        ("-a-", "-XZYa-", Hunk(1, "", "XY"), False),  # typed into the middle of ours
        ("-a-", "-XZXYa-", Hunk(1, "", "XY"), True),  # typed before ours, beginning alike
    ],
)
def test_what_counts_as_done(base: str, now: str, hunk: Hunk, expected: bool) -> None:
    assert contains(base, now, [hunk]) is expected


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), max_size=30))
def test_an_alignment_leaves_only_common_items_between_its_blocks(first: list[str], second: list[str]) -> None:
    i = j = 0
    for i1, i2, j1, j2 in align(first, second):
        assert first[i:i1] == second[j:j1]
        assert (i1, j1) == (0, 0) or i1 > i or i == j == 0
        i, j = i2, j2
    assert first[i:] == second[j:]


def _texts(kind: str, size: int) -> tuple[str, str]:
    rng = random.Random(kind)
    lines = [f"{rng.randrange(10**9)} = value\n" for _ in range(size)]
    if kind == "same lines":
        return "pass\n" * size, "pass\n\n" * size
    if kind == "reversed":
        return "".join(lines), "".join(reversed(lines))
    if kind == "one line":
        return "a b " * size, "b c " * size
    if kind == "shuffled few":
        return "".join(rng.choices("abcd\n", k=size)), "".join(rng.choices("abcd\n", k=size))
    return "".join(lines), "".join(f"    {line}" for line in lines)


@pytest.mark.parametrize("kind", ["same lines", "reversed", "one line", "shuffled few", "indented"])
def test_large_texts_take_bounded_time(kind: str) -> None:
    spent: list[float] = []
    for size in (8_000, 64_000):
        before, after = _texts(kind, size)
        start = time.process_time()
        hunks = diff(before, after)
        spent.append(time.process_time() - start)
        assert apply(before, hunks) == after
    assert spent[1] < 30 * spent[0] + 1.5  # quadratic would be 64 times as long
