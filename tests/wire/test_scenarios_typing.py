"""A dirty buffer, and a user who types while an edit is under way, over the real wire.

Most of these run on a clock that does not wait: both ends of the socket live in one event loop, so bytes that were
written are there at once, and an editor that takes seconds costs none. The last ones are in real time, with the real
process.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.clock import run
from simulator.editor import Manners
from wire.lsp_editor import EditorClient, House, house, spawned

OLD, NEW = 'print(nmae, "🦀")', 'print(name, "🦀")'
TEXT = f"def greet(name):\n    {OLD}\n\n\ngreet('蟹')\n"
READ = "call Read file_path=greet.py\n\n"
EDIT = 'call Edit {"file_path": "greet.py", "old_string": "print(nmae", "new_string": "print(name"}\n\n'
ONCE = READ + EDIT + "say Done.\n"
STUBBORN = READ + EDIT + ("wait 1\n" + EDIT) * 4 + "say Done.\n"
"""A model that asks for the edit again every second: where one has landed, the others must find nothing to do."""

MANNERS = ("reject", "drop", "ignore")


class User:
    """Types characters that occur nowhere else, so that each can be looked for afterwards."""

    def __init__(self, editor: EditorClient, uri: str) -> None:
        self.editor, self.uri = editor, uri
        self.typed: list[str] = []
        self._next: Iterator[int] = itertools.count(0x4E00)

    @property
    def text(self) -> str:
        return self.editor.sim.buffers[self.uri].text

    def type(self, offset: int) -> None:
        char = chr(next(self._next))
        self.typed.append(char)
        self.editor.sim.type(self.uri, offset, char)

    def type_beside(self, chance: random.Random) -> None:
        """Type anywhere but in the line of the edit: there nobody could say whose word counts."""
        start, end = self.line_of_the_edit
        self.type(chance.choice([*range(start), *range(end + 1, len(self.text) + 1)]))

    def type_inside(self, chance: random.Random) -> None:
        """Type into the line of the edit."""
        start, end = self.line_of_the_edit
        self.type(chance.randrange(start + 4, end + 1))

    @property
    def line_of_the_edit(self) -> tuple[int, int]:
        start = self.text.index("\n    ") + 1
        return start, self.text.index("\n", start)


class Desk:
    """A project with one file that is open with unsaved text, and its user."""

    def __init__(self, root: Path, editor: EditorClient) -> None:
        self.path = root / "greet.py"
        self.editor = editor
        self.user = User(editor, self.path.as_uri())
        editor.sim.open(self.path.as_uri(), TEXT)
        self.user.type(len(TEXT))

    async def turn(self) -> None:
        end = await self.editor.say(await self.editor.new_session(self.path.parent), "fix the name")
        assert end["stopReason"] == "end_turn", end

    def assert_nobody_lost_anything(self) -> None:
        """Every character the user typed is there once, and the disk is as it was."""
        assert {char: self.user.text.count(char) for char in self.user.typed} == dict.fromkeys(self.user.typed, 1)
        assert self.path.read_text("utf-8") == TEXT
        assert self.editor.sim.saved == []

    def assert_edited_once(self) -> None:
        typed = "".join(self.user.typed)
        assert self.user.text.translate(dict.fromkeys(map(ord, typed))) == TEXT.replace(OLD, NEW)


async def desk_in(place: House, manners: Manners) -> Desk:
    (place.root / "greet.py").write_text(TEXT, "utf-8")
    return Desk(place.root, await place.editor(manners))


def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "greet.py").write_text(TEXT, "utf-8")
    return root


@pytest.mark.parametrize("echo", ["each", "split", "merged", "full"])
@pytest.mark.parametrize("delay", [0.0, 0.4, 1.5])
@pytest.mark.parametrize("stale", MANNERS)
def test_the_user_types_while_the_edit_is_under_way(tmp_path: Path, stale, echo, delay) -> None:
    async def story() -> None:
        async with house(project(tmp_path), STUBBORN) as place:
            desk = await desk_in(place, Manners(stale=stale, echo=echo, echo_delay=delay))
            desk.editor.sim.before_apply.append(lambda: desk.user.type(0))
            desk.editor.sim.after_apply.append(lambda: desk.user.type(0))
            desk.editor.sim.after_apply.append(lambda: desk.user.type(len(desk.user.text)))
            await desk.turn()
            desk.assert_nobody_lost_anything()
            desk.assert_edited_once()

    run(story())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("stale", MANNERS)
def test_whatever_the_moment_no_character_is_lost_and_the_edit_is_there_once(tmp_path: Path, stale, seed) -> None:
    async def story() -> None:
        chance = random.Random(f"{stale} {seed}")
        manners = Manners(
            stale=stale,
            echo=chance.choice(["each", "split", "merged", "full"]),
            echo_delay=chance.choice([0, 0.01, 0.3, 0.9]),
            latency=chance.choice([0, 0.01, 0.2]),
            reply_delay=chance.choice([0, 0.3]),
            saves=chance.random() < 0.5,
        )
        async with house(project(tmp_path), STUBBORN) as place:
            desk = await desk_in(place, manners)
            for moments in (desk.editor.sim.before_apply, desk.editor.sim.after_apply):
                moments.extend([lambda: desk.user.type_beside(chance)] * chance.randrange(3))
            typing = asyncio.create_task(_type_for_a_while(desk, chance))
            await desk.turn()
            await typing
            desk.assert_nobody_lost_anything()
            desk.assert_edited_once()

    run(story())


async def _type_for_a_while(desk: Desk, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 8)):
        await asyncio.sleep(chance.choice([0, 0.005, 0.05, 0.3, 0.6]))
        desk.user.type_beside(chance)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("stale", MANNERS)
def test_typing_in_the_very_place_is_never_silently_lost(tmp_path: Path, stale, seed) -> None:
    async def story() -> None:
        chance = random.Random(f"place {stale} {seed}")
        manners = Manners(stale=stale, latency=chance.choice([0, 0.2]), echo_delay=chance.choice([0, 0.3]))

        async with house(project(tmp_path), STUBBORN) as place:
            desk = await desk_in(place, manners)
            desk.editor.sim.before_apply.append(lambda: desk.user.type_inside(chance))
            desk.editor.sim.after_apply += [lambda: None, lambda: desk.user.type_inside(chance)]
            await desk.turn()
            said = "".join(result["text"] for result in desk.editor.results())
            lost = [char for char in desk.user.typed if char not in desk.user.text]
            assert lost == [] if stale != "ignore" else [char for char in lost if char not in said] == []
            assert desk.user.text.count("print(name") + desk.user.text.count("print(nmae") <= 1
            assert desk.path.read_text("utf-8") == TEXT

    run(story())


@pytest.mark.parametrize("stale", MANNERS)
def test_an_edit_whose_echo_is_missing_is_in_doubt_and_not_sent_again(tmp_path: Path, stale) -> None:
    async def story() -> None:
        async with house(project(tmp_path), ONCE) as place:
            desk = await desk_in(place, Manners(stale=stale))
            await desk.editor.heard()
            desk.editor.sim.manners = Manners(stale=stale, echo="missing")
            desk.editor.sim.after_apply.append(lambda: desk.user.type(0))
            await desk.turn()
            assert [result["status"] for result in desk.editor.results()] == ["completed", "failed"]
            assert "may or may not have been made" in desk.editor.results()[1]["text"]
            assert len(desk.editor.sim.applied) == 1
            desk.assert_nobody_lost_anything()
            desk.assert_edited_once()

    run(story())


@pytest.mark.parametrize("stale", MANNERS)
def test_a_clean_file_is_saved_by_its_editor_and_a_dirty_one_by_nobody(tmp_path: Path, stale) -> None:
    async def story() -> None:
        root = project(tmp_path)
        (root / "clean.py").write_text(TEXT, "utf-8")
        script = ONCE.replace("greet.py", "clean.py") + "\n" + ONCE
        async with house(root, script) as place:
            desk = await desk_in(place, Manners(stale=stale, saves=True))
            clean = root / "clean.py"
            desk.editor.sim.open(clean.as_uri(), TEXT)
            session = await desk.editor.new_session(root)
            await desk.editor.say(session, "fix clean.py")
            await desk.editor.say(session, "fix greet.py")
            assert clean.read_text("utf-8") == TEXT.replace(OLD, NEW)
            assert [uri for uri, _ in desk.editor.sim.saved] == [clean.as_uri()]
            assert desk.path.read_text("utf-8") == TEXT
            desk.assert_edited_once()

    run(story())


def test_an_editor_that_checks_no_versions_gets_the_edit_once_its_user_pauses(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), ONCE) as place:
            desk = await desk_in(place, Manners(stale="ignore"))
            clock = asyncio.get_running_loop().time
            pauses: list[float] = []
            desk.editor.sim.before_apply.append(lambda: pauses.append(clock() - typed_at))
            turn = asyncio.create_task(desk.turn())
            for _ in range(20):
                desk.user.type(0)
                typed_at = clock()
                await asyncio.sleep(0.2)
            await turn
            assert pauses[0] >= 0.5
            desk.assert_nobody_lost_anything()
            desk.assert_edited_once()

    run(story())


def test_undo_of_the_turn_keeps_what_the_user_typed_since(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), ONCE) as place:
            desk = await desk_in(place, Manners())
            await desk.turn()
            desk.assert_edited_once()
            desk.user.type(0)
            await desk.editor.heard()
            done = await desk.editor.request("workspace/executeCommand", {"command": "hermitcrab.undoTurn"})
            assert (done["reverted"], done["kept"]) == ([str(desk.path)], [])
            desk.assert_nobody_lost_anything()
            assert OLD in desk.user.text
            assert NEW not in desk.user.text

    run(story())


@pytest.mark.parametrize("stale", MANNERS)
async def test_the_same_in_real_time_with_the_real_process(tmp_path: Path, stale) -> None:
    root = project(tmp_path)
    async with spawned(
        root, STUBBORN.replace("wait 1", "wait 0.4"), Manners(stale=stale, latency=0.05, echo_delay=0.1)
    ) as editor:
        desk = Desk(root, editor)
        editor.sim.before_apply.append(lambda: desk.user.type(0))
        editor.sim.after_apply.append(lambda: desk.user.type(len(desk.user.text)))
        await desk.turn()
        desk.assert_nobody_lost_anything()
        desk.assert_edited_once()
