"""A recorded run is a script: replayed, the same things happen, and nothing in it is a secret."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.app import build_engine
from hermitcrab.cli.run import HeadlessAsker
from hermitcrab.core import events
from hermitcrab.core.errors import ProviderError, SettingsError
from hermitcrab.core.messages import (
    BlockPart,
    BrokenCall,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    NoticePart,
    Prompt,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ThinkingBlock,
    ThinkingPart,
    ToolCall,
    Usage,
    UsagePart,
)
from hermitcrab.engine.connection import Connection
from hermitcrab.net.endpoint import Destination
from hermitcrab.providers.pick import ProviderOptions, endpoint_of, pick
from hermitcrab.providers.recording import Hider, RecordingProvider, split_recording
from hermitcrab.providers.retry import RetryPolicy
from hermitcrab.providers.script import parse_script
from hermitcrab.providers.scripted import ScriptedProvider
from hermitcrab.store.paths import Paths
from mocks.anthropic_server import MockAnthropic
from mocks.openai_server import MockOpenAI

PROMPT = Prompt("test", "system", (), ())
SECRET = "sk-live-0123456789abcdef"
JOB = """\
think I wonder.
say "First\\nI look."
call Read file_path=a.py

call Edit {"file_path": "a.py", "old_string": "x = 1", "new_string": "x = 2  # \\u00e9 \\ud83e\\udd80"}
call Edit {"file_path": "a.py", "old_string": "never there", "new_string": "y"}

