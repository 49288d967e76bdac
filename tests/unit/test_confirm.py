"""Users who type while the agent edits: random interleavings with editors of every manner.

Every character that the user, or the agent, puts in occurs nowhere else, so that each can be followed to the end.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hermitcrab.core.errors import StaleEditError, UnconfirmedEditError
from hermitcrab.workspace.documents import Documents
from hermitcrab.workspace.view import EditOutcome, View
from simulator.clock import run
from simulator.editor import InProcess, Manners

BASE = [chr(code) for code in range(0x4E00, 0x4E00 + 60)]
MINE = [chr(code) for code in range(0x1F300, 0x1F300 + 200)]  # the user's
OURS = [chr(code) for code in range(0xAC00, 0xAC00 + 40)]  # the agent's


@dataclass
class Story:
    """One user, one agent, one file."""

    seed: str
    root: Path
    stale: str
    rng: random.Random = field(init=False)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def setting(self) -> None:
        rng = self.rng
        self.manners = Manners(
            stale=self.stale,  # type: ignore[arg-type]
            echo=rng.choice(["each", "each", "split", "merged", "full"]),  # type: ignore[arg-type]
            echo_delay=rng.choice([0, 0, 0.03, 0.2, 1.5]),
            latency=rng.choice([0.001, 0.02, 0.1]),
            reply_delay=rng.choice([0, 0.05, 0.5]),
            replies=rng.random() > 0.03,
            saves=rng.random() < 0.5,
            encoding=rng.choice(["utf-8", "utf-16", "utf-32"]),  # type: ignore[arg-type]
        )
        end = rng.choice(["\n", "\r\n"])
        self.base = "".join(char + rng.choice(["", "", " ", end]) for char in BASE)
        self.path = self.root / f"{self.seed}.txt"
        self.path.write_bytes(self.base.encode())
        self.uri = self.path.as_uri()
        self.documents = Documents(clock=asyncio.get_running_loop().time)
        self.client = InProcess(self.documents, "one", self.manners)
        self.view = View(self.root, self.documents, connection="one", editor=self.client)
        self.buffer = self.client.editor.open(self.uri, self.base)
        self.typed: list[str] = []
        self.letters = iter(MINE)

    def type_something(self) -> None:
        """Type one to three characters, at times a line end, at times over one of the file's own."""
        rng, text = self.rng, self.buffer.text
        new = [next(self.letters) for _ in range(rng.randint(1, 3))]
        place = rng.randint(0, len(text) // rng.choice([1, 1, 8]))
        if place and text[place - 1 : place + 1] == "\r\n":
            place -= 1
        is_over = rng.random() < 0.2 and place < len(text) and text[place] in BASE
        self.typed += new
        end = "\n" if rng.random() < 0.15 else ""
        self.client.editor.type(self.uri, place, "".join(new) + end, delete=int(is_over))

    def work_of_the_user(self) -> None:
        rng, loop = self.rng, asyncio.get_running_loop()
        for _ in range(rng.choice([0, 0, 1, 3])):
            self.type_something()  # before the agent looks: the buffer is dirty
        self.was_dirty = bool(self.typed)
        if rng.random() < 0.15:
            return  # and then watches
        busy = self.manners.latency + self.manners.reply_delay
        quiet = 0.5 if self.stale == "ignore" else 0.0
        for _ in range(rng.choice([0, 1, 1, 2, 5])):
            loop.call_later(rng.uniform(0, quiet + 1.2 * busy), self.type_something)
        for _ in range(rng.choice([0, 0, 1] if self.manners.saves else [0, 1, 1, 2])):
            self.client.editor.before_apply.append(self.type_something)
        for _ in range(rng.choice([0, 0, 1])):
            self.client.editor.after_apply.append(self.type_something)

    def wanted(self, text: str) -> str:
        """Make the agent's edit: a few of the file's characters replaced, one new one put in."""
        for old, new in self.plan:
            text = text.replace(old, new)
        return text

    async def work_of_the_agent(self) -> EditOutcome | None:
        rng = self.rng
        count = rng.randint(1, 3)
        olds = rng.sample(BASE, count)
        self.plan = [(old, OURS[i * 2] + rng.choice(["", "\n", old])) for i, old in enumerate(olds)]
        self.plan = [(old, new if old not in new else old + OURS[i * 2]) for i, (old, new) in enumerate(self.plan)]
        for _ in range(6):
            source = await self.view.read(self.path)
            if any(char in OURS for char in source.text):
                return None  # an edit of doubtful fate is there after all
            sent, gone = len(self.client.sent), self.missing()
            try:
                outcome = await self.view.apply(source, self.wanted(source.text), label="edit")
            except (StaleEditError, UnconfirmedEditError) as error:
                self.errors.append(str(error))
                await asyncio.sleep(5)  # whatever was on its way arrives
                if len(self.client.sent) - sent > 1 + (self.stale == "ignore"):
                    raise AssertionError("sent more than once") from error
                if isinstance(error, UnconfirmedEditError) and any(c in OURS for c in self.buffer.text):
                    return None
                continue
            assert len(self.client.sent) - sent <= 1 + any("put back" in note for note in outcome.notes)
            assert not self.told(self.missing() - gone), "lost without a word"
            return outcome
        return None

    def missing(self) -> set[str]:
        counts = Counter(self.buffer.text)
        return {char for char in self.typed if counts[char] != 1}

    def told(self, characters: set[str]) -> set[str]:
        """Return those of which the server has ever heard: all, unless the editor tells of several changes in one."""
        is_merging = self.stale == "ignore" and self.manners.echo in {"merged", "full"}
        return characters & self.client.told if is_merging else characters

    async def play(self) -> EditOutcome | None:
        self.setting()
        self.work_of_the_user()
        outcome = await self.work_of_the_agent()
        await asyncio.sleep(10)
        self.client.editor.flush(self.uri)
        return outcome

    def check(self, outcome: EditOutcome | None) -> None:
        final, counts = self.buffer.text, Counter(self.buffer.text)
        assert self.documents.find("one", self.uri).text == final
        if self.stale != "ignore":
            assert not self.missing()
        assert self.told(self.missing()) <= set("".join(self.errors))
        # One edit that went wrong twice may be there twice, but not without a word.
        if not any("so it did with the correction" in error for error in self.errors):
            assert all(counts[char] <= 1 for _, new in self.plan for char in new if char in OURS)
        if outcome is not None:
            for old, new in self.plan:
                if old in outcome.before.text:
                    assert counts[new[0] if new[0] in OURS else new[-1]] == 1
                    assert old in new or counts[old] == 0
        self.check_saving(outcome)

    def check_saving(self, outcome: EditOutcome | None) -> None:
        disk = self.path.read_bytes().decode()
        assert (disk != self.base) <= (outcome is not None and outcome.saved)
        assert not any(char in disk for char in self.typed)
        if self.was_dirty:
            assert self.client.editor.saved == []


@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("stale", ["reject", "drop", "ignore"])
def test_edits_land_once_and_no_word_of_the_user_is_lost(tmp_path: Path, stale: str, part: int) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(160):
        story = Story(f"{stale}-{part}-{number}", tmp_path, stale)
        outcome = run(story.play())
        try:
            story.check(outcome)
        except AssertionError as error:
            raise AssertionError(f"story {story.seed}: {story.manners}, {story.errors}") from error
        outcomes["done" if outcome else "told"] += 1
        outcomes["put back"] += bool(outcome and any("put back" in note for note in outcome.notes))
        outcomes["saved"] += bool(outcome and outcome.saved)
    assert outcomes["done"] > 100  # the safest edit, never to edit at all, does not count
    assert outcomes["saved"] > 3
    assert stale != "ignore" or outcomes["put back"] > 5
