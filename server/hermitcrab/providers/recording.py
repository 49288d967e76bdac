"""Writes down what a model says, as a script that `scripted:FILE` replays: bug reports that can be run.

Replies are kept word by word, so that a replay does what happened; of requests only the shape is kept, as comments.
Secrets are hidden always, and with `hides_text` also words and file contents: what is left is how it went.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from hermitcrab import __version__
from hermitcrab.core.errors import ProviderError
from hermitcrab.core.messages import (
    AssistantMessage,
    BlockPart,
    BrokenCall,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    NoticePart,
    Prompt,
    ResultBlock,
    RetryPart,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ThinkingBlock,
    ThinkingPart,
    ToolCall,
    UsagePart,
)
from hermitcrab.core.ports import Provider
from hermitcrab.net.redact import is_secret_name, scrub

_log = logging.getLogger(__name__)

_MODEL = re.compile(r"recording:(?P<file>.+?):(?P<model>offline|scripted:.+|[a-z0-9_-]+/.+)", re.DOTALL)
_PATTERNS = re.compile(
    r"(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}"
    r"|A(?:KI|SI)A[0-9A-Z]{16}|AIza[\w-]{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}|(?i:bearer)\s+[\w.~+/-]{16,}=*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_SHORTEST = 8  # characters; a shorter value is a word like any other
_PLACES = frozenset({"file_path", "path", "pattern", "glob", "type", "output_mode"})  # kept where texts are hidden
_MOST_FILES = 1000


def split_recording(model: str) -> tuple[Path | None, str]:
    """Return the file and the model in `recording:FILE:MODEL`; no file and `model` itself for any other name."""
    found = _MODEL.fullmatch(model)
    return (Path(found["file"]).expanduser(), found["model"]) if found else (None, model)


@dataclass(frozen=True, slots=True)
class Hider:
    """Takes out of a recording what nobody else is to see."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    hides_text: bool = False

    @staticmethod
    def of(environment: Mapping[str, str], *, hides_text: bool = False) -> Hider:
        """Return one that knows the secrets of an environment, by the names of its variables."""
        found = {value for name, value in environment.items() if is_secret_name(name) and len(value) >= _SHORTEST}
        return Hider(tuple(sorted(found, key=len, reverse=True)), hides_text)

    def secrets_in(self, text: str) -> str:
        """Return `text` without secrets, our own and those that look like one."""
        return _PATTERNS.sub("[hidden]", scrub(text, self.secrets))

    def text(self, text: str) -> str:
        """Return words or a file's contents as they may be shown."""
        shown = self.secrets_in(text)
        return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "0", shown)) if self.hides_text else shown

    def value(self, value: Any, key: str = "") -> Any:
        """Return an argument of a call as it may be shown; its shape stays."""
        if isinstance(value, str):
            return self.secrets_in(value) if key in _PLACES else self.text(value)
        if isinstance(value, dict):
            return {name: self.value(item, name) for name, item in cast("dict[str, Any]", value).items()}
        if isinstance(value, list):
            return [self.value(item, key) for item in cast("list[Any]", value)]
        return value


class RecordingProvider:
    """Another provider, with everything it says written down reply by reply; an existing file is never overwritten."""

    def __init__(self, inner: Provider, model: str, file: Path, hider: Hider | None = None) -> None:
        self._inner, self._model, self._wanted, self._hider = inner, model, file, hider or Hider()
        self._count = 0
        self.file: Path | None = None  # where it is written, from the first reply on
        self.destination = getattr(inner, "destination", None)

    @property
    def hides_text(self) -> bool:
        """Tell whether words and file contents are hidden too."""
        return self._hider.hides_text

    @property
    def wire(self) -> str:
        """Return the inner provider's dialect."""
        return self._inner.wire

    async def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        """Yield the inner provider's reply, and write it down when it is over, however it ends."""
        self._count += 1
        take = _Take(self._hider)
        end = "cut", "the turn was stopped here"
        try:
            async with aclosing(self._inner.stream(replace(prompt, model=self._model))) as parts:
                async for part in parts:
                    take.part(part)
                    yield part
            end = "", ""
        except ProviderError as error:
            end = "cut" if take.is_shown else "fail", str(error)
            raise
        finally:
            text = "\n".join([*_shape(prompt, self._count), *take.lines(*end)])
            await asyncio.shield(asyncio.to_thread(self._write, text))

    async def close(self) -> None:
        """Give back the inner provider's connections."""
        await self._inner.close()

    def _write(self, text: str) -> None:
        """Append one reply; what cannot be written must not end a turn."""
        try:
            if self.file is None:
                self.file = _new_file(self._wanted)
                text = f"# Recorded by hermitcrab {__version__}; replay it with --model scripted:FILE\n\n{text}"
            with self.file.open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"{text}\n\n")
        except OSError as error:
            _log.warning("the recording cannot be written: %s", error.strerror)


