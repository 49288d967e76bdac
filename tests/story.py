"""Stories: files, what the user and the model say, and what must come of it, told in one text file.

A first line that says what the story is about.

-- @settings --            mode, rules, answers (once session trust no, in order), trusted, editor, steps
-- a.py --                 a file on disk
-- @buffer a.py --         the same file, open in the editor with this (unsaved) text
-- @prompt --              what the user says; several prompts make several turns
-- @user --                instead of a prompt: `undo`, `mode plan`, `type a.py TEXT` (at its end)
-- @model --               the scripted model's replies, for all turns
-- @events --              what must come of it
-- @questions --           (optional) the questions put to the user, whole
-- @heard --               (optional) the tool results as the model hears them
-- @after --               every file that is not as it was: disk, and what the editor shows
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hermitcrab.app import build_engine
from hermitcrab.core import events
from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.ports import PermissionQuestion
from hermitcrab.engine.connection import Connection
from hermitcrab.engine.engine import Engine
from hermitcrab.engine.session import Session
from hermitcrab.providers.profiles import profile_of
from hermitcrab.providers.scripted import ScriptedProvider
from hermitcrab.store.paths import Paths
from simulator.editor import InProcess, Manners

SECTION = re.compile(r"^-- (?P<name>.+) --$", re.MULTILINE)
OUTCOMES = {"once": "allow_once", "session": "allow_session", "trust": "trust", "no": "reject"}
INPUTS = ("@settings", "@prompt", "@model", "@user")
OUTPUTS = ("@events", "@questions", "@heard", "@after")


@dataclass
class Story:
    """A story as written."""

    title: str
    sections: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [body for found, body in self.sections if found == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    @property
    def settings(self) -> dict[str, str]:
        lines = [line for line in self.first("@settings").splitlines() if line.strip()]
        return {key.strip(): value.strip() for key, value in (line.split(":", 1) for line in lines)}

    def render(self, outcome: dict[str, str]) -> str:
        parts = [self.title.rstrip("\n") + "\n\n"]
        present = {name for name, _ in self.sections}
        for name, body in self.sections:
            parts.append(f"-- {name} --\n{outcome.get(name, body)}")
        parts += [f"-- {name} --\n{outcome[name]}" for name in ("@events", "@after") if name not in present]
        return "".join(parts)


def parse(text: str) -> Story:
    marks = list(SECTION.finditer(text))
    title = text[: marks[0].start()] if marks else text
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    sections = [(mark["name"], text[mark.end() + 1 : end]) for mark, end in zip(marks, ends, strict=True)]
    return Story(title, sections)


@dataclass
class Asker:
    """Answers in the order the story gives; says no when it gives no more."""

    answers: list[str]
    questions: list[PermissionQuestion] = field(default_factory=list)

    async def ask(self, question: PermissionQuestion) -> Any:
        self.questions.append(question)
        if not self.answers:
            return "reject"
        answer = self.answers.pop(0)
        if answer == "wait":
            await asyncio.Event().wait()
        return OUTCOMES[answer]


class Told:
    """Events as lines a person reads; the text of one message is one line."""

    def __init__(self, root: Path) -> None:
        self.lines: list[str] = []
        self.heard: list[str] = []
        self._root = root

    def _short(self, text: str) -> str:
        return text.replace(f"{self._root}/", "").replace(str(self._root), ".")

    def take(self, _session: str, event: events.Event) -> None:
        line = self._line(event)
        if line is not None:
            self.lines.append(self._short(line))
        if isinstance(event, events.ToolCallFinished):
            self.heard.append(self._short(f"{event.tool} {event.status}:\n{event.text.rstrip()}\n"))

    def _line(self, event: events.Event) -> str | None:
        match event:
            case events.CallAnnounced(tool=tool):
                return f"tool {tool}"
            case events.ToolCallFinished(status="completed", tool=tool, notes=notes):
                return f"done {tool}" + (f" ({'; '.join(notes)})" if notes else "")
            case events.ToolCallFinished(status=status, tool=tool, text=text):
                return f"{status} {tool}: {text.splitlines()[0] if text else ''}"
            case events.EditConfirmed(path=path, saved=saved, created=created, hunks=hunks):
                what = "created" if created else "edited"
                count = f"{len(hunks)} hunk" + ("s" if len(hunks) != 1 else "")
                return f"{what} {path} ({count}, {'saved' if saved else 'unsaved'})"
            case events.MessageFinished(content=content) if content.text:
                return f"text {content.text}"
            case events.MessageCut(text=text):
                return f"cut {text}"
            case events.TodosChanged(todos=todos):
                return "todos " + ", ".join(f"[{status}] {what}" for what, status in todos)
            case events.ModeChanged(mode=mode):
                return f"mode {mode}"
            case events.Notice(text=text):
                return "notice " + re.sub(r"\d+\.\d s", "N s", text)
            case events.TurnUndone(reverted=reverted, kept=kept, not_covered=commands):
                lines = ["undone " + (", ".join(str(path) for path in reverted) or "nothing")]
                lines += [f"  kept {path}: {reason}" for path, reason in kept]
                lines += [f"  not covered: {command}" for command in commands]
                return "\n".join(lines)
            case events.TurnFinished(reason=reason, message=message):
                return f"finished {reason}" + (f": {message}" if message else "")
            case _:
                return None


class Teller:
    """Plays a story on a real engine with a simulated editor and a scripted model."""

    def __init__(self, story: Story, base: Path) -> None:
        self.story = story
        self.root = base / "project"
        self.root.mkdir()
        for name, body in story.sections:
            if not name.startswith("@"):
                path = self.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body.encode())
        self.before = self._disk()
        self.paths = Paths.under(base / "home")
        self.told = Told(self.root.resolve())
        settings = story.settings
        self.asker = Asker(settings.get("answers", "").replace(",", " ").split())

    def _disk(self) -> dict[str, str]:
        files = sorted(path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_text("utf-8", "replace") for path in files}

    def _engine(self) -> Engine:
        provider = ScriptedProvider(self.story.first("@model"))
        return build_engine(paths=self.paths, provider=provider, profile=profile_of("scripted:story"))

    def _connection(self, engine: Engine) -> tuple[Connection, InProcess | None]:
        settings = self.story.settings
        editor = None
        if settings.get("editor", "reject") != "none":
            words = settings.get("editor", "reject").split()
            manners = Manners(stale=words[0], saves="saves" in words, latency=0.0)
            editor = InProcess(engine.services.documents, "story", manners)
        client = {}
        if "rules" in settings:
            client["rules"] = [rule.strip() for rule in settings["rules"].split(",")]
        if "edits" in settings:
            client["edits"] = settings["edits"]
        command_line = {"mode": settings["mode"]} if "mode" in settings else {}
        if "steps" in settings:
            command_line["max_turns"] = int(settings["steps"])
        connection = Connection(
            id="story",
            asker=self.asker,
            listener=self.told.take,
            editor=editor,
            environment={"PATH": "/usr/bin:/bin"},
            roots=(self.root,),
            client_settings=client,
            command_line=command_line,
        )
        engine.connect(connection)
        return connection, editor

    async def tell(self) -> dict[str, str]:
        engine = self._engine()
        connection, editor = self._connection(engine)
        try:
            if self.story.settings.get("trusted") == "yes":
                engine.services.trust.trust(self.root.resolve())
            if editor:
                for name, body in self.story.sections:
                    if name.startswith("@buffer "):
                        path = self.root.resolve() / name.removeprefix("@buffer ")
                        editor.editor.open(path.as_uri(), body)
            session = await engine.new_session(connection, self.root)
            for name, body in self.story.sections:
                await self._play(name, body.strip("\n"), engine, session, connection, editor)
        finally:
            await engine.close()
        return self._outcome(editor)

    async def _play(self, name: str, body: str, engine: Engine, session: Session, connection: Any, editor: Any) -> None:
        if name == "@prompt":
            engine.prompt(session, body, connection)
            await asyncio.wait_for(session.wait(), 30)
        elif name == "@user":
            for line in body.splitlines():
                await self._user(line, session, connection, editor)

    async def _user(self, line: str, session: Session, connection: Connection, editor: Any) -> None:
        verb, _, rest = line.partition(" ")
        if verb == "undo":
            try:
                await session.undo(rest or None, connection)
            except HermitcrabError as error:
                self.told.lines.append(f"error {error}")
        elif verb == "mode":
            await session.set_mode(rest)  # type: ignore[arg-type]
        elif verb == "type":
            name, _, text = rest.partition(" ")
            uri = (self.root.resolve() / name).as_uri()
            editor.editor.type(uri, len(editor.editor.buffers[uri].text), text)
        elif verb == "write":
            name, _, text = rest.partition(" ")
            (self.root / name).write_text(text + "\n")
        else:
            raise ValueError(line)

    def _outcome(self, editor: InProcess | None) -> dict[str, str]:
        questions = [f"{asked.title}\n{_indent(asked.detail)}" for asked in self.asker.questions]
        return {
            "@events": _lines(_settled(self.told.lines)),
            "@questions": _lines(self.told._short(question) for question in questions),
            "@heard": _lines(self.told.heard),
            "@after": _lines(self._after(editor)),
        }

    def _after(self, editor: InProcess | None) -> list[str]:
        now = self._disk()
        lines: list[str] = []
        for name in sorted(now.keys() | self.before.keys()):
            if name.startswith(".hermitcrab/"):
                continue
            if name not in now:
                lines.append(f"{name} is gone")
            elif now[name] != self.before.get(name):
                lines.append(f"{name} on disk:\n{_indent(now[name])}")
        if editor:
            for uri, buffer in sorted(editor.editor.buffers.items()):
                name = Path(unquote(urlsplit(uri).path)).relative_to(self.root.resolve()).as_posix()
                if buffer.text != now.get(name):
                    lines.append(f"{name} in the editor, unsaved:\n{_indent(buffer.text)}")
        return lines


def _settled(lines: list[str]) -> list[str]:
    """Put the ends of calls that ran side by side in an order of their own: it is by chance."""
    found: list[str] = []
    for is_end, group in itertools.groupby(lines, lambda line: line.startswith(("done ", "failed "))):
        same = list(group)
        found += sorted(same) if is_end else same
    return found


def _indent(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.rstrip("\n").split("\n"))


def _lines(lines: Any) -> str:
    return "".join(f"{line.rstrip()}\n" for line in lines)


def tell(text: str, base: Path) -> tuple[Story, dict[str, str]]:
    """Play the story written in `text`; return it and what came of it, section by section."""
    story = parse(text)
    teller = Teller(story, base)
    with contextlib.suppress(asyncio.CancelledError):
        outcome = asyncio.run(teller.tell())
    return story, outcome
