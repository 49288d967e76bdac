"""`hermitcrab run` as a script meets it: real processes, and a mock of Anthropic's endpoint on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mocks.anthropic_server import MockAnthropic
from wire.lsp_editor import WAIT, assert_fits, environment

BROKEN = "def double(x):\n    return x + x + x\n"
FIXED = "def double(x):\n    return x + x\n"
TEST = "from calc import double\n\nassert double(2) == 4, double(2)\nopen('ran.txt', 'w').close()\nprint('1 passed')\n"
JOB = """\
say I look at it first.
call Read file_path=calc.py

call Edit {"file_path": "calc.py", "old_string": "x + x + x", "new_string": "x + x"}

call Bash command="python3 test_calc.py"

say `double` doubles again; the test passes.
"""


@dataclass(frozen=True)
class Done:
    """What came of a run."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """A folder with a project, and a shell in it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home = folder / "project", folder / "home"
        self.root.mkdir()
        self.home.mkdir()
        (self.root / "calc.py").write_text(BROKEN)
        (self.root / "test_calc.py").write_text(TEST)
        self.env = environment(self.home, ANTHROPIC_API_KEY="sk-dummy", PYTHONDONTWRITEBYTECODE="1")

    async def start(self, *args: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hermitcrab", *args,
            cwd=self.root, env=self.env, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *args: str) -> Done:
        process = await self.start(*args)
        out, err = await asyncio.wait_for(process.communicate(), 2 * WAIT)
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def ask(self, server: MockAnthropic, *args: str) -> Done:
        self.env["ANTHROPIC_BASE_URL"] = server.url
        return await self.run("run", "--model", "anthropic/claude-mock", *args)

    @property
    def has_run(self) -> bool:
        return (self.root / "ran.txt").exists()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


async def test_read_edit_test_reply(shell: Shell) -> None:
    async with MockAnthropic(JOB) as server:
        done = await shell.ask(server, "--yes", "--trust", "make double double")
        assert (done.code, shell.has_run) == (0, True), done
        assert (shell.root / "calc.py").read_text() == FIXED
        assert done.out == "I look at it first.\n`double` doubles again; the test passes.\n"
        assert "Traceback" not in done.err
        assert [request.headers["x-api-key"] for request in server.requests] == ["sk-dummy"] * 4
        heard = json.dumps(server.requests[-1].json["messages"][-1])
        assert "1 passed" in heard
        assert "exit code 0" in heard


async def test_untrusted_nothing_runs_whatever_is_answered(shell: Shell) -> None:
    async with MockAnthropic(JOB) as server:
        done = await shell.ask(server, "--yes", "make double double")
        assert (done.code, shell.has_run) == (3, False), done
        assert "not trusted" in done.err
        assert "--trust" in done.err
        again = await shell.run("trust", "--show")
        assert again.code == 3, "a yes to questions trusts nothing"


async def test_without_yes_an_edit_is_denied(shell: Shell) -> None:
    async with MockAnthropic(JOB) as server:
        done = await shell.ask(server, "--trust", "make double double")
        assert (done.code, shell.has_run) == (3, False), done
        assert (shell.root / "calc.py").read_text() == BROKEN
        assert "denied" in done.err


async def test_yes_does_not_reach_protected_names(shell: Shell) -> None:
    script = 'call Write {"file_path": ".git/hooks/pre-commit", "content": "touch ran.txt"}\n\nsay Done.\n'
    async with MockAnthropic(script) as server:
        done = await shell.ask(server, "--yes", "--trust", "go")
        assert done.code == 3, done
        assert not (shell.root / ".git").exists()


async def test_json_is_one_object(shell: Shell) -> None:
    async with MockAnthropic(JOB) as server:
        done = await shell.ask(server, "--yes", "--trust", "--output-format", "json", "make double double")
        (result,) = done.lines
        assert done.code == 0
        assert (result["type"], result["stopReason"]) == ("result", "end_turn")
        assert result["text"] == "`double` doubles again; the test passes."
        assert set(result["usage"]) <= {"input", "output", "cache_read", "cache_write"}
        assert result["usage"]["output"] > 0
        assert result["cost"] == "unknown"
        listed = await shell.run("sessions", "--json")
        assert [session["sessionId"] for session in json.loads(listed.out)["sessions"]] == [result["sessionId"]]


