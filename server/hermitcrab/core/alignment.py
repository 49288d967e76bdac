"""What two sequences have in common, in bounded time: patience first, then Myers, and coarse blocks when those are too dear."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

Block = tuple[int, int, int, int]
"""A changed stretch: from, to in the first sequence; from, to in the second."""

_STEPS = 2_000_000  # of one alignment, about a second of work; what is left then becomes coarse blocks
_DISTANCE = 400  # insertions and deletions looked for between two anchors
_DEPTH = 12


def align(first: Sequence[str], second: Sequence[str]) -> list[Block]:
    """Return the stretches in which two sequences differ, in order, at least one common item between any two."""
    aligner = _Aligner(first, second)
    aligner.between(0, len(first), 0, len(second), 0)
    return aligner.blocks


class _Aligner:
    def __init__(self, first: Sequence[str], second: Sequence[str]) -> None:
        self._first = first
        self._second = second
        self._steps = _STEPS
        self.blocks: list[Block] = []

    def between(self, i1: int, i2: int, j1: int, j2: int, depth: int) -> None:
        """Align one stretch with another and note what differs."""
        first, second = self._first, self._second
        while i1 < i2 and j1 < j2 and first[i1] == second[j1]:
            i1, j1 = i1 + 1, j1 + 1
        while i1 < i2 and j1 < j2 and first[i2 - 1] == second[j2 - 1]:
            i2, j2 = i2 - 1, j2 - 1
        self._steps -= (i2 - i1) + (j2 - j1)
        if i1 == i2 or j1 == j2 or self._steps <= 0:
            self._changed(i1, i2, j1, j2)
        elif depth < _DEPTH and (anchors := self._anchors(i1, i2, j1, j2)):
            for i, j in anchors:
                self.between(i1, i, j1, j, depth + 1)
                i1, j1 = i + 1, j + 1
            self.between(i1, i2, j1, j2, depth + 1)
        else:
            self._shortest(i1, i2, j1, j2)

    def _changed(self, i1: int, i2: int, j1: int, j2: int) -> None:
        if i1 == i2 and j1 == j2:
            return
        if self.blocks and self.blocks[-1][1] == i1 and self.blocks[-1][3] == j1:
            i1, _, j1, _ = self.blocks.pop()
        self.blocks.append((i1, i2, j1, j2))

    def _anchors(self, i1: int, i2: int, j1: int, j2: int) -> list[tuple[int, int]]:
        """Return the longest rising chain of items that occur once on either side."""
        once = _positions_of_single(self._first, i1, i2)
        there = _positions_of_single(self._second, j1, j2)
        pairs = [(i, there[item]) for item, i in once.items() if item in there]
        return _longest_rising(pairs)

    def _shortest(self, i1: int, i2: int, j1: int, j2: int) -> None:
        """Note the fewest insertions and deletions that lead from one side to the other (Myers 1986)."""
        matches = self._matches(i1, i2, j1, j2)
        for i, j in matches:
            self._changed(i1, i, j1, j)
            i1, j1 = i + 1, j + 1
        self._changed(i1, i2, j1, j2)

    def _matches(self, i1: int, i2: int, j1: int, j2: int) -> list[tuple[int, int]]:
        """Return the pairs of equal items on the shortest way, none when it is longer than we are ready to look."""
        first, second = self._first, self._second
        n, m = i2 - i1, j2 - j1
        reach = {1: 0}
        trace: list[dict[int, int]] = []
        for distance in range(min(n + m, _DISTANCE) + 1):
            trace.append(reach.copy())
            self._steps -= 2 * distance
            for k in range(max(-distance, -m - (m + distance) % 2), min(distance, n) + 1, 2):
                before = _before(reach, k, n, m)
                if before is None:
                    reach.pop(k, None)
                    continue
                x = reach[before] + (before < k)
                start = x
                while x < n and x - k < m and first[i1 + x] == second[j1 + x - k]:
                    x += 1
                self._steps -= x - start
                reach[k] = x
                if k == n - m and x == n:
                    return [(i1 + i, j1 + j) for i, j in _walk_back(trace, n, m)]
            if self._steps <= 0:
                break
        return []


def _before(reach: dict[int, int], k: int, n: int, m: int) -> int | None:
    """Return the diagonal from which diagonal `k` is reached farthest by one insertion or deletion."""
    down, right = reach.get(k + 1, -1), reach.get(k - 1, n) + 1
    if down - k > m:
        down = -1
    if right > n:
        right = -1
    if down < 0 and right < 0:
        return None
    return k + 1 if down >= right else k - 1


def _walk_back(trace: list[dict[int, int]], n: int, m: int) -> list[tuple[int, int]]:
    matches: list[tuple[int, int]] = []
    x, y = n, m
    for reach in reversed(trace):
        before = _before(reach, x - y, n, m)
        if before is None:
            raise AssertionError("a way that was found leads back")
        old_x = reach[before]
        old_y = old_x - before
        while x > max(old_x, 0) and y > max(old_y, 0):
            x, y = x - 1, y - 1
            matches.append((x, y))
        x, y = old_x, old_y
    matches.reverse()
    return matches


def _positions_of_single(items: Sequence[str], start: int, end: int) -> dict[str, int]:
    part = items[start:end]
    counts = Counter(part)
    return {item: start + index for index, item in enumerate(part) if counts[item] == 1}


def _longest_rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest part of pairs (sorted by their first number) whose second numbers rise, too."""
    tails: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        place = bisect_left(tails, j)
        before.append(at[place - 1] if place else -1)
        tails[place : place + 1] = [j]
        at[place : place + 1] = [index]
    chain: list[tuple[int, int]] = []
    index = at[-1] if at else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]
