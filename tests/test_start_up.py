"""An editor waits for the `initialize` reply: nothing heavy is loaded before it, and it costs little more than bare pygls.

What is loaded is told by Python itself (`-X importtime` names each module on standard error when it is imported), so
the server needs no hook for this. A client that says nothing after the reply gives it no reason to load more.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wire.lsp_editor import capabilities, environment, frames

LATE = {"httpx", "httpcore", "mcp", "acp", "tree_sitter", "pydantic", "pydantic_core", "anthropic"}
SERVER = ["-m", "hermitcrab", "lsp"]
BARE = ["-c", "from pygls.lsp.server import LanguageServer; LanguageServer('bare', '1').start_io()"]
_IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s*(\S+)$", re.MULTILINE)


def start(tmp_path: Path, *args: str) -> subprocess.Popen[bytes]:
    with (tmp_path / "stderr.txt").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, *args],
            cwd=tmp_path,
            env=environment(tmp_path, PYTHONDONTWRITEBYTECODE="1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )


def initialize(process: subprocess.Popen[bytes], root: Path) -> bytes:
    """Return the body of the reply."""
    params = {**capabilities("neovim"), "processId": None, "rootUri": root.as_uri()}
    return ask(process, {"id": 1, "method": "initialize", "params": params})


def ask(process: subprocess.Popen[bytes], *messages: dict[str, object]) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(frames(*messages))
    process.stdin.flush()
    length = 0
    while (line := process.stdout.readline().strip()) != b"" or not length:
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return process.stdout.read(length)


def end(process: subprocess.Popen[bytes]) -> float:
    """Kill it where it stands; return the seconds of CPU it had used."""
    process.kill()
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = -9
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    return used.ru_utime + used.ru_stime


def imported(tmp_path: Path) -> set[str]:
    return {name.partition(".")[0] for name in _IMPORTED.findall((tmp_path / "stderr.txt").read_text())}


def test_nothing_heavy_is_loaded_before_the_reply(tmp_path: Path) -> None:
    process = start(tmp_path, "-X", "importtime", *SERVER)
    assert b'"capabilities"' in initialize(process, tmp_path)
    end(process)
    found = imported(tmp_path)
    assert found & LATE == set()
    assert {"hermitcrab", "pygls", "lsprotocol"} <= found, "the probe sees nothing"


def test_the_probe_would_see_it(tmp_path: Path) -> None:
    """Behind `initialized` the engine is built, which needs pydantic: the same probe tells so."""
    process = start(tmp_path, "-X", "importtime", *SERVER)
    initialize(process, tmp_path)
    ask(process, {"method": "initialized", "params": {}}, {"id": 2, "method": "hermitcrab/status", "params": {}})
    end(process)
    assert "pydantic" in imported(tmp_path)


@pytest.mark.slow
def test_the_reply_costs_at_most_half_as_much_again_as_bare_pygls(tmp_path: Path) -> None:
    """CPU time of the child, the best of several in turn: a busy machine makes both slower, and none of them the best."""

    def seconds(command: list[str]) -> float:
        process = start(tmp_path, *command)
        initialize(process, tmp_path)
        return end(process)

    ours, bare = (min(times) for times in zip(*((seconds(SERVER), seconds(BARE)) for _ in range(7)), strict=True))
    print(f"CPU to the `initialize` reply: ours {ours * 1000:.0f} ms, bare pygls {bare * 1000:.0f} ms")
    assert ours <= 1.5 * bare