broken Write {"file_path": "b.py",
call Nothing word=x

busy overloaded
say Almost.
call Write {"file_path": "b.py", "content": "# a comment\\n\\nsay no\\n"}
cut-call Edit {"file_path": "a.py", "old_st

say Done.
"""
FAULTS = {
    "cut in words": "say I was about to\ncut\n",
    "cut in a call": 'cut-call Write {"file_path": "b.py", "con\n',
    "fails at once": "fail no such model\n",
    "length": "say So long\nstop max_tokens\n",
    "refusal": "stop refusal\n",
    "silent": "stop end_turn\n",
    "busy for ever": "busy one\nbusy two\nbusy three\n",
    "busy behind a call": "call Read file_path=a.py\nbusy later\n\nsay Done.\n",
}


class Run:
    """One turn of a real engine in a folder of its own."""

    def __init__(self, base: Path, **engine: Any) -> None:
        self.root = base / "project"
        self.root.mkdir(parents=True)
        (self.root / "a.py").write_text("x = 1\n")
        self.engine = build_engine(paths=Paths.under(base / "home"), **engine)
        self.seen: list[events.Event] = []

    async def play(self, model: str | None = None, **environment: str) -> list[str]:
        connection = Connection(
            id="test",
            asker=HeadlessAsker(yes=True),
            listener=lambda _session, event: self.seen.append(event),
            environment={"PATH": "/usr/bin:/bin", **environment},
            command_line={"model": model} if model else {},
        )
        self.engine.connect(connection)
        session = await self.engine.new_session(connection, self.root)
        self.engine.prompt(session, "do it", connection)
        await session.wait()
        await self.engine.close()
        return [told for event in self.seen if (told := self._told(event))]

    def _told(self, event: events.Event) -> str:
        """Return what an event says, without ids, times and pieces."""
        if isinstance(event, events.TextDelta | events.ThoughtDelta | events.ArgumentsDelta | events.UsageChanged):
            return ""
        if isinstance(event, events.Notice):
            return "notice"
        if isinstance(event, events.MessageFinished):
            event = replace(event, content=replace(event.content, raw=None))
        text = repr(replace(event, seq=0)).replace(str(self.root.resolve()), "ROOT")
        return re.sub(r"'(?:call|msg|turn|ask|toolu|ses)_\w+'", "ID", text)

    @property
    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.root.iterdir())}


def scripted(script: str) -> ScriptedProvider:
    async def sleep(_: float) -> None:
        await asyncio.sleep(0)

    return ScriptedProvider(script, name="script", retry=RetryPolicy(tries=3), sleep=sleep)


@pytest.mark.parametrize("script", [JOB, *FAULTS.values()], ids=["job", *FAULTS])
async def test_a_recorded_run_replays_to_the_same_events(tmp_path: Path, script: str) -> None:
    file = tmp_path / "bug.script"
    first = Run(tmp_path / "1", provider=scripted(script), record=file)
    happened = await first.play()
    again = Run(tmp_path / "2", provider=scripted(file.read_text()))
    replayed = await again.play()
    assert [unnamed(line) for line in replayed] == [unnamed(line) for line in happened]
    assert again.files == first.files
    assert len(happened) > 1


def unnamed(line: str) -> str:
    """A recorded failure is told by the script's name, and once more."""
    return re.sub(r"`script`: |; asked \d+ times, giving up for now", "", line)


@pytest.mark.parametrize(
    ("server", "model", "variable"),
    [(MockAnthropic, "anthropic/claude-x", "ANTHROPIC_BASE_URL"), (MockOpenAI, "openai/qwen", "OPENAI_BASE_URL")],
)
async def test_a_run_over_the_wire_replays(tmp_path: Path, server: Any, model: str, variable: str) -> None:
    job = JOB.replace("think I wonder.\n", "").replace("busy overloaded\n", "")
    file = tmp_path / "bug.script"
    async with server(job) as mock:
        first = Run(tmp_path / "1", record=file)
        happened = await first.play(model, ANTHROPIC_API_KEY=SECRET, **{variable: mock.url})
    again = Run(tmp_path / "2")
    replayed = await again.play(f"scripted:{file}")
    assert replayed == happened
    assert again.files == first.files
    assert SECRET not in file.read_text()
    assert first.files.get("b.py") == "# a comment\n\nsay no\n"


async def test_by_the_models_name(tmp_path: Path) -> None:
    (tmp_path / "job.script").write_text(JOB)
    file = tmp_path / "bug.script"
    happened = await Run(tmp_path / "1").play(f"recording:{file}:scripted:{tmp_path}/job.script")
    replayed = await Run(tmp_path / "2").play(f"scripted:{file}")
    assert replayed == happened


class Says:
    """A provider that yields what it is told, and may fail at its end."""

    wire = "test"
    destination = Destination("https://api.example.com/v1")

    def __init__(self, *parts: StreamPart, error: Exception | None = None) -> None:
        self.parts, self.error = parts, error

    async def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        self.prompt = prompt
        for part in self.parts:
            yield part
        if self.error:
            raise self.error

    async def close(self) -> None:
        self.closed = True


async def recorded(file: Path, *parts: StreamPart, hider: Hider | None = None, error: Exception | None = None) -> str:
    provider = RecordingProvider(Says(*parts, error=error), "m", file, hider)
    try:
        assert [part async for part in provider.stream(PROMPT)] == list(parts)
    except ProviderError as raised:
        assert str(raised) == str(error)  # noqa: PT017 - what comes through may be no error at all
    assert provider.file is not None
    text = provider.file.read_text()
    parse_script(text)
    return text


def say(text: str) -> list[StreamPart]:
    return [TextPart(text), BlockPart(TextBlock(text), {}), StopPart("end_turn")]


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


async def test_it_is_told_what_it_is_and_where_it_sends(tmp_path: Path) -> None:
    inner = Says(*say("hello"))
    provider = RecordingProvider(inner, "inner/model", tmp_path / "f")
    assert [part async for part in provider.stream(PROMPT)] == list(inner.parts)
    assert (provider.wire, provider.destination, inner.prompt.model) == ("test", inner.destination, "inner/model")
    await provider.close()
    assert inner.closed


async def test_the_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "bug.script"
    file.write_text("precious")
    await recorded(file, *say("one"))
    await recorded(file, *say("two"))
    assert file.read_text() == "precious"
    assert 'say "one"' in (tmp_path / "bug-2.script").read_text()
    assert 'say "two"' in (tmp_path / "bug-3.script").read_text()
    assert stat.S_IMODE((tmp_path / "bug-2.script").stat().st_mode) == 0o600


async def test_a_recording_that_cannot_be_written_ends_no_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    provider = RecordingProvider(Says(*say("hello")), "m", tmp_path / "missing" / "bug.script")
    assert len([part async for part in provider.stream(PROMPT)]) == 3
    assert (provider.file, "cannot be written" in caplog.text) == (None, True)


async def test_a_stopped_turn_is_recorded_as_far_as_it_came(tmp_path: Path) -> None:
    provider = RecordingProvider(Says(TextPart("I was "), TextPart("about")), "m", tmp_path / "f")
    stream = provider.stream(PROMPT)
    await anext(stream)
    await stream.aclose()
    assert lines((tmp_path / "f").read_text()) == ['say "I was "', "cut"]


async def test_half_of_a_call_never_becomes_a_whole_one(tmp_path: Path) -> None:
    begun = [CallStartPart("c", "Write"), CallArgumentsPart("c", '{"file_path": "a'), CallArgumentsPart("c", '.py"}')]
    text = await recorded(tmp_path / "f", TextPart("so"), *begun, error=ProviderError("reset"))
    assert lines(text) == ['say "so"', 'cut-call Write {"file_path": "a.py"}']
    assert "# reset" in text


async def test_what_a_script_has_no_word_for_is_a_comment(tmp_path: Path) -> None:
    notice = NoticePart("silent\nfor 8 s")
    thought = BlockPart(ThinkingBlock(""), {})
    broken = BlockPart(CallBlock(BrokenCall("c", "", '{"a":\n1', "x")), {})
    text = await recorded(tmp_path / "f", notice, UsagePart(Usage(3, 4)), thought, broken, StopPart("tool_use"))
    assert lines(text) == ['broken _ {"a": 1', "stop tool_use"]
    assert "# silent for 8 s" in text
    assert "# tokens: 3 in, 4 out" in text


async def test_secrets_are_hidden_wherever_they_stand(tmp_path: Path) -> None:
    environment = {"MY_TOKEN": "correct horse battery", "PATH": "/usr/bin", "SHORT_KEY": "abc"}
    call = ToolCall(
        "c", "Write", {"file_path": "/usr/bin/x", "content": [f"key = {SECRET}", {"a": "correct horse battery"}]}
    )
    text = await recorded(
        tmp_path / "f",
        TextPart(f"use {SECRET}"),
        BlockPart(TextBlock(f"use {SECRET}"), {}),
        BlockPart(CallBlock(call), {}),
        BlockPart(CallBlock(BrokenCall("d", "Bash", "curl -H 'Authorization: Bearer abcdefghijklmnop1234'", "x")), {}),
        ThinkingPart("-----BEGIN RSA PRIVATE KEY-----\nMIIE"),
        NoticePart("asked with correct horse battery"),
        error=ProviderError(f"401 {SECRET}"),
        hider=Hider.of(environment),
    )
    for secret in (SECRET, "correct horse", "abcdefghijklmnop1234", "MIIE"):
        assert secret not in text
    assert json.loads(lines(text)[1].removeprefix("call Write ")) == {
        "file_path": "/usr/bin/x",
        "content": ["key = [hidden]", {"a": "[hidden]"}],
    }


async def test_words_and_contents_are_hidden_when_asked(tmp_path: Path) -> None:
    call = ToolCall(
        "c", "Edit", {"file_path": "src/plan.py", "old_string": "def f1(å):\n\treturn 42", "n": 7, "b": True}
    )
    hider = Hider(hides_text=True)
    parts: list[StreamPart] = [*say("Very secret, 3 plans.")[:2], BlockPart(CallBlock(call), {}), StopPart("tool_use")]
    text = await recorded(tmp_path / "f", *parts, hider=hider)
    said, called, stop = lines(text)
    assert said == 'say "xxxx xxxxxx, 0 xxxxx."'
    assert json.loads(called.removeprefix("call Edit ")) == {
        "file_path": "src/plan.py",
        "old_string": "xxx x0(x):\n\txxxxxx 00",
        "n": 7,
        "b": True,
    }
    assert stop == "stop tool_use"


async def test_requests_leave_their_shape_alone(tmp_path: Path) -> None:
    file = tmp_path / "bug.script"
    await Run(tmp_path / "1", provider=scripted(JOB), record=file).play()
    text = file.read_text()
    assert "do it" not in text
    assert re.search(r"^# request 2: system \d+ characters; tools Read .*Edit", text, re.MULTILINE)
    assert re.search(r"^#   assistant: thought 9, text 13, call Read\(file_path\)$", text, re.MULTILINE)
    assert re.search(r"^#   user: result \d+, error \d+$", text, re.MULTILINE)


BLOCKS = st.one_of(
    st.text(min_size=1).map(TextBlock),
    st.text(min_size=1).map(ThinkingBlock),
    st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3).map(
        lambda arguments: CallBlock(ToolCall("c", "Tool", arguments))
    ),
)


@given(st.lists(BLOCKS, max_size=4), st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal"]))
def test_any_reply_comes_back_whole(blocks: list[Any], reason: Any) -> None:
    text = asyncio.run(
        script_of(lambda file: recorded(file, *(BlockPart(block, {}) for block in blocks), StopPart(reason)))
    )

    async def replay() -> list[StreamPart]:
        return [part async for part in ScriptedProvider(text).stream(PROMPT)]

    replayed = asyncio.run(replay())
    said = [part.block for part in replayed if isinstance(part, BlockPart)]
    assert [content(block) for block in said] == [content(block) for block in blocks]
    assert replayed[-1] == StopPart(reason)


async def script_of(record: Callable[[Path], Any]) -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return await record(Path(folder) / "f")


def content(block: Any) -> Any:
    return cast("ToolCall", block.call).arguments if isinstance(block, CallBlock) else block


@pytest.mark.parametrize(
    ("name", "file", "model"),
    [
        ("recording:bug.script:anthropic/claude-x", "bug.script", "anthropic/claude-x"),
        ("recording:/a/b:c:ollama/qwen:7b", "/a/b:c", "ollama/qwen:7b"),
        ("recording:x:scripted:a/b", "x", "scripted:a/b"),
        ("recording:x:offline", "x", "offline"),
        ("anthropic/recording", None, "anthropic/recording"),
        ("recording:x", None, "recording:x"),
        ("recording::offline", None, "recording::offline"),
    ],
)
def test_names(name: str, file: str | None, model: str) -> None:
    assert split_recording(name) == (Path(file) if file else None, model)


def test_picked_by_name(tmp_path: Path) -> None:
    options = ProviderOptions(directory=tmp_path, environment={"ANTHROPIC_API_KEY": "sk-x"})
    provider = pick("recording:bug:anthropic/claude-x", options)
    assert isinstance(provider, RecordingProvider)
    assert endpoint_of("recording:bug:anthropic/claude-x", options) == "https://api.anthropic.com"
    assert provider.destination is not None
    with pytest.raises(SettingsError, match="recording:FILE:MODEL"):
        pick("recording:bug", options)