async def test_every_line_of_stream_json_is_an_update_and_the_last_is_the_result(shell: Shell) -> None:
    async with MockAnthropic(JOB) as server:
        done = await shell.ask(server, "--yes", "--trust", "--output-format", "stream-json", "make double double")
        *updates, result = done.lines
        for update in updates:
            assert_fits({"sessionId": result["sessionId"], "update": update})
        assert done.code == 0
        assert result["type"] == "result"
        assert [update["title"] for update in updates if update.get("status") == "in_progress"] == [
            "Read calc.py", "Edit calc.py", "Run python3 test_calc.py",
        ]  # fmt: skip
        (diff,) = [c for u in updates for c in u.get("content", []) if isinstance(c, dict) and c.get("type") == "diff"]
        assert (diff["oldText"], diff["newText"]) == ("    return x + x + x\n", "    return x + x\n")
        assert updates[-1] == {
            "sessionUpdate": "state_update", "state": "idle", "stopReason": "end_turn", "turnId": updates[-1]["turnId"],
        }  # fmt: skip


async def test_a_model_that_cannot_be_reached_is_a_failure_that_says_what_would_help(shell: Shell) -> None:
    shell.env["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
    done = await shell.run("run", "--model", "anthropic/claude-mock", "hello")
    assert done.code == 1, done
    assert "127.0.0.1:9" in done.err
    assert "ANTHROPIC_BASE_URL" in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


async def test_a_key_that_is_refused_says_which(shell: Shell) -> None:
    async with MockAnthropic("http 401 invalid x-api-key\n") as server:
        done = await shell.ask(server, "hello")
        assert done.code == 1, done
        assert "ANTHROPIC_API_KEY" in done.err
        assert "sk-dummy" not in done.err


@pytest.mark.parametrize(
    ("args", "helpful"),
    [
        (["--model", "gpt9", "hello"], "anthropic/MODEL"),
        (["--model", "gemini/flash", "hello"], "not in this version"),
        (["--model", "openai/gpt", "hello"], "OPENAI_API_KEY"),
        (["--model", "scripted:/no/such/file", "hello"], "/no/such/file"),
        (["--nonsense", "hello"], "--nonsense"),
        ([], "prompt"),
        (["--continue", "--resume", "x", "hello"], "not allowed with"),
        (["--continue", "hello"], "no session"),
    ],
)
async def test_wrong_usage_is_2(shell: Shell, args: list[str], helpful: str) -> None:
    done = await shell.run("run", *args)
    assert (done.code, done.out) == (2, ""), done
    assert helpful in done.err
    assert "Traceback" not in done.err


async def test_a_settings_file_that_is_wrong_is_2_and_named_with_its_line(shell: Shell) -> None:
    settings = shell.home / "hermitcrab" / "config" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('model = "offline"\nmode = "yolo"\n')
    done = await shell.run("run", "hello")
    assert done.code == 2, done
    assert "settings.toml" in done.err
    assert "mode" in done.err


async def test_a_session_that_is_not_there_is_a_failure(shell: Shell) -> None:
    done = await shell.run("run", "--resume", "ses_0nope", "hello")
    assert done.code == 1, done
    assert "ses_0nope" in done.err


async def test_a_limit_reached_is_4(shell: Shell) -> None:
    async with MockAnthropic("call Read file_path=calc.py\n\n" * 10) as server:
        done = await shell.ask(server, "--max-turns", "3", "read on and on")
        assert (done.code, len(server.requests)) == (4, 3), done
        assert "3 model requests" in done.err


async def test_an_answer_that_is_cut_short_by_length_is_4(shell: Shell) -> None:
    async with MockAnthropic("say Once upon a\nstop max_tokens\n") as server:
        done = await shell.ask(server, "tell")
        assert done.code == 4, done
        assert "length" in done.err


async def test_resume_and_continue_go_on_with_what_was_said(shell: Shell) -> None:
    async with MockAnthropic("say One.\n\nsay Two.\n\nsay Three.\n\nsay Four.\n") as server:
        first = (await shell.ask(server, "--output-format", "json", "count: 1")).lines[0]["sessionId"]
        other = (await shell.ask(server, "--output-format", "json", "another thing")).lines[0]["sessionId"]
        done = await shell.ask(server, "--output-format", "json", "--continue", "go on")
        assert done.lines[0]["sessionId"] == other != first
        done = await shell.ask(server, "--output-format", "json", "--resume", first, "go on with the first")
        assert done.lines[0]["sessionId"] == first
        said = [[block["text"] for block in message["content"]] for message in server.requests[-1].json["messages"]]
        assert [texts[-1].splitlines()[-1] for texts in said] == ["count: 1", "One.", "go on with the first"]
        assert server.requests[-1].canonical.startswith(server.requests[0].canonical)


async def test_a_prompt_from_standard_input(shell: Shell) -> None:
    async with MockAnthropic("say Yes.\n") as server:
        shell.env["ANTHROPIC_BASE_URL"] = server.url
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hermitcrab", "run", "--model", "anthropic/claude-mock", "-",
            cwd=shell.root, env=shell.env,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate("is there a 蟹?\n".encode()), WAIT)
        assert (process.returncode, out) == (0, b"Yes.\n")
        assert "is there a 蟹?" in server.requests[0].json["messages"][0]["content"][0]["text"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_in_a_stream_is_130(shell: Shell, number: int) -> None:
    async with MockAnthropic("say Once upon a time\nwait 60\nsay never\n") as server:
        shell.env["ANTHROPIC_BASE_URL"] = server.url
        process = await shell.start("run", "--model", "anthropic/claude-mock", "tell")
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readexactly(4), WAIT)
        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), WAIT)
        assert process.returncode == 130, (out, err)
        assert b"Traceback" not in err


