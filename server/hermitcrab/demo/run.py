"""The demo itself: a project with problems, a real server, an editor that takes the lightbulb's offers, and the proof."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermitcrab.demo.checks import Copies, run_command
from hermitcrab.demo.editor import DemoEditor
from hermitcrab.demo.mutations import Mutated, Mutation, checked_by, mutate, project_files, sample_files
from hermitcrab.demo.sample_tests import TestRun, TestsInCopy, run_tests
from hermitcrab.demo.show import Screen
from hermitcrab.procs.converse import converse

NOTE = "\n# a note of yours, not saved yet\n"
_SCRATCH = Path(tempfile.gettempdir())  # checks of texts need a folder; nothing is written there
_COUNT = 6  # problems within the rules, in a project that is not the sample


@dataclass(slots=True)
class Story:
    """What happened, for the verdict at the end."""

    root: Path
    unsaved: str = ""  # the URI of the file with the unsaved note
    said: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # file -> the model's words
    seconds: list[float] = field(default_factory=list[float])


class Demo:
    """One run."""

    def __init__(
        self,
        seed: int,
        *,
        model: str | None = None,
        project: Path | None = None,
        tests: str | None = None,
        keep: bool = False,
        color: bool = True,
    ) -> None:
        self._seed, self._model, self._keep = seed, model or "offline", keep
        self._project, self._tests = project.resolve() if project else None, tests
        self._screen = Screen(color=color)
        self._questions = 0

    async def run(self) -> int:
        """Show all of it; return the exit code."""
        kind = " (rules, no language model)" if self._model == "offline" else ""
        self._screen.line(f"Hermitcrab demo: seed {self._seed}, model {self._model}{kind}", "bold")
        files = await asyncio.to_thread(self._files)
        self._copies = Copies(self._project, files)
        try:
            mutated = await self._make_problems(files)
            if not mutated.mutations:
                self._screen.line("no place for a problem was found in this project's Python files", "yellow")
                return 1
            story = Story(await asyncio.to_thread(self._copies.make, mutated.files))
            before = await self._before(story, mutated)
            shown, left = await self._fix_all(story, mutated)
            return await self._verdict(story, mutated, before, shown, left)
        finally:
            if not self._keep:
                self._copies.remove()

    def _files(self) -> dict[str, str]:
        return sample_files() if self._project is None else project_files(self._project)

    async def _make_problems(self, files: dict[str, str]) -> Mutated:
        from hermitcrab.diagnostics.collect import Collector

        where = "a small project" if self._project is None else f"a copy of {self._project}"
        self._screen.heading(f"1. Problems are made in {where}")
        check = checked_by(Collector(environment=dict(os.environ)), _SCRATCH)
        if self._project is not None:
            return await mutate(files, seed=self._seed, check=check, count=_COUNT)
        tests = TestsInCopy(files)
        try:
            return await mutate(files, seed=self._seed, check=check, fails=tests)
        finally:
            tests.close()

    async def _before(self, story: Story, mutated: Mutated) -> TestRun | bool | None:
        for made in mutated.mutations:
            beyond = "" if made.is_within_rules else "   (beyond the rules: no rule can know what was meant)"
            kind = made.kind.replace("_", " ")
            self._screen.line(f"   {made.file}:{made.line}  {kind}: {made.name}{beyond}")
        return await self._run_tests(story.root)

    async def _run_tests(self, folder: Path) -> TestRun | bool | None:
        if self._tests is not None:
            passed = await run_command(self._tests, folder)
            self._screen.line(
                f"   tests: `{self._tests}` {'passes' if passed else 'fails'}", "green" if passed else "red"
            )
            return passed
        if self._project is not None:
            self._screen.line("   tests: not run; --tests 'COMMAND' runs yours before and after", "dim")
            return None
        found = await run_tests(folder)
        failing = f"{len(found.failed)} fail or cannot be imported" if found.failed else "none fails"
        self._screen.line(f"   tests: {len(found.passed)} pass, {failing}", "red" if found.failed else "green")
        return found

    async def _fix_all(self, story: Story, mutated: Mutated) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Let the server fix what it offers to; return what the editor shows, and the problems left, by file."""
        self._screen.heading("2. An editor opens the files and takes the lightbulb's offers")
        with tempfile.TemporaryDirectory(prefix="hermitcrab-demo-home-") as home:
            argv = [sys.executable, "-m", "hermitcrab", "lsp", "--model", self._model]
            env = {**os.environ, "HERMITCRAB_HOME": home}
            async with converse(argv, cwd=Path.cwd(), env=env) as conversation:
                editor = DemoEditor(conversation, answer=self._answer)
                await editor.begin(story.root, {"edits": "ask"})
                await editor.request("hermitcrab/trust/set", {"cwd": str(story.root), "trusted": True})
                for name in mutated.files:
                    await self._fix_file(story, editor, name)
                shown = {name: editor.buffers[(story.root / name).as_uri()].lines.text for name in mutated.files}
                left = {name: await self._problems(story, editor, name) for name in mutated.files}
                await editor.end()
        return shown, left

    def _answer(self, params: dict[str, Any]) -> str:
        answer = (
            "allow_session" if any(option["optionId"] == "allow_session" for option in params["options"]) else "reject"
        )
        self._questions += 1
        self._screen.question(params, answer)
        return answer

    async def _problems(self, story: Story, editor: DemoEditor, name: str) -> list[str]:
        found = await editor.checked((story.root / name).as_uri())
        return [str(problem["message"]) for problem in found]

    async def _fix_file(self, story: Story, editor: DemoEditor, name: str) -> None:
        uri = editor.open(story.root / name)
        if not story.unsaved:
            story.unsaved = uri
            editor.type_at_end(uri, NOTE)
            self._screen.line(f"   (you are typing in {name}: one line at its end is not saved)", "cyan")
        tried: set[str] = set()
        while True:
            found = [problem for problem in await editor.checked(uri) if problem["message"] not in tried]
            if not found:
                return
            tried.add(found[0]["message"])
            await self._fix(story, editor, uri, name, found[0])

    async def _fix(self, story: Story, editor: DemoEditor, uri: str, name: str, problem: dict[str, Any]) -> None:
        params = {"textDocument": {"uri": uri}, "range": problem["range"], "context": {"diagnostics": [problem]}}
        offers = await editor.request("textDocument/codeAction", params)
        action = await editor.request("codeAction/resolve", offers[0])
        self._screen.line()
        self._screen.line(f"   {name}:{problem['range']['start']['line'] + 1}  {action['title']}", "bold")
        editor.updates.clear()
        editor.on_update = self._screen.update
        began = time.monotonic()
        command = action["command"]
        await editor.request("workspace/executeCommand", {key: command[key] for key in ("command", "arguments")})
        end = await editor.idle()
        story.seconds.append(time.monotonic() - began)
        words = _last_words(editor.updates)
        story.said.setdefault(name, []).append(words)
        for line in (words or end.get("message") or "").splitlines():
            if not line.strip():
                break  # what follows is the same for every turn
            self._screen.line(f"     {line}", "yellow" if "not fixed" in line.lower() else "cyan")
        self._screen.line(f"     {story.seconds[-1]:.2f} s", "dim")

    async def _verdict(
        self,
        story: Story,
        mutated: Mutated,
        before: TestRun | bool | None,
        shown: Mapping[str, str],
        left: Mapping[str, list[str]],
    ) -> int:
        self._screen.heading("3. What came of it")
        faults = [fault for made in mutated.mutations if (fault := self._judge(made, story, left))]
        faults += await asyncio.to_thread(self._judge_note, story, shown)
        after = await self._run_tests(await asyncio.to_thread(self._copies.make, shown))
        faults += _judge_tests(mutated, before, after)
        if isinstance(after, TestRun) and not faults:
            rest = "; the others fail because of the one beyond the rules" if after.failed else ""
            self._screen.line(f"   ✓ every test of a fixed problem passes{rest}", "green")
        total = sum(story.seconds)
        questions = "1 permission question" if self._questions == 1 else f"{self._questions} permission questions"
        self._screen.line(f"   {len(story.seconds)} turns in {total:.1f} s, {questions}")
        if self._keep:
            self._screen.line(f"   kept: {story.root}")
        for fault in faults:
            self._screen.line(f"   ✗ {fault}", "red")
        self._screen.line()
        self._screen.line("   Next: `hermitcrab run --help`, or your editor (README).", "bold")
        return 1 if faults else 0

    def _judge(self, made: Mutation, story: Story, left: Mapping[str, list[str]]) -> str:
        place = f"{made.file}:{made.line} {made.kind.replace('_', ' ')}"
        is_left = any(made.name in message for message in left[made.file]) or bool(left[made.file] and not made.name)
        if not made.is_within_rules:
            is_named = any("not fixed" in words.lower() for words in story.said.get(made.file, ()))
            if is_left and is_named:
                self._screen.line(f"   – {place}: not fixed, and said so", "yellow")
                return ""
            if not is_left and self._model != "offline":
                self._screen.line(f"   ✓ {place}: fixed, though no rule could", "green")
                return ""
            return f"{place}: {'not fixed, and not said so' if is_left else 'gone, which no rule can do honestly'}"
        if is_left:
            return f"{place}: still there"
        self._screen.line(f"   ✓ {place}: fixed", "green")
        return ""

    def _judge_note(self, story: Story, shown: Mapping[str, str]) -> list[str]:
        name = Path(story.unsaved.removeprefix(story.root.as_uri()).lstrip("/")).as_posix()
        in_editor = shown[name].endswith(NOTE)
        on_disk = NOTE.strip() in (story.root / name).read_text("utf-8")
        if not in_editor:
            return [f"your unsaved line in {name} was lost"]
        if on_disk:
            return [f"your unsaved line in {name} was saved behind your back"]
        self._screen.line(f"   ✓ {name}: your unsaved line is still there, and still unsaved", "green")
        return []


def _last_words(updates: list[dict[str, Any]]) -> str:
    chunks = [update for update in updates if update["sessionUpdate"] == "agent_message_chunk"]
    last = chunks[-1]["messageId"] if chunks else None
    return "".join(chunk["content"]["text"] for chunk in chunks if chunk["messageId"] == last)


def _judge_tests(mutated: Mutated, before: TestRun | bool | None, after: TestRun | bool | None) -> list[str]:
    if not isinstance(before, TestRun) or not isinstance(after, TestRun):
        return []
    fixed = {test for made in mutated.mutations if made.is_within_rules for test in made.failing}
    beyond = {test for made in mutated.mutations if not made.is_within_rules for test in made.failing}
    broken = sorted((after.failed & fixed) - beyond)
    new = sorted(after.failed - before.failed - beyond)
    return [f"still failing: {test}" for test in broken] + [f"newly failing: {test}" for test in new]
