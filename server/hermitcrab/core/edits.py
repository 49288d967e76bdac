"""Changes to text as values: what is to change, computed on which text, and what became of it."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hermitcrab.core.alignment import Block, align


def text_hash(text: str) -> str:
    """Return the SHA-256 of `text` in UTF-8, the name of a text in logs and checks (lone surrogates are kept)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class TextId:
    """Names one state of a text: its hash and, when it is open in an editor, the editor's version."""

    hash: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Hunk:
    """A stretch of a text that changed: `before` stood at code point `start` of the base, `after` stands there now."""

    start: int
    before: str
    after: str

    @property
    def end(self) -> int:
        """Return the offset behind `before` in the base text."""
        return self.start + len(self.before)


@dataclass(frozen=True, slots=True)
class LineChange:
    """Whole lines that changed, for a person to look at; `line` counts from 1 in the text after the change."""

    line: int
    before: str
    after: str


def diff(before: str, after: str) -> tuple[Hunk, ...]:
    """Return what changed, in small hunks that never touch: whole lines first, then words and letters within them.

    Time is bounded: where the texts have too little in common the hunks become coarse. No hunk parts a CRLF.
    """
    return _diff(before, after, is_close=False)


def _diff(before: str, after: str, *, is_close: bool) -> tuple[Hunk, ...]:
    """Return what changed; a close look finds every letter that stayed, also where a reader would see another text."""
    if before == after:
        return ()
    start = _line_start(before, _common_prefix(before, after))
    end = _whole_lines_behind(before, min(_common_suffix(before, after), len(before) - start, len(after) - start))
    old_lines, new_lines = _lines(before[start : len(before) - end]), _lines(after[start : len(after) - end])
    blocks = [
        small
        for block in _offsets(old_lines, new_lines, start, align(old_lines, new_lines))
        for small in _refine(before, after, block, is_close=is_close)
    ]
    return tuple(Hunk(i1, before[i1:i2], after[j1:j2]) for i1, i2, j1, j2 in _whole_ends(before, after, blocks))


def apply(text: str, hunks: Sequence[Hunk]) -> str:
    """Return the text with every hunk made; raise ValueError when a hunk does not stand in it."""
    pieces: list[str] = []
    done = 0
    for hunk in hunks:
        if hunk.start < done or not text.startswith(hunk.before, hunk.start) or hunk.end > len(text):
            raise ValueError(f"the text at offset {hunk.start} is not what the hunk replaces")
        pieces += text[done : hunk.start], hunk.after
        done = hunk.end
    return "".join((*pieces, text[done:]))


def invert(hunks: Sequence[Hunk]) -> tuple[Hunk, ...]:
    """Return the hunks that lead back, on the text in which these were made."""
    return tuple(
        Hunk(start, hunk.after, hunk.before) for hunk, (start, _) in zip(hunks, _places_after(hunks), strict=True)
    )


def rebase(hunks: Sequence[Hunk], foreign: Sequence[Hunk]) -> tuple[Hunk, ...] | None:
    """Move hunks onto the text in which foreign hunks of the same base were made; None where they touch or overlap."""
    moved: list[Hunk] = []
    shift = index = 0
    for hunk in hunks:
        while index < len(foreign) and foreign[index].end < hunk.start:
            shift += len(foreign[index].after) - len(foreign[index].before)
            index += 1
        if index < len(foreign) and foreign[index].start <= hunk.end:
            return None
        moved.append(Hunk(hunk.start + shift, hunk.before, hunk.after))
    return tuple(moved)


def contains(base: str, now: str, hunks: Sequence[Hunk]) -> bool:
    """Say whether the way from `base` to `now` contains these hunks of `base`, whatever else changed beside them.

    In doubt the answer is no: text that could as well be the old one put back is not taken for somebody's typing.
    """
    ours = tuple(small for hunk in hunks if (small := _trimmed(hunk)))
    expected = apply(base, ours)
    if now == expected:
        return True
    foreign = _diff(expected, now, is_close=True)
    places = _places_after(ours)
    if not all(_is_beside(expected, other, place) for other in foreign for place in places):
        return False
    return all(_size(foreign) < _size(_diff(without, now, is_close=True)) for without in _without(base, ours))


