"""A model that wants the right thing and does it badly: one imperfection a run, chosen and shaped by a seed.

It stands at the provider's port and knows nothing of the product but what a prompt tells it: the tools' schemas, the
results and the words it is sent. It reacts to an error text as a mediocre model does: it takes a hint that is precise
(lines shown, keys named, a file named, a tool named), and is lost with one that is not. It stays in the tests: a user has
a model of their own to suffer from, and what they send us is a script or a recording.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hermitcrab.core.messages import (
    BlockPart,
    BrokenCall,
    CallBlock,
    CallStartPart,
    Prompt,
    ResultBlock,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ToolCall,
    Usage,
    UsagePart,
    UserMessage,
)

Act = tuple[str, dict[str, Any]]
"""A tool's name and arguments; the name `say` says its `text`, `broken` is a call whose JSON does not parse."""


@dataclass(frozen=True)
class Task:
    """What the model is after: in `file`, the line `line` (1-based) says `wrong` where it should say `right`."""

    file: str
    lines: tuple[str, ...]
    line: int
    wrong: str
    right: str

    @property
    def old(self) -> str:
        return self.lines[self.line - 1]

    def fixed(self, line: str) -> str:
        return line.replace(self.wrong, self.right)


def edit(task: Task, old: str, new: str) -> Act:
    return "Edit", {"file_path": task.file, "old_string": old, "new_string": new}


def right_edit(task: Task, around: int = 0) -> Act:
    first = max(0, task.line - 1 - around)
    old = task.lines[first : task.line]
    return edit(task, "\n".join(old), "\n".join([*old[:-1], task.fixed(old[-1])]))


IMPERFECTIONS: dict[str, Callable[[Task, random.Random], list[Act]]] = {}


def imperfection(what: Callable[[Task, random.Random], list[Act]]) -> Callable[[Task, random.Random], list[Act]]:
    IMPERFECTIONS[what.__name__] = what
    return what


@imperfection
def near_miss(task: Task, chance: random.Random) -> list[Act]:
    """A letter is wrong in what it wants to replace."""
    at = chance.randrange(len(task.old) - len(task.old.lstrip()), len(task.old))
    old = task.old[:at] + "q" + task.old[at + 1 :]
    return [edit(task, old, task.fixed(task.old))]


@imperfection
def misremembered_lines(task: Task, chance: random.Random) -> list[Act]:
    """Of several lines one is not in the file."""
    _, arguments = right_edit(task, 1)
    old = arguments["old_string"].split("\n")
    return [edit(task, "\n".join([old[0], "    # and so on", *old[1:]]), arguments["new_string"])]


@imperfection
def line_numbers(task: Task, chance: random.Random) -> list[Act]:
    """Read's numbers are copied into the old text, often into the new one too."""
    number, first = chance.choice([True, False]), max(1, task.line - 1)
    _, arguments = right_edit(task, 1)

    def numbered(text: str) -> str:
        return "\n".join(f"{at}\t{line}" for at, line in enumerate(text.split("\n"), first))

    new = arguments["new_string"]
    return [
        ("Read", {"file_path": task.file}),
        edit(task, numbered(arguments["old_string"]), numbered(new) if number else new),
    ]


@imperfection
def wrong_indentation(task: Task, chance: random.Random) -> list[Act]:
    indent = " " * chance.choice([1, 2, 6, 8])
    return [edit(task, f"{indent}{task.old.strip()}\n", f"{indent}{task.fixed(task.old.strip())}\n")]


@imperfection
def indentation_of_the_new_text(task: Task, chance: random.Random) -> list[Act]:
    """It finds the line and puts it back at another depth: the file no longer parses."""
    return [edit(task, task.old, " " * chance.choice([1, 3, 9]) + task.fixed(task.old.strip()))]


@imperfection
def tabs_for_spaces(task: Task, chance: random.Random) -> list[Act]:
    return [edit(task, "\t" + task.old.strip(), "\t" + task.fixed(task.old.strip()))]


