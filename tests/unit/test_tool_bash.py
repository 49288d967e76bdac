"""Bash runs one command, says how it went, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

import pytest

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import ToolOutput
from tool_case import ToolCase, processes_with


@pytest.fixture
def case(tmp_path: Path) -> ToolCase:
    (tmp_path / "root").mkdir()
    return ToolCase(tmp_path / "root", tmp_path / "spill")


async def gone(mark: str) -> bool:
    """Say whether every process named `mark` ends soon."""
    try:
        async with asyncio.timeout(5):
            while await processes_with(mark):
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


def unique_seconds() -> str:
    """Return a number of seconds no other process sleeps."""
    return f"1{secrets.randbelow(10**9):09d}"


async def test_output_and_exit_code_are_told(case: ToolCase):
    done = await case.call("Bash", command="echo out; echo err >&2; pwd", description="Say things")
    assert done.text == f"exit code 0\nout\nerr\n{case.root}"
    assert not done.result.is_error
    assert done.live == f"out\nerr\n{case.root}\n"
    assert (done.access.kind, done.access.command) == ("execute", "echo out; echo err >&2; pwd")
    assert done.access.detail == "echo out; echo err >&2; pwd"


async def test_a_failure_is_a_failure(case: ToolCase):
    done = await case.call("Bash", command="exit 3")
    assert (done.text, done.result.is_error) == ("exit code 3\n[no output]", True)


async def test_the_gate_sees_the_whole_command_with_nothing_hidden(case: ToolCase):
    command = "echo harmless\r; rm -rf x \u202e\x1b[8m" + "#" * 500
    access = await case.access("Bash", command=command)
    assert access.command == command
    assert access.detail == "echo harmless\\x0d; rm -rf x \\u202e\\x1b[8m" + "#" * 500
    assert len(access.title) < 100
    assert "\r" not in access.title


async def test_the_environment_is_the_connections(case: ToolCase):
    case.environment |= {"GREETING": "hello", "ANTHROPIC_API_KEY": "secret"}
    done = await case.call("Bash", command='echo "$GREETING [$ANTHROPIC_API_KEY]"')
    assert done.text == "exit code 0\nhello []"


async def test_colours_and_progress_bars_are_cleaned_up(case: ToolCase):
    done = await case.call("Bash", command=r"printf '\033[31mred\033[0m\n10%%\r50%%\r100%%\r\nbell\a\n'")
    assert done.text == "exit code 0\nred\n100%\nbell\\x07"


async def test_unsaved_files_are_named_before_anything_else(case: ToolCase):
    case.write("a.py", "old\n")
    case.write("b.py", "same\n")
    case.open("a.py", "new\n")
    case.open("b.py", "same\n")
    done = await case.call("Bash", command="cat a.py")
    assert done.text == "[ran on saved text; 1 file differs: a.py]\nexit code 0\nold"
    assert done.result.notes == ("ran on saved text, 1 file differs",)


async def test_too_much_output_is_cut_in_the_middle_and_kept_in_a_file(case: ToolCase):
    done = await case.call("Bash", command="seq 1 20000")
    whole = "".join(f"{n}\n" for n in range(1, 20001))
    head, size, *rest = done.text.split("\n")
    (kept,) = case.spill.iterdir()
    assert head == "exit code 0"
    assert size == f"[{len(whole):,} bytes of output; whole output: {kept}]"
    assert rest[0] == "1"
    assert rest[-1] == "20000"
    assert "characters left out" in done.text
    assert len(done.text) < 31_000
    assert kept.read_text() == whole
    assert kept.stat().st_mode & 0o777 == 0o600


async def test_a_hundred_megabytes_stay_out_of_memory(case: ToolCase):
    done = await case.call("Bash", command="head -c 100000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo; echo end")
    (kept,) = case.spill.iterdir()
    assert kept.stat().st_size > 101_000_000
    assert str(kept) in done.text
    assert done.text.endswith("\nend")
    assert len(done.text) < 31_000
    assert len(done.live) < 1_100_000


async def test_output_comes_while_the_command_runs_in_sane_pieces(case: ToolCase):
    done = await case.call("Bash", command="for i in $(seq 300); do echo $i; done; sleep 0.3; echo late")
    pieces = [event for event in done.events if isinstance(event, ToolOutput)]
    assert 2 <= len(pieces) <= 20
    assert pieces[-1].text.endswith("late\n")
    assert all(event.call == "call1" for event in pieces)


async def test_a_command_that_takes_too_long_is_stopped_with_all_it_started(case: ToolCase):
    seconds = unique_seconds()
    began = time.monotonic()
    done = await case.call("Bash", command=f"echo begun; sleep {seconds} & sleep {seconds}", timeout=300)
    assert done.text == "timed out after 0.3 s; the command and all it started were stopped\nbegun"
    assert done.result.is_error
    assert done.result.notes == ("timed out",)
    assert time.monotonic() - began < 6
    assert await gone(seconds)


async def test_one_that_will_not_end_is_killed(case: ToolCase):
    seconds = unique_seconds()
    done = await case.call("Bash", command=f"trap '' TERM; sleep {seconds} & while true; do sleep 1; done", timeout=200)
    assert "timed out" in done.text
    assert await gone(seconds)


async def test_what_is_left_running_is_stopped_and_told(case: ToolCase):
    seconds = unique_seconds()
    done = await case.call("Bash", command=f"sleep {seconds} & echo started")
    assert done.text == "exit code 0; processes it left behind were stopped\nstarted"
    assert await gone(seconds)


async def test_a_daemon_in_a_session_of_its_own_is_stopped_when_time_runs_out(case: ToolCase):
    seconds = unique_seconds()
    done = await case.call("Bash", command=f"setsid sleep {seconds} & sleep {seconds}", timeout=300)
    assert "timed out" in done.text
    assert await gone(seconds)


async def test_cancelling_leaves_no_process(case: ToolCase):
    seconds = unique_seconds()
    running = asyncio.create_task(case.call("Bash", command=f"sleep {seconds} & sleep {seconds}"))
    while len(await processes_with(seconds)) < 2:
        await asyncio.sleep(0.01)
    running.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - began < 0.5
    assert await gone(seconds)


async def test_a_reader_that_walks_away_stops_the_command(case: ToolCase):
    from tool_case import TOOLS

    seconds = unique_seconds()
    tool = TOOLS["Bash"]
    stream = tool.run(tool.parse({"command": f"echo begun; sleep {seconds}"}), case.context())
    async for item in stream:
        assert isinstance(item, ToolOutput)
        break
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    assert await gone(seconds)


async def test_a_command_ended_by_a_signal_says_so(case: ToolCase):
    assert (await case.call("Bash", command="kill -9 $$")).text == "ended by signal 9\n[no output]"


async def test_nobody_is_there_to_answer(case: ToolCase):
    done = await case.call("Bash", command='read answer; echo "[$answer]"; tty', timeout=5000)
    assert "[]" in done.text
    assert "not a tty" in done.text


async def test_bytes_that_are_no_text_do_no_harm(case: ToolCase):
    done = await case.call("Bash", command=r"printf '\377\376\000x\n'")
    assert done.text == "exit code 0\n\ufffd\ufffd\\x00x"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"command": " "}, "empty"),
        ({"command": "a\0b"}, "NUL"),
        ({"command": "x", "run_in_background": True}, "not possible in this version"),
        ({"command": "x", "timeout": 600_001}, "timeout"),
        ({"command": "x", "timeout": 0}, "timeout"),
        ({"cmd": "x"}, "Keys: `command`, `timeout`"),
    ],
)
async def test_wrong_requests_are_explained_before_anybody_is_asked(
    case: ToolCase, arguments: dict[str, object], why: str
):
    with pytest.raises(ToolError, match=why):
        await case.access("Bash", **arguments)


async def test_a_root_that_is_gone_is_named(case: ToolCase):
    case.root.rmdir()
    with pytest.raises(ToolError, match="not a directory"):
        await case.call("Bash", command="true")


async def test_call_ids_do_not_become_file_names(case: ToolCase):
    from dataclasses import replace

    from tool_case import TOOLS

    tool = TOOLS["Bash"]
    context = replace(case.context(), call="../../\0evil\ud800")
    _ = [item async for item in tool.run(tool.parse({"command": "seq 1 20000"}), context)]
    (kept,) = case.spill.iterdir()
    assert kept.name.startswith("output-")


async def test_live_output_holds_nothing_a_terminal_would_obey(case: ToolCase):
    script = r"printf '\033[3'; sleep 0.2; printf '1mred\033]0;title'; sleep 0.2; printf '\007!\r'; sleep 0.2; printf '\n\033[2J.\n'"
    done = await case.call("Bash", command=script)
    assert done.live == "red!\n.\n"
