"""Stories: files, what the user and the model say, and what must come of it, told in one text file.

A first line that says what the story is about.

-- @settings --            mode, rules, answers (once session trust no gone wait, in order), trusted, editor (its manner in
                           stale edits, `saves`, `refuses`, `deaf`; none), second (the editor of a second window), steps,
                           edits, endpoint (an address the model claims to be behind, and the setting it comes from), model (`offline`: the rules play), clock (`still`: nothing really waits), folder-rules
-- a.py --                 a file on disk; `story_files` says what may follow its name
-- @buffer a.py --         the same file, open in the editor with this (unsaved) text; `@buffer 2 a.py`: in the second one
-- @user-settings --       the user's own settings.toml
-- @prompt --              what the user says; several prompts make several turns; `@prompt 2`: in the second window
-- @user --                instead of a prompt, line by line: `undo`, `undo 1` (the first turn), `mode plan`, `restart`, `trust`, and in the
                           editor (`2 …`: in the second window) `type a.py TEXT` (at its end),
                           `replace a.py OLD => NEW`, `open a.py`, `close a.py`, `save a.py`; behind its back
                           `write a.py TEXT`, `delete a.py`, `rename a.py b.py`, `link a.py TARGET`
-- @when WHAT --           the same, and `cancel`, `prompt TEXT`, `leave`, at a moment: WHAT begins a line of @events, or is
                           `applying`, `applied` (in the editor), `started TOOL`, `asked TOOL`, `prompted`, `output`, `says`; once
-- @model --               the scripted model's replies, for all turns
-- @events --              what must come of it
-- @questions --           (optional) the questions put to the user, whole
-- @asked --               (optional) why each question is asked, and what may be answered
-- @heard --               (optional) the tool results as the model hears them
-- @facts --               (optional) what the model is told beside the user's words
-- @after --               every file that is not as it was: disk, and what the editor shows
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import story_files as files
from hermitcrab.app import build_engine
from hermitcrab.core import events
from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.messages import AssistantMessage, ThinkingBlock
from hermitcrab.core.ports import PermissionQuestion
from hermitcrab.engine.connection import Connection
from hermitcrab.engine.engine import Engine
from hermitcrab.engine.session import Session
from hermitcrab.net.endpoint import Destination
from hermitcrab.providers.profiles import profile_of
from hermitcrab.providers.scripted import ScriptedProvider
from hermitcrab.store.paths import Paths
from hermitcrab.workspace.documents import Documents
from simulator import clock
from simulator.editor import InProcess, Manners, SimulatedEditor

SECTION = re.compile(r"^-- (?P<name>.+) --$", re.MULTILINE)
OUTCOMES = {
    "once": "allow_once",
    "session": "allow_session",
    "trust": "trust",
    "no": "reject",
    "gone": "cancelled",
}
ENDS = ("done ", "failed ", "denied ")
CHANCE = re.compile(r"(?P<what>output-|ses_|turn_|call_)[0-9a-z]{12,}")


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

    def __init__(self, base: Path, root: Path) -> None:
        self.lines: list[str] = []
        self._calls: list[str] = []
        self._behind_calls = 0
        self.turns: list[str] = []
        self._heard: list[tuple[int, str]] = []
        self.facts: list[str] = []
        self.moments: dict[str, Callable[[], None]] = {}
        self._base, self._root = base, root

    @property
    def heard(self) -> list[str]:
        """Return the results in the order of their calls: in which calls side by side end is by chance."""
        return [text for _, text in sorted(self._heard, key=lambda entry: entry[0])]

    def short(self, text: str) -> str:
        text = text.replace(f"{self._root}/", "").replace(str(self._root), ".").replace(str(self._base), "HOME")
        return CHANCE.sub(r"\g<what>N", text)

    def take(self, _session: str, event: events.Event) -> None:
        line = self._line(event)
        if line is not None:
            line = self.short(line)
            is_before_calls = isinstance(event, events.MessageFinished) and bool(event.content.calls)
            self.lines.insert(self._behind_calls if is_before_calls else len(self.lines), line)
        if isinstance(event, events.CallAnnounced):
            self._calls.append(event.call)
            self._behind_calls = len(self.lines)  # a message's words stand there: its reads may end before or after it
        elif isinstance(event, events.ToolCallFinished):
            text = files.clipped(self.short(event.text.rstrip()))
            self._heard.append((self._calls.index(event.call), f"{event.tool} {event.status}:\n{text}\n"))
        elif isinstance(event, events.PromptReceived):
            self.turns.append(event.turn)
            self.facts.append(self.short(event.facts) or "(nothing)")
        self._act(line or _moment(event))

    def _act(self, what: str | None) -> None:
        found = next((moment for moment in self.moments if what is not None and what.startswith(moment)), None)
        if found is not None:
            self.moments.pop(found)()

    def _line(self, event: events.Event) -> str | None:
        match event:
            case events.CallAnnounced(tool=tool):
                return f"tool {tool}"
            case events.MessageFinished(content=content) if thoughts := _thoughts(content):
                return "\n".join([f"thought {thoughts}", *([f"text {content.text}"] if content.text else [])])
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
            case events.ModelReminded(text=text):
                return f"reminded {text}"
            case events.TurnUndone(reverted=reverted, kept=kept, not_covered=commands):
                lines = ["undone " + (", ".join(str(path) for path in reverted) or "nothing")]
                lines += [f"  kept {path}: {reason}" for path, reason in kept]
                lines += [f"  not covered: {command}" for command in commands]
                return "\n".join(lines)
            case events.TurnFinished(reason=reason, message=message):
                return f"finished {reason}" + (f": {message}" if message else "")
            case _:
                return None


def _thoughts(content: AssistantMessage) -> str:
    return " ".join(block.text for block in content.blocks if isinstance(block, ThinkingBlock))


def _moment(event: events.Event) -> str | None:
    """Return the name of what is no line of its own."""
    match event:
        case events.ToolCallStarted(tool=tool):
            return f"started {tool}"
        case events.PromptReceived():
            return "prompted"
        case events.PermissionAsked(title=title):
            return f"asked {title}"
        case events.ToolOutput():
            return "output"
        case events.TextDelta():
            return "says"
        case _:
            return None


class Teller:
    """Plays a story on a real engine with a simulated editor and a scripted model."""

    def __init__(self, story: Story, base: Path) -> None:
        self.story = story
        self.root = base / "project"
        self.root.mkdir()
        self.paths = Paths.under(base / "home")
        for name, body in story.sections:
            if not name.startswith("@"):
                files.make(self.root, name, body)
        if settings := story.first("@user-settings"):
            self.paths.config.mkdir(parents=True, mode=0o700)
            self.paths.settings.write_text(settings)
        self.before = files.disk(self.root)
        self.told = Told(base.resolve(), self.root.resolve())
        self.asker = Asker(story.settings.get("answers", "").replace(",", " ").split())
        self.editors: dict[str, InProcess] = {}
        self.connections: dict[str, Connection] = {}
        self.engine: Engine
        self.session: Session
        self._later: set[asyncio.Task[Any]] = set()
        self._provider = None if story.settings.get("model") == "offline" else ScriptedProvider(story.first("@model"))
        if endpoint := story.settings.get("endpoint", "").split():
            self._provider.destination = Destination(*endpoint)  # type: ignore[union-attr]

    def _start(self) -> None:
        """Build the engine and attach the windows."""
        is_still = self.story.settings.get("clock") == "still"
        documents = Documents(clock=asyncio.get_running_loop().time) if is_still else Documents()
        profile = profile_of("scripted:story") if self._provider else None
        self.engine = build_engine(paths=self.paths, documents=documents, provider=self._provider, profile=profile)
        for window, setting in (("1", "editor"), ("2", "second")):
            words = self.story.settings.get(setting, "reject" if window == "1" else "").split()
            if words:
                self._attach(window, words)

    def _attach(self, window: str, words: list[str]) -> None:
        name = f"window {window}"
        if words != ["none"]:
            echo: Any = "missing" if "deaf" in words else "each"
            refuses = "not now" if "refuses" in words else ""
            manners = Manners(stale=words[0], saves="saves" in words, latency=0.0, echo=echo, refuses=refuses)  # type: ignore[arg-type]
            self.editors[window] = InProcess(self.engine.services.documents, name, manners)
        self.connections[window] = Connection(
            id=name,
            asker=self.asker,
            listener=self.told.take if window == "1" else lambda *_: None,  # every event is told once
            editor=self.editors.get(window),
            environment={"PATH": "/usr/bin:/bin"},
            roots=(self.root,),
            client_settings=self._client(),
            workspace_settings=self._rules("folder-rules"),
            command_line=self._command_line(),
        )
        self.engine.connect(self.connections[window])

    def _client(self) -> dict[str, Any]:
        edits = {"edits": self.story.settings["edits"]} if "edits" in self.story.settings else {}
        return {**self._rules("rules"), **edits}

    def _rules(self, setting: str) -> dict[str, Any]:
        written = self.story.settings.get(setting)
        return {"rules": [rule.strip() for rule in written.split(",")]} if written else {}

    def _command_line(self) -> dict[str, Any]:
        settings = self.story.settings
        steps = {"max_turns": int(settings["steps"])} if "steps" in settings else {}
        return {**({"mode": settings["mode"]} if "mode" in settings else {}), **steps}

    async def tell(self) -> dict[str, str]:
        self._start()
        try:
            if self.story.settings.get("trusted") == "yes":
                self.engine.services.trust.trust(self.root.resolve())
            for name, body in self.story.sections:
                if name.startswith("@buffer "):
                    window, _, file = name.removeprefix("@buffer ").rpartition(" ")
                    self._editor(window or "1").open(self._uri(file), body)
                elif name.startswith("@when "):
                    self._await_moment(name.removeprefix("@when "), body)
            self.session = await self.engine.new_session(self.connections["1"], self.root)
            for name, body in self.story.sections:
                await self._play(name, body.strip("\n"))
            await asyncio.gather(*self._later)
        except HermitcrabError as error:
            self.told.lines.append(self.told.short(f"error {error}"))
        finally:
            await self.engine.close()
        return self._outcome()

    def _editor(self, window: str) -> SimulatedEditor:
        return self.editors[window].editor

    def _uri(self, name: str) -> str:
        return (self.root.resolve() / name).as_uri()

    def _await_moment(self, what: str, body: str) -> None:
        def act() -> None:
            for line in body.splitlines():
                self._do(line)

        if what in {"applying", "applied"}:
            getattr(self._editor("1"), "before_apply" if what == "applying" else "after_apply").append(act)
        else:
            self.told.moments[what] = act

    async def _play(self, name: str, body: str) -> None:
        if name == "@prompt" or name.startswith("@prompt "):
            window = name.removeprefix("@prompt").strip() or "1"
            try:
                self.engine.prompt(self.session, body, self.connections[window])
            except HermitcrabError as error:
                self.told.lines.append(f"error {error}")
            await asyncio.wait_for(self.session.wait(), 600 if self.story.settings.get("clock") == "still" else 30)
        elif name == "@user":
            for line in body.splitlines():
                await self._user(line)

    async def _user(self, line: str) -> None:
        """Do what takes its time, or what any moment allows."""
        verb, _, rest = line.partition(" ")
        try:
            if verb == "undo":
                turn = self.told.turns[int(rest) - 1] if rest.isdigit() else rest
                await self.session.undo(turn or None, self.connections["1"])
            elif verb == "mode":
                await self.session.set_mode(rest)  # type: ignore[arg-type]
            elif verb == "restart":
                await self._restart()
            else:
                self._do(line)
        except HermitcrabError as error:
            self.told.lines.append(self.told.short(f"error {error}"))

    async def _restart(self) -> None:
        """End everything and begin again with the session as its log has it; the editors keep their buffers."""
        open_files = {window: dict(editor.editor.buffers) for window, editor in self.editors.items()}
        await self.engine.close()
        self._start()
        for window, buffers in open_files.items():
            for uri, buffer in buffers.items():
                self._editor(window).open(uri, buffer.text)
        self.session, _, problems = await self.engine.load_session(self.connections["1"], self.session.id)
        self.told.lines += ["restart", *(self.told.short(f"  {problem}") for problem in problems)]

    def _do(self, line: str) -> None:
        """Do what is done at once."""
        window, _, rest = line.partition(" ")
        if not window.isdigit():
            window, rest = "1", line
        verb, _, rest = rest.partition(" ")
        name, _, text = rest.partition(" ")
        if verb in {"type", "replace", "open", "close", "save"}:
            self._edit(self._editor(window), verb, name, text)
        elif verb in {"write", "delete", "rename", "link"}:
            self._behind(verb, self.root / name, text)
        elif verb == "trust":
            self.engine.services.trust.trust(self.root.resolve())
        elif verb == "cancel":
            self._soon(self.session.cancel())
        elif verb == "leave":
            self._soon(self.engine.disconnect(self.connections[window].id))
        elif verb in {"prompt", "undo", "mode"}:
            self._soon(self._while_running(verb, rest))
        else:
            raise ValueError(line)

    def _soon(self, work: Any) -> None:
        self._later.add(asyncio.ensure_future(work))

    async def _while_running(self, verb: str, rest: str) -> None:
        try:
            if verb == "prompt":
                self.engine.prompt(self.session, rest, self.connections["1"])
            else:
                await self._user(f"{verb} {rest}".strip())
        except HermitcrabError as error:
            self.told.lines.append(f"error {error}")

    def _edit(self, editor: SimulatedEditor, verb: str, name: str, text: str) -> None:
        uri = self._uri(name)
        if verb == "type":
            editor.type(uri, len(editor.buffers[uri].text), text)
        elif verb == "replace":
            old, _, new = text.partition(" => ")
            editor.type(uri, editor.buffers[uri].text.index(old), new, delete=len(old))
        elif verb == "open":
            editor.open(uri, (self.root / name).read_bytes().decode())
        else:
            getattr(editor, verb)(uri)

    def _behind(self, verb: str, path: Path, text: str) -> None:
        """Change the disk as another program would."""
        if verb == "write":
            path.write_text(text + "\n")
        elif verb == "rename":
            path.rename(self.root / text)
        elif verb == "link":
            path.unlink(missing_ok=True)
            path.symlink_to(text)
        else:
            path.unlink()

    def _outcome(self) -> dict[str, str]:
        short = self.told.short
        questions = [f"{asked.title}\n{files.indented(asked.detail)}" for asked in self.asker.questions]
        return {
            "@events": _lines(_settled(self.told.lines)),
            "@questions": _lines(short(question) for question in questions),
            "@asked": _lines(short(_why(asked)) for asked in self.asker.questions),
            "@heard": _lines(self.told.heard),
            "@facts": _lines(self.told.facts),
            "@after": _lines(self._after()),
        }

    def _after(self) -> list[str]:
        now = files.disk(self.root)
        lines: list[str] = []
        for name in sorted(now.keys() | self.before.keys()):
            if name not in now:
                lines.append(f"{name} is gone")
            elif now[name] != self.before.get(name):
                lines.append(files.changed(name, self.before.get(name), now[name]))
        for window, editor in sorted(self.editors.items()):
            where = "the editor" if window == "1" else f"window {window}"
            for uri, buffer in sorted(editor.editor.buffers.items()):
                name = Path(unquote(urlsplit(uri).path)).relative_to(self.root.resolve()).as_posix()
                if buffer.text.encode() != now.get(name):
                    lines.append(f"{name} in {where}, unsaved:\n{files.indented(buffer.text.replace(chr(13), '␍'))}")
        return lines


def _why(asked: PermissionQuestion) -> str:
    answers = ["trust"] if asked.offers_trust else ["once", *(["session"] if asked.offers_session else [])]
    answers = ["session"] if asked.is_consent else answers
    protected = " (protected)" if asked.is_protected else ""
    return f"{asked.title}: {asked.reason}{protected}; answers: {', '.join(answers)}"


def _settled(lines: list[str]) -> list[str]:
    """Put the ends of calls that ran side by side in an order of their own: it is by chance."""
    found: list[str] = []
    for is_end, group in itertools.groupby(lines, lambda line: line.startswith(ENDS)):
        same = list(group)
        found += sorted(same) if is_end else same
    return found


def _lines(lines: Any) -> str:
    return "".join(f"{line.rstrip()}\n" for line in lines)


def tell(text: str, base: Path) -> tuple[Story, dict[str, str]]:
    """Play the story written in `text`; return it and what came of it, section by section."""
    story = parse(text)
    teller = Teller(story, base)
    play = clock.run if story.settings.get("clock") == "still" else asyncio.run
    return story, play(teller.tell())
