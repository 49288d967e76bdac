"""`hermitcrab run` over Chat Completions: real processes, a mock server on loopback, and the faults of real ones."""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermitcrab.providers.script import parse_script
from mocks.openai_server import MockOpenAI, Recorded
from wire.lsp_editor import WAIT, environment

BROKEN = "def double(x):\n    return x + x + x\n"
FIXED = "def double(x):\n    return x + x\n"
TEST = (
    "from calc import double\n\nassert double(2) == 4, double(2)\nopen('ran.txt', 'a').write('x')\nprint('1 passed')\n"
)
EDIT = 'call Edit {"file_path": "calc.py", "old_string": "x + x + x", "new_string": "x + x"}'
RUN = 'call Bash command="python3 test_calc.py"'
END = "say `double` doubles again; the test passes."
JOB = f"say I look at it first.\ncall Read file_path=calc.py\n\n{EDIT}\n\n{RUN}\n\n{END}\n"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Shell:
    """A folder with a project, and a shell in it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home = folder / "project", folder / "home"
        self.root.mkdir()
        self.home.mkdir()
        (self.root / "calc.py").write_text(BROKEN)
        (self.root / "test_calc.py").write_text(TEST)

    async def run(self, model: str, **variables: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hermitcrab", "run", "--yes", "--trust", "--model", model, "make double double"),
            cwd=self.root, env=environment(self.home, PYTHONDONTWRITEBYTECODE="1", **variables),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 2 * WAIT)
        assert process.returncode is not None
        assert b"Traceback" not in err
        return Done(process.returncode, out.decode(), err.decode())

    async def ask(self, server: MockOpenAI, model: str = "openai/gpt-mock") -> Done:
        return await self.run(model, OPENAI_BASE_URL=f"{server.url}/v1", OLLAMA_HOST=server.url.partition("//")[2])

    @property
    def is_fixed(self) -> bool:
        return (self.root / "calc.py").read_text() == FIXED

    @property
    def runs(self) -> int:
        ran = self.root / "ran.txt"
        return len(ran.read_text()) if ran.exists() else 0


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize("quirks", ["", "quirk no-id no-index no-done finish=stop\n"])
@pytest.mark.parametrize("model", ["openai/gpt-mock", "ollama/llama-mock"])
async def test_read_edit_test_reply(shell: Shell, model: str, quirks: str) -> None:
    script = "\n\n".join(quirks + reply for reply in JOB.split("\n\n"))
    async with MockOpenAI(script) as server:
        done = await shell.ask(server, model)
        assert (done.code, shell.is_fixed, shell.runs) == (0, True, 1), done
        assert done.out == "I look at it first.\n`double` doubles again; the test passes.\n"
        assert [request.json["model"] for request in server.requests] == [model.partition("/")[2]] * 4
        heard = server.requests[-1].json["messages"][-1]
        assert heard["role"] == "tool"
        assert "1 passed" in heard["content"]
        for one, later in zip(server.requests, server.requests[1:], strict=False):
            assert later.body.startswith(one.body.removesuffix(b"]}"))
        assert len(server.requests[0].body) <= 12_000


FAULTS = {  # at the second step, in front of what would have been said there
    "429 with retry-after": f"http 429 retry-after=1 slow down\n{EDIT}",
    "500": f"http 500 oops\n{EDIT}",
    "529": f"http 529 overloaded\n{EDIT}",
    "reset": f"reset\n\n{EDIT}",
    "error event": f"error server_error oops\n\n{EDIT}",
    "unknown tool": f"call Nonsense a=1\n\n{EDIT}",
    "bad arguments": f'broken Edit {{"file_path": "calc.py"\n\n{EDIT}',
    "stall": f"wait 2\n{EDIT}",
    "end of file behind a whole call": f'{EDIT}\ncut-call Bash {{"command": "touch ran.txt',
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_that_is_overcome(shell: Shell, fault: str) -> None:
    script = f"call Read file_path=calc.py\n\n{FAULTS[fault]}\n\n{RUN}\n\n{END}\n"
    async with MockOpenAI(script) as server:
        done = await shell.ask(server)
    assert (done.code, shell.is_fixed, shell.runs) == (0, True, 1), done
    assert done.out.endswith("the test passes.\n")


@pytest.mark.parametrize("fault", ["say I will\ncut", 'cut-call Bash {"command": "echo x >> ran.txt"}', "http 401 no"])
async def test_a_fault_that_is_not_ends_with_the_truth_and_no_effect(shell: Shell, fault: str) -> None:
    async with MockOpenAI(f"call Read file_path=calc.py\n\n{fault}\n") as server:
        done = await shell.ask(server)
        host = server.url
    assert (done.code, shell.is_fixed, shell.runs) == (1, False, 0), done
    assert host in done.err


async def test_nobody_at_home(shell: Shell) -> None:
    done = await shell.run("ollama/llama", OLLAMA_HOST="127.0.0.1:9")
    assert done.code == 1
    assert "ollama serve" in done.err


CALLS = f"""\
delta 9
{EDIT}
call Write file_path=new.txt content=whole
call Bash command="echo -n x >> ran.txt"
"""


@pytest.mark.parametrize("tenth", range(10))
async def test_a_write_a_command_and_an_edit_cut_anywhere(shell: Shell, tenth: int) -> None:
    request = Recorded({}, b'{"model": "gpt-mock", "stream_options": {"include_usage": true}}')
    (steps,) = parse_script(CALLS)
    body = b"".join(frame for frame in MockOpenAI("").frames(steps, request) if isinstance(frame, bytes))
    begun = body.index(b'"name": "Edit"')
    marks = [
        b'"name": "Write"',
        b'"name": "Bash"',
        b'"finish_reason": "tool_calls"',
    ]  # each makes the call before whole
    ends = [body.index(b"\n\n", body.index(mark)) + 2 for mark in marks]
    cut = random.Random(tenth).randint(begun + 300, len(body) - 1) if tenth > 2 else ends[tenth] - tenth % 2
    whole = sum(cut >= end for end in ends)
    async with MockOpenAI(f"call Read file_path=calc.py\n\ncut-at {cut}\n{CALLS}\nsay I see.\n") as server:
        done = await shell.ask(server)
    effects = (shell.is_fixed, (shell.root / "new.txt").exists(), shell.runs)
    assert effects == (whole >= 1, whole >= 2, int(whole == 3)), done
    assert done.code == (0 if whole else 1), done
