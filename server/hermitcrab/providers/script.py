"""The language of scripts: what a model says, line by line, for stories, load tests and bug reports.

Replies are separated by blank lines; `#` begins a comment. A reply is made of

    say TEXT                  words; a JSON string when it begins with a quote
    think TEXT                reasoning
    call Tool key=value …     a tool call; values are strings, JSON strings when quoted; `key:=JSON` for anything else
    call Tool {…}             the same as one JSON object
    broken Tool RAW           a tool call that is closed but whose JSON is RAW
    cut                       the stream ends here
    cut-call Tool RAW         the stream ends inside a tool call
    wait SECONDS              silence
    delta N                   from here on text and arguments come in pieces of N characters
    say-many N                N pieces of eight characters
    stop REASON               end_turn, tool_use, max_tokens or refusal
    busy TEXT                 the model is busy, once; what follows is the answer to the next try
    fail TEXT                 the model cannot be used
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from hermitcrab.core.errors import SettingsError
from hermitcrab.core.messages import JsonObject
from hermitcrab.providers.raw import is_object

Reason = Literal["tool_use", "end_turn", "max_tokens", "refusal"]

_KEY = re.compile(r"\s*([^\s=:\"{]+)(:=|=)")
_BARE = re.compile(r"\S*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Say:
    """Words, in pieces of `size` characters (0: in one)."""

    text: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Think:
    """Reasoning."""

    text: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call whose block is closed; `arguments` is its JSON, sound or not."""

    name: str
    arguments: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of the stream, inside a call when there is one."""

    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """The reason the reply gives for its end."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Busy:
    """A try that is refused for now."""

    text: str


@dataclass(frozen=True, slots=True)
class Fail:
    """A request that is refused."""

    text: str


@dataclass(frozen=True, slots=True)
class Other:
    """A line in words only the reader of this script knows."""

    word: str
    rest: str


Step = Say | Think | Call | Cut | Wait | Stop | Busy | Fail | Other
Reply = tuple[Step, ...]


def parse_script(text: str, *, name: str = "script", also: frozenset[str] = frozenset()) -> tuple[Reply, ...]:
    """Return the replies of a script; raise SettingsError with name and line; words in `also` are passed through."""
    replies: list[list[Step]] = [[]]
    size = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#"):
            continue
        word, _, rest = line.strip().partition(" ")
        if not word:
            replies.append([])
            size = 0
            continue
        try:
            if word == "delta":
                size = _whole(rest)
            else:
                step = Other(word, rest.strip()) if word in also else _step(word, rest.strip(), size)
                _append(replies[-1], step)
        except ValueError as error:
            raise SettingsError(f"`{name}` line {number}: {error}") from None
    return tuple(tuple(reply) for reply in replies if reply)


def pieces_of(text: str, size: int) -> Iterator[str]:
    """Yield `text` in pieces of `size` characters; in one when `size` is 0."""
    if size <= 0:
        if text:
            yield text
        return
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _append(reply: list[Step], step: Step) -> None:
    if reply and isinstance(reply[-1], (Cut, Fail)):
        raise ValueError("nothing can follow the end of a stream; begin a new reply after a blank line")
    reply.append(step)


def _step(word: str, rest: str, size: int) -> Step:
    read = _WORDS.get(word)
    if read is None:
        raise ValueError(f"`{word}` is not a word of scripts; there are {', '.join(sorted(_WORDS))} and delta")
    return read(rest, size)


def _words(rest: str) -> str:
    if not rest.startswith('"'):
        return rest
    try:
        text: object = json.loads(rest)
    except ValueError as error:
        raise ValueError(f"text that begins with a quote is a JSON string: {error}") from None
    return str(text)


def _call(rest: str, size: int) -> Call:
    name, _, arguments = rest.partition(" ")
    if not name:
        raise ValueError("`call` needs the name of a tool")
    return Call(name, json.dumps(_arguments(arguments.strip()), ensure_ascii=False), size)


def _raw_call(rest: str, size: int) -> Call:
    name, _, raw = rest.partition(" ")
    if not name:
        raise ValueError("the name of a tool is missing")
    return Call(name, raw, size)


def _arguments(text: str) -> JsonObject:
    if text.startswith("{"):
        value: object = json.loads(text)
        if not is_object(value):
            raise ValueError("arguments are one JSON object")
        return value
    arguments: JsonObject = {}
    at = 0
    while text[at:].strip():
        key = _KEY.match(text, at)
        if key is None:
            raise ValueError(f"`key=value` is expected at `{text[at:].strip()[:40]}`; quote values with spaces")
        arguments[key[1]], at = _value(text, key.end(), is_json=key[2] == ":=")
    return arguments


def _value(text: str, at: int, *, is_json: bool) -> tuple[Any, int]:
    if is_json or text.startswith('"', at):
        value, end = _DECODER.raw_decode(text, at)
        if end < len(text) and not text[end].isspace():
            raise ValueError(f"a space is expected after `{text[at:end][:40]}`")
        return value, end
    bare = _BARE.match(text, at)
    return (bare[0], bare.end()) if bare else ("", at)


def _whole(text: str) -> int:
    if not text.strip().isdigit():
        raise ValueError(f"a whole number is expected, not `{text.strip()}`")
    return int(text)


def _seconds(rest: str) -> Wait:
    seconds = float(rest)
    if not 0 <= seconds < 86_400:
        raise ValueError("`wait` takes seconds, less than a day")
    return Wait(seconds)


def _stop(rest: str) -> Stop:
    if rest not in get_args(Reason):
        raise ValueError(f"`stop` takes one of {', '.join(get_args(Reason))}")
    return Stop(cast("Reason", rest))


_WORDS: dict[str, Callable[[str, int], Step]] = {
    "say": lambda rest, size: Say(_words(rest), size),
    "think": lambda rest, size: Think(_words(rest), size),
    "call": _call,
    "broken": _raw_call,
    "cut": lambda _rest, _size: Cut(),
    "cut-call": lambda rest, size: Cut(_raw_call(rest, size)),
    "wait": lambda rest, _size: _seconds(rest),
    "say-many": lambda rest, _size: Say("".join(f"{number:07d} " for number in range(_whole(rest))), 8),
    "stop": lambda rest, _size: _stop(rest),
    "busy": lambda rest, _size: Busy(_words(rest)),
    "fail": lambda rest, _size: Fail(_words(rest)),
}