def stands_apart(base: str, now: str, hunks: Sequence[Hunk]) -> bool:
    """Say whether whatever else changed from `base` to `now` keeps clear of these hunks, however one looks at it."""
    expected = apply(base, hunks)
    places = _places_after(hunks)
    for other in _diff(expected, now, is_close=True):
        left, right = _slides(expected, other)
        if any(other.start - left <= end and other.end + right >= start for start, end in places):
            return False
    return True


_SINGLY = 16


def _without(base: str, hunks: Sequence[Hunk]) -> Iterator[str]:
    """Yield the base with all hunks but one made, for each; with none made when they are many."""
    if len(hunks) > _SINGLY:
        yield base
        return
    for index in range(len(hunks)):
        yield apply(base, (*hunks[:index], *hunks[index + 1 :]))


def _size(hunks: Sequence[Hunk]) -> int:
    return sum(len(hunk.before) + len(hunk.after) for hunk in hunks)


def _is_beside(text: str, hunk: Hunk, place: tuple[int, int]) -> bool:
    """Say whether a hunk leaves a place of `text` as it is, or one with the same result would."""
    if hunk.end <= place[0] or hunk.start >= place[1]:
        return True
    left, right = _slides(text, hunk)
    return hunk.end - left <= place[0] or hunk.start + right >= place[1]


def _slides(text: str, hunk: Hunk) -> tuple[int, int]:
    """Return how far an insertion or a deletion can be moved left and right with the same result."""
    if hunk.before and hunk.after:
        return 0, 0
    moving = hunk.before or hunk.after
    size, left, right = len(moving), 0, 0
    while left < hunk.start and text[hunk.start - left - 1] == moving[-1 - left % size]:
        left += 1
    while hunk.end + right < len(text) and text[hunk.end + right] == moving[right % size]:
        right += 1
    return left, right


def _trimmed(hunk: Hunk) -> Hunk | None:
    """Return the hunk without what it leaves as it is; None when that is all of it."""
    if hunk.before == hunk.after:
        return None
    start = _common_prefix(hunk.before, hunk.after)
    before, after = hunk.before[start:], hunk.after[start:]
    end = min(_common_suffix(before, after), len(before), len(after))
    return Hunk(hunk.start + start, before[: len(before) - end], after[: len(after) - end])


def _places_after(hunks: Sequence[Hunk]) -> list[tuple[int, int]]:
    """Return where each `after` stands in the text with the hunks made."""
    places: list[tuple[int, int]] = []
    shift = 0
    for hunk in hunks:
        start = hunk.start + shift
        places.append((start, start + len(hunk.after)))
        shift += len(hunk.after) - len(hunk.before)
    return places


_WORDS = re.compile(r"\r\n|[^\S\r\n]+|\w+|.", re.DOTALL)
_REFINED = 400_000  # code points of a changed block that are still compared word by word
_CLOSE = 20_000  # and letter by letter


def _refine(before: str, after: str, block: Block, *, is_close: bool) -> Iterator[Block]:
    """Narrow a changed block of lines to the words, and the letters in them, that differ."""
    inner = _narrow(before, after, block)
    i1, i2, j1, j2 = inner
    size = i2 - i1 + j2 - j1
    if i1 == i2 or j1 == j2 or size > _REFINED:
        yield inner
        return
    if is_close and size <= _CLOSE:
        yield from _offsets(before[i1:i2], after[j1:j2], i1, align(before[i1:i2], after[j1:j2]), j1)
        return
    # The narrowed ends are widened to whole words again: a word that lost its head would find no partner.
    i1, i2, j1, j2 = _whole_words(before, block, inner)
    old, new = list[str](_WORDS.findall(before[i1:i2])), list[str](_WORDS.findall(after[j1:j2]))
    changed = align(old, new)
    if not is_close and not _is_alike(old, changed):
        yield inner
        return
    for offsets in _offsets(old, new, i1, changed, j1):
        yield _narrow(before, after, offsets)


