"""The real thing in a process of its own: pipes, files, stray prints, and an end in good time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hermitcrab.core.frames import Frame, FrameDecoder, encode_frame

SERVER = """
import asyncio, os, subprocess, sys
from hermitcrab.lsp.connection import Connection
from hermitcrab.lsp.transport import serve_stdio

def connect():
    connection = Connection("hermitcrab", "0.1")

    @connection.on("hermitcrab/print")
    def noisy(params):
        print("this is no frame")
        subprocess.run(["sh", "-c", "echo nor this; cat"])
        return "quiet"

    @connection.on("hermitcrab/big")
    async def big(params):
        return "x" * params["size"]

    @connection.on("hermitcrab/modules")
    def modules(params):
        return [name for name in ("pydantic", "httpx", "mcp", "acp", "tree_sitter") if name in sys.modules]

    @connection.on("hermitcrab/news")
    async def news(params):
        for _ in range(params["count"]):
            connection.notify("hermitcrab/text", {"text": "x" * 1000})

    connection.on_close = lambda _: print("closed", file=sys.stderr)
    return connection

sys.exit(asyncio.run(serve_stdio(connect)))
"""

INITIALIZE = {"id": 1, "method": "initialize", "params": {"capabilities": {}}}
GOODBYE = [{"id": "bye", "method": "shutdown"}, {"method": "exit"}]


def frames(*messages: Any) -> bytes:
    return b"".join(encode_frame(json.dumps({"jsonrpc": "2.0", **message}).encode()) for message in messages)


def read(output: bytes) -> list[Any]:
    found = FrameDecoder().feed(output)
    assert all(isinstance(item, Frame) for item in found), output
    return [json.loads(item.body) for item in found if isinstance(item, Frame)]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "server.py").write_text(SERVER)
    return [sys.executable, "-W", "error", str(tmp_path / "server.py")]


def talk(command: list[str], *messages: Any) -> tuple[list[Any], subprocess.CompletedProcess[bytes]]:
    done = subprocess.run(command, input=frames(*messages), capture_output=True, timeout=30, check=False)
    return read(done.stdout), done


def test_a_conversation_over_pipes(command: list[str]) -> None:
    said, done = talk(
        command,
        INITIALIZE,
        {"id": 2, "method": "hermitcrab/modules"},
        {"id": 3, "method": "hermitcrab/big", "params": {"size": 3_000_000}},
        *GOODBYE,
    )
    assert [message["id"] for message in said] == [1, 2, 3, "bye"]
    assert said[1]["result"] == []  # nothing heavy is loaded before it is needed
    assert len(said[2]["result"]) == 3_000_000
    assert (done.returncode, done.stderr) == (0, b"closed\n")


def test_nothing_printed_and_no_child_gets_into_the_conversation(command: list[str]) -> None:
    said, done = talk(command, INITIALIZE, {"id": 2, "method": "hermitcrab/print"}, *GOODBYE)
    assert [message["id"] for message in said] == [1, 2, "bye"]
    assert sorted(done.stderr.splitlines()) == [b"closed", b"nor this", b"this is no frame"]


@pytest.mark.parametrize(("ending", "code"), [(GOODBYE, 0), ([{"method": "exit"}], 1), ([], 1)])
def test_the_exit_code_says_how_it_ended(command: list[str], ending: list[Any], code: int) -> None:
    _, done = talk(command, INITIALIZE, *ending)
    assert (done.returncode, done.stderr) == (code, b"closed\n")


def test_nobody_at_the_other_end_is_an_end(command: list[str]) -> None:
    """`hermitcrab lsp < /dev/null | cat`: nothing can be waited for there, so it is read in a thread."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (1, b"closed\n")


def test_files_instead_of_pipes(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(
        frames(INITIALIZE, {"id": 2, "method": "hermitcrab/big", "params": {"size": 500_000}}, *GOODBYE)
    )
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as target:
        done = subprocess.run(command, stdin=source, stdout=target, stderr=subprocess.PIPE, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"closed\n")
    assert [message["id"] for message in read((tmp_path / "out").read_bytes())] == [1, 2, "bye"]


@pytest.mark.parametrize("closes", ["input", "both", "output"])
def test_a_client_that_dies_in_the_middle_is_noticed(command: list[str], closes: str) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        assert server.stdin
        assert server.stdout
        assert server.stderr
        server.stdin.write(frames(INITIALIZE, {"id": 2, "method": "hermitcrab/news", "params": {"count": 2_000}}))
        server.stdin.flush()
        assert server.stdout.read(20).startswith(b"Content-Length")  # the rest fills the pipe; nobody reads it
        if closes != "input":
            server.stdout.close()
        if closes != "output":
            server.stdin.close()
        start = time.monotonic()
        assert server.wait(10) == 1
        assert time.monotonic() - start < 5
        assert server.stderr.read() == b"closed\n"


def test_streams_are_given_back_as_they_were(command: list[str]) -> None:
    ours, theirs = os.pipe()
    done = subprocess.run(command, input=frames(INITIALIZE, *GOODBYE), stdout=theirs, timeout=30, check=False)
    assert done.returncode == 0
    assert os.get_blocking(theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        assert [message["id"] for message in read(pipe.read())] == [1, "bye"]