async def test_an_interrupt_during_a_command_leaves_no_process(shell: Shell) -> None:
    script = 'call Bash {"command": "sleep 120 & echo $$ $! > pids.txt; sleep 120; touch late.txt"}\n\nsay never\n'
    async with MockAnthropic(script) as server:
        shell.env["ANTHROPIC_BASE_URL"] = server.url
        process = await shell.start("run", "--yes", "--trust", "--model", "anthropic/claude-mock", "wait")
        pids = shell.root / "pids.txt"
        async with asyncio.timeout(WAIT):
            while not (pids.exists() and len(pids.read_text().split()) == 2):
                await asyncio.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), WAIT)
        assert process.returncode == 130, err
        async with asyncio.timeout(WAIT):
            while any(_is_alive(int(pid)) for pid in pids.read_text().split()):
                await asyncio.sleep(0.02)
        assert not (shell.root / "late.txt").exists()
        assert b"Traceback" not in err


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


async def test_without_a_model_it_says_that_it_is_none_and_how_to_get_one(shell: Shell) -> None:
    del shell.env["ANTHROPIC_API_KEY"]
    done = await shell.run("run", "write me a poem about crabs")
    assert done.code == 0, done
    assert "not a language model" in done.out
    assert "ANTHROPIC_API_KEY" in done.out


@pytest.mark.parametrize("output", ["text", "stream-json"])
async def test_a_reader_that_leaves_stops_it_quietly(shell: Shell, output: str) -> None:
    """As `hermitcrab run … | head` does."""
    talk = "say-many 50000\n\n"
    (shell.home / "script.txt").write_text(f"{talk}call Read file_path=calc.py\nwait 60\n\n{talk}")
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hermitcrab", "run", "--model", f"scripted:{shell.home}/script.txt", "--output-format", output, "talk",
        cwd=shell.root, env=shell.env, stdin=asyncio.subprocess.DEVNULL, stdout=writing, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(writing)
    os.read(reading, 100)
    os.close(reading)
    _, err = await asyncio.wait_for(process.communicate(), WAIT)
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