def _is_alike(words: Sequence[str], changed: Sequence[Block]) -> bool:
    """Say whether enough words stayed to speak of changes within a text, not of another text."""
    gone = sum(len(word) for i1, i2, _, _ in changed for word in words[i1:i2] if not word.isspace())
    return gone * 3 <= 2 * sum(len(word) for word in words if not word.isspace())


def _narrow(before: str, after: str, block: Block) -> Block:
    i1, i2, j1, j2 = block
    old, new = before[i1:i2], after[j1:j2]
    start = _common_prefix(old, new)
    end = min(_common_suffix(old, new), len(old) - start, len(new) - start)
    return i1 + start, i2 - end, j1 + start, j2 - end


def _whole_words(before: str, block: Block, inner: Block) -> Block:
    i1, i2, j1, j2 = inner
    while i1 > block[0] and before[i1 - 1].isalnum():
        i1, j1 = i1 - 1, j1 - 1
    while i2 < block[1] and before[i2].isalnum():
        i2, j2 = i2 + 1, j2 + 1
    return i1, i2, j1, j2


def _whole_ends(before: str, after: str, blocks: Sequence[Block]) -> list[Block]:
    """Widen blocks that begin or end inside a CRLF of either text, and join those that come to touch."""
    whole: list[Block] = []
    for i1, i2, j1, j2 in blocks:
        if _parts_end(before, i1) or _parts_end(after, j1):
            i1, j1 = i1 - 1, j1 - 1  # noqa: PLW2901
        if _parts_end(before, i2) or _parts_end(after, j2):
            i2, j2 = i2 + 1, j2 + 1  # noqa: PLW2901
        if whole and whole[-1][1] >= i1:
            i1, _, j1, _ = whole.pop()  # noqa: PLW2901
        whole.append((i1, i2, j1, j2))
    return whole


def _parts_end(text: str, offset: int) -> bool:
    return offset > 0 and text[offset - 1 : offset + 1] == "\r\n"


def _offsets(
    old: Sequence[str], new: Sequence[str], old_start: int, blocks: Sequence[Block], new_start: int | None = None
) -> Iterator[Block]:
    """Turn blocks of lines or words into blocks of code points."""
    i = j = 0
    at_old, at_new = old_start, old_start if new_start is None else new_start
    for i1, i2, j1, j2 in blocks:
        at_old, at_new = at_old + sum(map(len, old[i:i1])), at_new + sum(map(len, new[j:j1]))
        i, j = i2, j2
        end_old, end_new = at_old + sum(map(len, old[i1:i2])), at_new + sum(map(len, new[j1:j2]))
        yield at_old, end_old, at_new, end_new
        at_old, at_new = end_old, end_new


def _lines(text: str) -> list[str]:
    return io.StringIO(text, newline="").readlines()


def _line_start(text: str, offset: int) -> int:
    """Return where the line of an offset begins; an offset inside a CRLF belongs to the line it ends."""
    if _parts_end(text, offset):
        offset -= 1
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def _whole_lines_behind(text: str, size: int) -> int:
    """Return how much of an ending of `size` code points, common to two texts, is whole lines in both."""
    start = len(text) - size
    ends = [found for mark in "\r\n" if (found := text.find(mark, start)) >= 0]
    if not ends:
        return 0
    first = min(ends)
    return len(text) - first - (2 if text.startswith("\r\n", first) else 1)


def _common_prefix(one: str, other: str) -> int:
    """Return the length of what two texts begin with; compares slices, not characters."""
    low, high = 0, min(len(one), len(other))
    step = 64
    while low < high and one[low : low + step] == other[low : low + step]:
        low, step = min(low + step, high), min(step * 2, 1 << 16)
    high = min(low + step, high)
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_suffix(one: str, other: str) -> int:
    """Return the length of what two texts end with."""
    low, high = 0, min(len(one), len(other))
    step = 64
    while low < high and _tail(one, low, min(low + step, high)) == _tail(other, low, min(low + step, high)):
        low, step = min(low + step, high), min(step * 2, 1 << 16)
    high = min(low + step, high)
    while low < high:
        middle = (low + high + 1) // 2
        if _tail(one, low, middle) == _tail(other, low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _tail(text: str, near: int, far: int) -> str:
    """Return what lies between two distances from the end."""
    return text[len(text) - far : len(text) - near]