@imperfection
def trailing_space(task: Task, chance: random.Random) -> list[Act]:
    _, arguments = right_edit(task, 1)
    old = "\n".join(line + " " * chance.randint(1, 3) for line in arguments["old_string"].split("\n"))
    return [edit(task, old, arguments["new_string"])]


@imperfection
def crlf(task: Task, chance: random.Random) -> list[Act]:
    """It writes the other line end (the file has either)."""
    _, arguments = right_edit(task, 1)
    return [edit(task, *(arguments[key].replace("\n", "\r\n") for key in ("old_string", "new_string")))]


@imperfection
def smart_quotes(task: Task, chance: random.Random) -> list[Act]:
    def smart(line: str) -> str:
        return re.sub(r'"([^"]*)"', "“\\1”", line)

    return [edit(task, smart(task.old), smart(task.fixed(task.old)))]


@imperfection
def occurs_twice(task: Task, chance: random.Random) -> list[Act]:
    """Too little text: the word stands elsewhere too."""
    return [edit(task, "print(", f"print({task.right}, ") if chance.random() < 0.3 else edit(task, "total", "total_")]


@imperfection
def parallel_edits(task: Task, chance: random.Random) -> list[Act]:
    """Several edits of one line in one message, the later ones computed on the text before the first."""
    return [
        (
            "many",
            {"acts": [right_edit(task), right_edit(task, 1), edit(task, task.old, task.fixed(task.old) + "  # fixed")]},
        )
    ]


@imperfection
def write_never_read(task: Task, chance: random.Random) -> list[Act]:
    """The whole file from memory."""
    text = "\n".join(task.fixed(line) for line in task.lines) + "\n"
    return [("Write", {"file_path": task.file, "content": text})]


@imperfection
def edit_never_read(task: Task, chance: random.Random) -> list[Act]:
    """It guesses how the line is written."""
    return [edit(task, f"print({task.wrong})", f"print({task.right})")]


@imperfection
def prose_diff(task: Task, chance: random.Random) -> list[Act]:
    diff = (
        f"--- a/{task.file}\n+++ b/{task.file}\n@@ -{task.line} +{task.line} @@\n-{task.old}\n+{task.fixed(task.old)}"
    )
    return [("say", {"text": f"Here is the change:\n```diff\n{diff}\n```\nThat fixes it."})]


@imperfection
def prose_code(task: Task, chance: random.Random) -> list[Act]:
    return [("say", {"text": f"Change line {task.line} to:\n```python\n{task.fixed(task.old)}\n```"})]


@imperfection
def no_such_tool(task: Task, chance: random.Random) -> list[Act]:
    name = chance.choice(["str_replace_editor", "apply_patch", "edit_file", "functions.Edit", "replace_in_file"])
    return [(name, right_edit(task)[1])]


@imperfection
def missing_keys(task: Task, chance: random.Random) -> list[Act]:
    _, arguments = right_edit(task)
    arguments.pop(chance.choice(sorted(arguments)))
    return [("Edit", arguments)]


@imperfection
def other_keys(task: Task, chance: random.Random) -> list[Act]:
    _, arguments = right_edit(task)
    names = chance.choice(
        [("path", "old_str", "new_str"), ("filePath", "oldString", "newString"), ("file", "search", "replace")]
    )
    return [("Edit", dict(zip(names, arguments.values(), strict=True)))]


@imperfection
def wrong_types(task: Task, chance: random.Random) -> list[Act]:
    _, arguments = right_edit(task)
    key = chance.choice(["old_string", "new_string"])
    arguments[key] = chance.choice([[arguments[key]], {"text": arguments[key]}, task.line, None])
    return [("Edit", arguments)]


@imperfection
def broken_json(task: Task, chance: random.Random) -> list[Act]:
    return [("broken", {"name": "Edit"})]


