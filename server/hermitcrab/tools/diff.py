"""Unified diffs for a person to judge, and the lines a change touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher

from hermitcrab.core.edits import LineChange
from hermitcrab.core.text import split_lines
from hermitcrab.tools.escape import visible
from hermitcrab.tools.excerpt import line_ends

_MOST_MATCHED = 4000
"""Lines on either side beyond which a stretch is shown as replaced whole: matching them could take minutes."""

Change = tuple[int, int, int, int]
"""Lines [i, j) of the old text have become lines [k, l) of the new one."""


def line_changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """Return what became of which lines, in order."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    before, after = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(before) > _MOST_MATCHED or len(after) > _MOST_MATCHED:
        return [(head, head + len(before), head, head + len(after))]
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [(head + i, head + j, head + k, head + m) for tag, i, j, k, m in codes if tag != "equal"]


def changed_lines(old: str, new: str) -> list[tuple[int, int]]:
    """Return the 1-based line ranges of `new` that differ from `old`; a deletion shows the line that moved up."""
    at, before, after = _middle(old, new, 0)
    return [(at + k + 1, at + max(k + 1, m)) for _, _, k, m in line_changes(before, after)]


def unified(name: str, old: str | None, new: str, *, context: int = 3) -> str:
    """Return the change as a unified diff with hidden characters written out; `old` is None for a new file."""
    at, before, after = _middle(old or "", new, context)
    lines = [f"--- {visible(name) if old is not None else '/dev/null'}", f"+++ {visible(name)}"]
    for group in _grouped(line_changes(before, after), context):
        lines += _hunk(before, after, group, context, at)
    return "\n".join(lines)


def blocks(old: str, new: str) -> tuple[LineChange, ...]:
    """Return the change in whole lines."""
    at, before, after = _middle(old, new, 0)
    return tuple(
        LineChange(at + k + 1, "".join(before[i:j]), "".join(after[k:m])) for i, j, k, m in line_changes(before, after)
    )


def counts(old: str, new: str) -> tuple[int, int]:
    """Return how many lines a change adds and removes."""
    _, before, after = _middle(old, new, 0)
    changes = line_changes(before, after)
    return sum(m - k for _, _, k, m in changes), sum(j - i for i, j, _, _ in changes)


def _middle(old: str, new: str, context: int) -> tuple[int, list[str], list[str]]:
    """Return the lines between what both texts begin and end with, with `context` more, and how many stand before."""
    head = _same(len(old), len(new), lambda size, done: old[done:size] == new[done:size])
    start = old.rfind("\n", 0, head) + 1
    for _ in range(context):
        start = old.rfind("\n", 0, max(0, start - 1)) + 1
    ends = len(old), len(new)
    tail = _same(ends[0] - start, ends[1] - start, lambda size, done: _tail(old, size, done) == _tail(new, size, done))
    stop = _after_lines(old, ends[0] - tail, context + 1)
    return line_ends(old[:start]), _rows(old[start:stop]), _rows(new[start : stop + ends[1] - ends[0]])


def _tail(text: str, size: int, done: int) -> str:
    return text[len(text) - size : len(text) - done]


def _after_lines(text: str, at: int, count: int) -> int:
    for _ in range(count):
        at = text.find("\n", at) + 1 or len(text)
        if at == len(text):
            break
    return at


def _same(one: int, other: int, agree: Callable[[int, int], bool]) -> int:
    """Return up to which size both agree, by doubling and halving; `agree` compares from what is known to agree on."""
    most, done, step = min(one, other), 0, 1
    while done < most and agree(min(most, done + step), done):
        done = min(most, done + step)
        step *= 2
    while step := step // 2:
        if done + step <= most and agree(done + step, done):
            done += step
    return done


def _rows(text: str) -> list[str]:
    lines = split_lines(text)
    return lines if lines[-1] else lines[:-1]


def _grouped(changes: Sequence[Change], context: int) -> Iterator[list[Change]]:
    group: list[Change] = []
    for change in changes:
        if group and change[0] - group[-1][1] > 2 * context:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(before: Sequence[str], after: Sequence[str], group: Sequence[Change], context: int, base: int) -> list[str]:
    start, first = max(0, group[0][0] - context), max(0, group[0][2] - context)
    stop, last = min(len(before), group[-1][1] + context), min(len(after), group[-1][3] + context)
    lines = [f"@@ -{_range(base + start, base + stop)} +{_range(base + first, base + last)} @@"]
    at = start
    for i, j, k, m in group:
        lines += _marked(" ", before[at:i]) + _marked("-", before[i:j]) + _marked("+", after[k:m])
        at = j
    return lines + _marked(" ", before[at:stop])


def _range(start: int, stop: int) -> str:
    return f"{start + 1 if stop > start else start},{stop - start}"


def _marked(mark: str, lines: Sequence[str]) -> list[str]:
    shown: list[str] = []
    for line in lines:
        shown.append(mark + visible(line.removesuffix("\n")))
        if not line.endswith(("\n", "\r")):
            shown.append("\\ No newline at end of file")
    return shown


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
