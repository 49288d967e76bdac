"""Whether an edit is in the text, told from the texts the client echoes and from nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hermitcrab.core.edits import Hunk, apply, contains, diff, rebase, stands_apart
from hermitcrab.core.text import LineText, PositionEncoding, TextChange

_LINE_ENDS = re.compile(r"\r\n|\n|\r")
_KEPT_TEXTS = 400
_KEPT_CHARACTERS = 64_000_000
_LOOKED_BACK = 8


@dataclass(frozen=True, slots=True)
class Landed:
    """The edit is in the text: `hunks`, made on `before`, are part of what led to `now`."""

    before: str
    hunks: tuple[Hunk, ...]
    now: str


@dataclass(frozen=True, slots=True)
class Misplaced:
    """The client made the edit at our lines and columns in another text, `before`, and came to `now`."""

    before: str
    now: str
    target: str  # what should stand there: the foreign change, and our hunks where they still fit
    hunks: tuple[Hunk, ...]  # of `before`; empty where they do not fit

    @property
    def removed(self) -> tuple[str, ...]:
        """Return what the client took out of the text against our will."""
        return tuple(hunk.before for hunk in diff(self.target, self.now) if hunk.before)


class Tracker:
    """Follows one edit, sent once, through the texts that come back."""

    def __init__(self, text: str, hunks: tuple[Hunk, ...], *, checks_versions: bool) -> None:
        self._text = text
        self._hunks = hunks
        self._checks_versions = checks_versions
        places = LineText(text)
        # A column means another place in another line, so it matters what the client counts; we try what it may be.
        encodings: tuple[PositionEncoding, ...] = ("utf-32",) if text.isascii() else ("utf-16", "utf-8", "utf-32")
        self._edits = [
            [
                TextChange(
                    hunk.after,
                    places.to_client(places.position(hunk.start), encoding),
                    places.to_client(places.position(hunk.end), encoding),
                    encoding,
                )
                for hunk in hunks
            ]
            for encoding in encodings
        ]
        self._seen = [_Seen(text, hunks, {apply(text, hunks)})]

    @property
    def now(self) -> str:
        """Return the newest text."""
        return self._seen[-1].text

    def see(self, text: str) -> Landed | Misplaced | None:
        """Take in the next text; say what became of the edit once that is known."""
        verdict = self._exactly(text) or self._among_others(text)
        if verdict is None:
            self._seen.append(self._seen_now(text))
            if len(self._seen) > max(8, min(_KEPT_TEXTS, _KEPT_CHARACTERS // (len(text) + 1))):
                del self._seen[1]
        return verdict

    def lost(self) -> tuple[str, ...]:
        """Return text that vanished and that we had not meant to remove, for an edit whose fate is not known."""
        meant = {hunk.before for hunk in self._hunks}
        gone = [hunk.before for one, other in pairwise(self._seen) for hunk in diff(one.text, other.text)]
        return tuple(text for text in gone if text and text not in meant and text not in self.now)

    def _seen_now(self, text: str) -> _Seen:
        moved = rebase(self._hunks, diff(self._text, text))
        return _Seen(text, moved, self._blindly(text))

    def _blindly(self, text: str) -> set[str]:
        """Return what a client makes of the text that puts our edit at its lines and columns whatever stands there."""
        return {_changed(text, edits) for edits in self._edits}

    def _halfway(self, text: str) -> set[str]:
        """Return the texts between, for a client that tells of our hunks one by one, the last or the first one first."""
        return {
            _changed(text, part)
            for edits in self._edits
            for index in range(1, len(edits))
            for part in (edits[:index], edits[index:])
        }

    def _exactly(self, text: str) -> Landed | Misplaced | None:
        """Say what became of the edit when this text is one of those before with the edit made and nothing else."""
        matching = [seen for seen in self._seen if text in seen.blindly]
        # The newest is what the client had, unless that text was itself on the way from an older one to this.
        while len(matching) > 1 and any(matching[-1].text in self._halfway(seen.text) for seen in matching[:-1]):
            matching.pop()
        if not matching:
            return None
        seen = matching[-1]
        target = apply(seen.text, seen.hunks) if seen.hunks else seen.text
        if target == text:
            return Landed(seen.text, seen.hunks or (), text)
        return Misplaced(seen.text, text, target, seen.hunks or ())

    def _among_others(self, text: str) -> Landed | None:
        """Say whether the edit came together with somebody's typing."""
        for seen in (*self._seen[:1], *self._seen[1:][-_LOOKED_BACK:]):
            for hunks in _variants(seen.hunks or ()):
                if contains(seen.text, text, hunks) and not self._is_doubtful(seen.text, text, hunks):
                    return Landed(seen.text, hunks, text)
        return None

    def _is_doubtful(self, before: str, text: str, hunks: tuple[Hunk, ...]) -> bool:
        """Say whether what looks like typing beside our edit may be what a misplaced edit left over.

        A client that checks versions cannot misplace one. In others somebody may have typed inside the text we were
        about to replace; our range then reached less far, or farther, than the text it was meant for, and over several
        lines it would swallow the typing whole.
        """
        if self._checks_versions:
            return False
        return any(_LINE_ENDS.search(hunk.before) for hunk in hunks) or not stands_apart(before, text, hunks)


@dataclass(frozen=True, slots=True)
class _Seen:
    text: str
    hunks: tuple[Hunk, ...] | None  # ours, moved to this text; None where they do not fit
    blindly: set[str]


def _changed(text: str, edits: Sequence[TextChange]) -> str:
    lines = LineText(text)
    for edit in reversed(edits):
        lines.change(edit)
    return lines.text


def _variants(hunks: tuple[Hunk, ...]) -> list[tuple[Hunk, ...]]:
    """Return the hunks as they are, and as editors that know one line end per file make them."""
    if not hunks:
        return []
    variants = [hunks]
    for end in ("\n", "\r\n"):
        other = tuple(replace(hunk, after=_LINE_ENDS.sub(end, hunk.after)) for hunk in hunks)
        if other not in variants:
            variants.append(other)
    return variants


def excerpt(text: str, hunks: Sequence[Hunk], *, limit: int = 2000) -> str:
    """Return the lines of a text around the places of hunks, for an error that shows the text as it is."""
    lines = LineText(text)
    wanted: set[int] = set()
    for hunk in hunks:
        first, last = lines.position(hunk.start)[0], lines.position(hunk.end)[0]
        wanted.update(range(max(0, first - 3), min(lines.line_count, last + 4)))
    shown = "\n".join(f"{number + 1}\t{lines.line(number).rstrip()}" for number in sorted(wanted))
    return shown if len(shown) <= limit else shown[:limit] + " …"