@imperfection
def reads_for_ever(task: Task, chance: random.Random) -> list[Act]:
    return [("Read", {"file_path": task.file})] * chance.randint(3, 12)


@imperfection
def looks_in_turns_for_ever(task: Task, chance: random.Random) -> list[Act]:
    return [("Read", {"file_path": task.file}), ("Grep", {"pattern": task.wrong})] * chance.randint(3, 8)


@imperfection
def gives_up_early(task: Task, chance: random.Random) -> list[Act]:
    return [("say", {"text": chance.choice(["I could not find the problem.", "Let me look at the file first.", ""])})]


@imperfection
def claims_success(task: Task, chance: random.Random) -> list[Act]:
    return [("say", {"text": "I have fixed the problem and all checks pass."})]


@imperfection
def fixes_something_else(task: Task, chance: random.Random) -> list[Act]:
    return [edit(task, task.lines[0], f"{task.lines[0]}  # checked"), ("say", {"text": "Fixed."})]


@imperfection
def hanging_command(task: Task, chance: random.Random) -> list[Act]:
    return [("Bash", {"command": "sleep 600", "timeout": 100})]


@imperfection
def foreign_path(task: Task, chance: random.Random) -> list[Act]:
    root = chance.choice(["/srv/elsewhere/shop", "/workspace/shop", "C:\\elsewhere\\shop", "shop"])
    tool, arguments = right_edit(task)
    return [(tool, {**arguments, "file_path": f"{root}/{task.file}"})]


_DONE: Act = ("say", {"text": "Done: the problem is fixed."})

INATTENTIVE = 0.1
"""How often it passes over what it hears."""

STUBBORN = 0.08
"""The share of runs in which the model never takes a hint: what it claims at the end must not stand."""


