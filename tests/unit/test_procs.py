"""Programs run to their end or are stopped together with all they started."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import sys
import time
from pathlib import Path

import pytest

from hermitcrab.core.errors import ToolError
from hermitcrab.procs.run import Finished, run

ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


async def sh(line: str, cwd: Path, **options: object) -> Finished:
    settings: dict[str, object] = {"timeout": 20.0, "env": ENV, **options}
    return await run(["sh", "-c", line], cwd=cwd, **settings)  # type: ignore[arg-type]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


async def pid_in(file: Path) -> int:
    for _ in range(500):
        if file.exists() and file.read_text().endswith("\n"):
            return int(file.read_text())
        await asyncio.sleep(0.01)
    raise AssertionError(f"{file} was not written")


async def gone(pid: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not is_running(pid):
            return True
        await asyncio.sleep(0.02)
    return not is_running(pid)


async def test_output_of_both_streams_and_the_exit_code(tmp_path: Path) -> None:
    done = await sh("echo out; echo err >&2; exit 3", tmp_path)
    assert (done.exit_code, done.output, done.errors) == (3, "out\nerr\n", "")
    assert not any((done.truncated, done.timed_out, done.leftovers))


async def test_streams_apart(tmp_path: Path) -> None:
    done = await sh("echo out; echo err >&2", tmp_path, separate=True)
    assert (done.output, done.errors) == ("out\n", "err\n")


async def test_environment_and_directory_are_those_given(tmp_path: Path) -> None:
    done = await sh('echo "$PWD:$MINE:$HOME"', tmp_path, env={**ENV, "MINE": "yes"})
    assert done.output == f"{tmp_path}:yes:\n"


async def test_stdin_is_fed_and_closed(tmp_path: Path) -> None:
    assert (await sh("cat | tr a-z A-Z", tmp_path, stdin=b"abc")).output == "ABC"


async def test_without_stdin_a_reader_sees_the_end_at_once(tmp_path: Path) -> None:
    assert (await sh("cat; echo done", tmp_path)).output == "done\n"


async def test_a_program_need_not_read_its_stdin(tmp_path: Path) -> None:
    done = await sh("exit 0", tmp_path, stdin=b"x" * 5_000_000)
    assert done.exit_code == 0


async def test_stdin_and_output_larger_than_the_pipes_do_not_block_each_other(tmp_path: Path) -> None:
    data = b"0123456789abcde\n" * 40_000
    done = await sh("cat", tmp_path, stdin=data)
    assert done.output.encode() == data


async def test_there_is_no_terminal_to_ask_on(tmp_path: Path) -> None:
    assert (await sh("echo x > /dev/tty && echo asked", tmp_path)).exit_code != 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["no-such-program-here"], "`no-such-program-here` was not found"),
        (["/etc/passwd"], "permission denied"),
        (["a\0b"], "could not be started"),
        (["true", "x" * 200_000 * 20], "too long"),
    ],
)
async def test_a_program_that_cannot_start_says_why(argv: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=message):
        await run(argv, cwd=tmp_path, env=ENV, timeout=5)


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="is not a directory"):
        await run(["true"], cwd=tmp_path / "gone", env=ENV, timeout=5)


async def test_output_is_shown_while_it_runs_with_characters_whole(tmp_path: Path) -> None:
    shown: list[tuple[float, str]] = []
    line = r"printf 'a\303'; sleep 0.2; printf '\251b'; sleep 0.2; printf '\360\237'"
    done = await sh(line, tmp_path, on_output=lambda text: shown.append((time.monotonic(), text)))
    assert [text for _, text in shown] == ["a", "éb", "�"]
    assert shown[1][0] - shown[0][0] > 0.1
    assert done.output == "aéb�"


async def test_bytes_that_are_no_text_survive_as_marks(tmp_path: Path) -> None:
    done = await sh(r"printf 'a\000\377b'", tmp_path)
    assert done.output == "a\0�b"


async def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert (await sh("kill -9 $$", tmp_path)).exit_code == -9


async def test_long_output_keeps_its_first_and_last_part_and_spills_the_whole(tmp_path: Path) -> None:
    spill = tmp_path / "spill" / "all.txt"
    shown: list[str] = []
    done = await sh("seq 1 100000", tmp_path, output_limit=1000, spill=spill, on_output=shown.append)
    whole = "".join(f"{n}\n" for n in range(1, 100_001))
    assert done.truncated
    assert done.total_bytes == len(whole)
    assert done.output == f"{whole[:500]}\n[… {len(whole) - 1000:,} bytes left out …]\n{whole[-500:]}"
    assert done.spill == spill
    assert spill.read_text() == whole
    assert spill.stat().st_mode & 0o777 == 0o600
    assert "".join(shown).startswith(whole[:1000])
    assert len("".join(shown)) < 1100


async def test_short_output_makes_no_spill_file(tmp_path: Path) -> None:
    spill = tmp_path / "all.txt"
    done = await sh("seq 1 10", tmp_path, output_limit=1000, spill=spill)
    assert (done.spill, spill.exists()) == (None, False)


async def test_a_spill_file_that_cannot_be_written_costs_only_itself(tmp_path: Path) -> None:
    done = await sh("seq 1 1000", tmp_path, output_limit=1000, spill=Path("/proc/no/such"))
    assert (done.spill, done.truncated, done.exit_code) == (None, True, 0)


async def test_cuts_do_not_split_a_character(tmp_path: Path) -> None:
    done = await sh("head -c 999999 /dev/zero | tr '\\0' x | sed 's/x/é/g'", tmp_path, output_limit=1001)
    assert "�" not in done.output


async def test_a_flood_does_not_fill_the_memory(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = await sh("head -c 300000000 /dev/zero", tmp_path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert done.total_bytes == 300_000_000
    assert len(done.output) < 1_100_000
    assert grown < 20_000, f"{grown} kB more"


async def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    began = time.monotonic()
    done = await sh("echo before; sleep 60 & echo $! > child; wait", tmp_path, timeout=0.5)
    assert (done.timed_out, done.output) == (True, "before\n")
    assert time.monotonic() - began < 2.0
    assert await gone(await pid_in(tmp_path / "child"), 0.1)


async def test_what_ignores_the_request_to_end_is_killed_after_two_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    done = await sh("trap '' TERM; echo $$ > me; while :; do sleep 0.1; done", tmp_path, timeout=0.2)
    assert (done.timed_out, done.exit_code) == (True, -9)
    assert 2.0 < time.monotonic() - began < 3.5
    assert await gone(await pid_in(tmp_path / "me"), 0.1)


async def test_a_timeout_reaches_what_left_the_group(tmp_path: Path) -> None:
    done = await sh("setsid sh -c 'echo $$ > far; exec sleep 60' & sleep 60", tmp_path, timeout=0.5)
    assert done.timed_out
    assert await gone(await pid_in(tmp_path / "far"), 0.5)


async def test_cancel_returns_at_once_and_everything_is_gone_soon(tmp_path: Path) -> None:
    shown: list[str] = []
    line = "trap 'echo late' TERM; sleep 60 & echo $! > child; echo $$ > me; while :; do sleep 0.1; done"
    task = asyncio.create_task(sh(line, tmp_path, on_output=shown.append))
    me, child = await pid_in(tmp_path / "me"), await pid_in(tmp_path / "child")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1.0  # far less; the kill would be two seconds away
    assert await gone(child, 1.5 - (time.monotonic() - began))  # TERM came at once
    assert await gone(me, 3.0)  # and KILL two seconds later
    assert shown == []  # nothing is shown after the cancel


async def test_cancel_while_starting_leaves_nothing_behind(tmp_path: Path) -> None:
    for turns in range(6):
        task = asyncio.create_task(sh(f"sleep 61.{os.getpid()}{turns}", tmp_path))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.sleep(0.5)
    assert running_with(f"61.{os.getpid()}") == []


def test_the_end_of_the_loop_kills_what_was_being_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        said = asyncio.Event()
        line = "trap '' TERM; echo $$ > me; echo ready; while :; do sleep 0.1; done"
        task = asyncio.create_task(sh(line, tmp_path, on_output=lambda _: said.set()))
        await said.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert asyncio.run(gone(int((tmp_path / "me").read_text()), 0.5))


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("turns", range(8))
def test_the_end_of_the_loop_kills_what_was_being_started(turns: int, tmp_path: Path) -> None:
    async def main() -> None:
        task = asyncio.create_task(sh(f"trap '' TERM; sleep 62.{os.getpid()} & wait; wait", tmp_path))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    gc.collect()  # what is said of a process that nobody waited for is not for the next test to hear
    time.sleep(0.3)
    assert running_with(f"62.{os.getpid()}") == []


def running_with(words: str) -> list[str]:
    """Return the command lines of living processes that contain `words`."""
    lines: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().decode(errors="replace"))
    return [line for line in lines if words in line]


async def test_a_program_that_closes_its_output_but_lives_on_is_waited_for(tmp_path: Path) -> None:
    done = await sh("exec >&- 2>&-; sleep 0.4; exit 7", tmp_path)
    assert done.exit_code == 7
    assert done.seconds > 0.35


async def test_what_a_finished_program_left_behind_is_stopped_and_told(tmp_path: Path) -> None:
    began = time.monotonic()
    done = await sh("sleep 60 & echo $! > child; echo done", tmp_path)
    assert (done.output, done.leftovers, done.exit_code) == ("done\n", True, 0)
    assert time.monotonic() - began < 1.5
    assert await gone(await pid_in(tmp_path / "child"), 0.1)


async def test_a_silent_child_left_behind_is_found_too(tmp_path: Path) -> None:
    done = await sh("sleep 60 >/dev/null 2>&1 & echo $! > child", tmp_path)
    assert done.leftovers
    assert await gone(await pid_in(tmp_path / "child"), 0.1)


async def test_a_helper_that_is_about_to_finish_is_heard(tmp_path: Path) -> None:
    done = await run(["bash", "-c", "echo slow > >(sleep 0.1; cat)"], cwd=tmp_path, env=ENV, timeout=10, on_output=None)
    assert (done.output, done.leftovers) == ("slow\n", False)


async def test_a_daemon_that_holds_the_pipe_does_not_hold_the_result(tmp_path: Path) -> None:
    began = time.monotonic()
    done = await sh("setsid sh -c 'echo $$ > far; exec sleep 30' & sleep 0.3; echo done", tmp_path)
    assert (done.output, done.exit_code) == ("done\n", 0)
    assert time.monotonic() - began < 2
    os.kill(await pid_in(tmp_path / "far"), 9)


async def test_an_error_in_the_listener_ends_the_run(tmp_path: Path) -> None:
    def broken(text: str) -> None:
        raise RuntimeError(text)

    began = time.monotonic()
    with pytest.raises(RuntimeError, match="hello"):
        await sh("echo hello; sleep 30", tmp_path, on_output=broken)
    assert time.monotonic() - began < 2


async def test_many_at_once(tmp_path: Path) -> None:
    done = await asyncio.gather(*(sh(f"echo {n}", tmp_path) for n in range(30)))
    assert [int(one.output) for one in done] == list(range(30))


async def test_the_loop_stays_free_while_a_program_floods(tmp_path: Path) -> None:
    task = asyncio.create_task(sh("head -c 100000000 /dev/zero", tmp_path))
    worst = 0.0
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - before)
    await task
    assert worst < 0.25, f"{worst * 1000:.0f} ms"


def test_it_needs_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, hermitcrab.procs.run; print([m for m in ('pydantic', 'httpx', 'tree_sitter') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout == "[]\n"