@dataclass(slots=True)
class _Take:
    """One reply under way, as the lines of a script."""

    hider: Hider
    done: list[str] = field(default_factory=list[str])
    words: list[str] = field(default_factory=list[str])  # shown, their block not whole yet
    thoughts: list[str] = field(default_factory=list[str])
    calls: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # begun: id -> name and pieces of JSON
    stop: str = ""
    is_shown: bool = False

    def part(self, part: StreamPart) -> None:
        match part:
            case TextPart(text):
                self.words.append(text)
                self.is_shown = True
            case ThinkingPart(text):
                self.thoughts.append(text)
                self.is_shown = True
            case CallStartPart(call, name):
                self.calls[call] = [name]
                self.is_shown = True
            case CallArgumentsPart(call, piece):
                self.calls.setdefault(call, [""]).append(piece)
            case BlockPart(block):
                self._block(block)
            case StopPart(reason):
                self.stop = reason
            case RetryPart(reason, wait):
                self.done += [f"# tried again after {wait:.2f} s", f"busy {self._quoted(reason)}"]
            case NoticePart(text):
                self._comment(text)
            case UsagePart(usage):
                self._comment(f"tokens: {usage.input} in, {usage.output} out, {usage.cache_read} from the cache")

    def lines(self, end: str, why: str) -> list[str]:
        """Return the whole reply; `end` is `cut` or `fail` where it has no end of its own."""
        lines = list(self.done)
        if self.thoughts:
            lines.append(f"think {self._quoted(''.join(self.thoughts), is_text=True)}")
        if self.words:
            lines.append(f"say {self._quoted(''.join(self.words), is_text=True)}")
        begun = next(iter(self.calls.values()), None)
        if end == "fail":
            return [*lines, f"fail {self._quoted(why)}"]
        if end:
            lines.append(f"# {_one_line(self.hider.secrets_in(why))}")
        if begun is not None:
            return [*lines, f"cut-call {_name(begun[0])} {_one_line(self.hider.text(''.join(begun[1:])))}".rstrip()]
        return [*lines, "cut" if end or self.words or self.thoughts else f"stop {self.stop or 'end_turn'}"]

    def _block(self, block: TextBlock | ThinkingBlock | CallBlock) -> None:
        match block:
            case TextBlock(text):
                self.words.clear()
                self.done.append(f"say {self._quoted(text, is_text=True)}")
            case ThinkingBlock(text):
                self.thoughts.clear()
                self.done.append(f"think {self._quoted(text, is_text=True)}" if text else "# a thought in no words")
            case CallBlock(call):
                self.calls.pop(call.id, None)
                self.done.append(self._call(call))
        self.is_shown = True

    def _call(self, call: ToolCall | BrokenCall) -> str:
        if isinstance(call, ToolCall):
            return f"call {_name(call.name)} {json.dumps(self.hider.value(call.arguments))}"
        return f"broken {_name(call.name)} {_one_line(self.hider.text(call.raw))}".rstrip()

    def _quoted(self, text: str, *, is_text: bool = False) -> str:
        return json.dumps(self.hider.text(text) if is_text else self.hider.secrets_in(text))

    def _comment(self, text: str) -> None:
        self.done.append(f"# {_one_line(self.hider.secrets_in(text))}")


def _shape(prompt: Prompt, number: int) -> list[str]:
    """Return what a request looked like, without anything it said."""
    tools = " ".join(tool.name for tool in prompt.tools)
    lines = [f"# request {number}: system {len(prompt.system)} characters; tools {tools or '(none)'}"]
    return [*lines, *(f"#   {_message_shape(message)}" for message in prompt.messages)]


def _message_shape(message: Any) -> str:
    who = "assistant" if isinstance(message, AssistantMessage) else "user"
    return f"{who}: " + ", ".join(_block_shapes(message.blocks))


def _block_shapes(blocks: Iterable[Any]) -> Iterable[str]:
    for block in blocks:
        match block:
            case TextBlock(text):
                yield f"text {len(text)}"
            case ThinkingBlock(text):
                yield f"thought {len(text)}"
            case ResultBlock(_, text, is_error):
                yield f"{'error' if is_error else 'result'} {len(text)}"
            case CallBlock(ToolCall(_, name, arguments)):
                yield _one_line(f"call {name}({' '.join(sorted(arguments))})")
            case _:
                yield "broken call"


def _name(name: str) -> str:
    """Return a tool's name as one word of a script."""
    return "".join(char if char.isprintable() and not char.isspace() else "_" for char in name) or "_"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _new_file(wanted: Path) -> Path:
    """Make a private file of that name, or of the next free one beside it."""
    for number in range(1, _MOST_FILES):
        path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            continue
        return path
    raise FileExistsError(17, "there are too many recordings of that name")