class Noisy:
    """Plays one imperfection, then goes by what it hears."""

    wire = "noisy"

    def __init__(self, task: Task, kind: str, seed: int, *, is_deaf: bool = False) -> None:
        self._is_deaf = is_deaf  # hears that something failed, and not what
        self._task, self._chance = task, random.Random(f"{kind} {seed}")
        self._script = IMPERFECTIONS[kind](task, self._chance)
        self.is_stubborn = self._chance.random() < STUBBORN
        self._repeats = self._chance.choice([0, 0, 1, 2])
        self._patience = self._chance.randint(3, 6)
        self._last: Act = self._script[0]
        self._pending = list(self._script)
        self._count = 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        act = self._next(prompt)
        self._last = act
        acts = act[1]["acts"] if act[0] == "many" else [act]
        has_call = False
        for one in acts:
            for part in self._parts(*one):
                yield part
            has_call = has_call or one[0] != "say"
        yield UsagePart(Usage(0, 0))
        yield StopPart("tool_use" if has_call else "end_turn")

    async def close(self) -> None:
        pass

    def _parts(self, name: str, arguments: dict[str, Any]) -> Iterator[StreamPart]:
        if name == "say":
            if arguments["text"]:
                yield TextPart(arguments["text"])
                yield BlockPart(TextBlock(arguments["text"]), {"type": "text", "text": arguments["text"]})
            return
        self._count += 1
        call_id = f"call_{self._count}"
        if name == "broken":
            yield CallStartPart(call_id, "Edit")
            raw = '{"file_path": "a.py", "old_string": "x'
            broken = BrokenCall(call_id, "Edit", raw, "it ends inside a string")
            yield BlockPart(CallBlock(broken), {"type": "tool_use", "id": call_id, "name": "Edit", "input": raw})
            return
        yield CallStartPart(call_id, name)
        call = ToolCall(call_id, name, arguments)
        yield BlockPart(CallBlock(call), {"type": "tool_use", "id": call_id, "name": name, "input": arguments})

    def _next(self, prompt: Prompt) -> Act:
        """Play the script to its end; after that react to what came of it."""
        heard = _heard(prompt)
        if self._pending and not (heard.note and not self.is_stubborn):
            return self._pending.pop(0)
        self._pending = []
        if self.is_stubborn:
            return self._stubborn(heard)
        return self._react(heard)

    def _stubborn(self, heard: Heard) -> Act:
        self._patience -= 1
        if self._patience > 0 and self._last[0] != "say":
            return self._script[-1]
        return _DONE

    def _react(self, heard: Heard) -> Act:
        if heard.is_error and self._repeats:
            self._repeats -= 1
            return self._script[-1]
        if not heard.is_error and self._edited(heard.text):
            return _DONE
        self._patience -= 1
        if self._patience < 0:
            return _DONE
        if self._chance.random() < INATTENTIVE:
            return self._chance.choice([self._script[-1], _DONE])
        return self._hint("" if self._is_deaf else heard.text) or self._lost()

    def _edited(self, text: str) -> bool:
        return text.startswith(("Edited", "Wrote")) and self._task.wrong not in text.split("\n", 1)[-1]

    def _hint(self, text: str) -> Act | None:
        """Do what a precise text says, going by its words alone."""
        if (match := re.search(r"did you mean `([^`]+)`", text)) is not None:
            return self._again(file_path=match[1])
        if (match := re.search(r"there is no tool `[^`]+`; there are: (.*)", text)) is not None and "Edit" in match[1]:
            return right_edit(self._task)
        if (match := re.search(r"Keys: (.*)", text)) is not None:
            keys = re.findall(r"`(\w+)`(?!\?)", match[1])
            wanted = {"path": self._task.file, "old": self._task.old, "new": self._task.fixed(self._task.old)}
            return "Edit", {key: wanted[next(part for part in wanted if part in key)] for key in keys}
        if "JSON" in text:
            return right_edit(self._task)
        if re.search(r"occurs \d+ times", text) and "more of the text" in text:
            return right_edit(self._task, 1)
        if shown := _shown_lines(text):
            return self._edit_of(shown)
        if re.search(r"\b[Rr]ead (it|the file)\b", text) or "Read:" in text:
            return "Read", {"file_path": self._task.file}
        return None

    def _edit_of(self, shown: dict[int, str]) -> Act | None:
        """Change the line that is meant, written as it was shown."""
        wrong = next((line for line in shown.values() if self._task.wrong in line), None)
        if wrong is not None:
            return edit(self._task, wrong, self._task.fixed(wrong))
        right = self._task.fixed(self._task.old)
        near = next((line for line in shown.values() if line != right and line.strip() == right.strip()), None)
        if near is not None:
            return edit(self._task, near, right)
        return _DONE if right in shown.values() else None

    def _again(self, **changed: Any) -> Act:
        name, arguments = self._last
        return name, {**arguments, **changed}

    def _lost(self) -> Act:
        """Nothing it heard says what to do: it looks at the file, does the same again, or ends as if all were well."""
        return self._chance.choice([("Read", {"file_path": self._task.file}), self._script[-1], _DONE])


@dataclass(frozen=True)
class Heard:
    """The newest message: the last result's text, whether it was an error, and words beside the results."""

    text: str
    is_error: bool
    note: str | None


def _heard(prompt: Prompt) -> Heard:
    last = prompt.messages[-1]
    assert isinstance(last, UserMessage)
    results = [block for block in last.blocks if isinstance(block, ResultBlock)]
    words = [block.text for block in last.blocks if isinstance(block, TextBlock)]
    is_first = len(prompt.messages) == 1
    note = "\n".join(words) if words and not is_first else None
    if not results:
        return Heard(note or "", False, note)
    worst = next((block for block in results if block.is_error), results[-1])
    return Heard(worst.text, worst.is_error, note)


def _shown_lines(text: str) -> dict[int, str]:
    """Return numbered lines as a text shows them."""
    return {int(number): line for number, line in re.findall(r"^ *(\d+)\t(.*)$", text, re.MULTILINE)}
