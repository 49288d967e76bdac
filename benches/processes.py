"""Child processes: a language server spoken to in frames, the mock's process, and what they use of the machine."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hermitcrab
from hermitcrab.core.frames import Frame, FrameDecoder, encode_frame

HERMITCRAB = ("-m", "hermitcrab", "lsp")
BARE_PYGLS = ("-c", "from pygls.lsp.server import LanguageServer; LanguageServer('bare', '1').start_io()")
PYLSP = ("-m", "pylsp")
WAIT = 60.0
_SOURCES = Path(hermitcrab.__file__).parent.parent  # the same in child processes as here


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment that leads nowhere but to `home`: no keys, no settings, no proxies."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    ours = {"HOME": str(home), "HERMITCRAB_HOME": str(home / "hermitcrab"), "PYTHONPATH": str(_SOURCES)}
    return {**kept, **ours, **more}


def capabilities() -> dict[str, Any]:
    """Return a real editor's capabilities (Neovim 0.11, as recorded by pytest-lsp), and that updates are welcome."""
    import pytest_lsp

    file = Path(pytest_lsp.__file__).parent / "clients" / "neovim_v0.11.0.json"
    found = json.loads(file.read_text("utf-8"))
    found["capabilities"]["experimental"] = {"hermitcrab": {"version": 1, "permission": True}}
    return {"clientInfo": found["clientInfo"], "capabilities": found["capabilities"]}


class Server:
    """A language server in a process of its own; nothing is read but when somebody waits."""

    def __init__(self, root: Path, home: Path, *args: str, **variables: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._errors = (home / "stderr.txt").open("wb")
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, *args],
            cwd=root,
            env=environment(home, **variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.pid = self.process.pid
        self._numbers = itertools.count(1)
        self._decoder = FrameDecoder()
        self._waiting: deque[bytes] = deque()
        self.shown = (0, 0)

    def initialize(self) -> None:
        """Introduce an editor and wait for the reply."""
        options = {"diagnostics": "off"}
        self.request(
            "initialize",
            {"processId": None, "rootUri": self.root.as_uri(), "initializationOptions": options, **capabilities()},
        )

    def begin(self) -> None:
        """Introduce an editor and see the engine built."""
        self.initialize()
        self.notify("initialized", {})
        self.request("hermitcrab/status", {})

    def session(self) -> str:
        """Begin a session that edits without asking."""
        return self.request("hermitcrab/session/new", {"cwd": str(self.root), "modeId": "acceptEdits"})["sessionId"]

    def turn(self, session: str, text: str) -> float:
        """Run a turn to its end as this client sees it; return how long that took.

        `shown` is what the client was told of the model's words meanwhile, and in how many messages.
        """
        self.shown = (0, 0)
        start = time.perf_counter()
        prompt = [{"type": "text", "text": text}]
        self.request("hermitcrab/session/prompt", {"sessionId": session, "prompt": prompt})
        end = json.loads(self.until(self._is_end))["params"]["update"]
        took = time.perf_counter() - start
        if end["stopReason"] != "end_turn":
            raise RuntimeError(f"a measured turn ended with {end}")
        return took

    def _is_end(self, body: bytes) -> bool:
        if b'"agent_message_chunk"' in body:
            text = json.loads(body)["params"]["update"]["content"]["text"]
            self.shown = self.shown[0] + len(text), self.shown[1] + 1
        return b'"stopReason"' in body

    def notify(self, method: str, params: Any) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def request(self, method: str, params: Any) -> Any:
        number = next(self._numbers)
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        body = json.loads(self.until(lambda body: b'"method"' not in body and json.loads(body)["id"] == number))
        if "error" in body:
            raise RuntimeError(f"`{method}`: {body}")
        return body["result"]

    def fence(self) -> None:
        """Wait until all that was sent has been taken in: the answer to a method nobody knows comes behind it."""
        self.send({"jsonrpc": "2.0", "id": "fence", "method": "bench/fence", "params": {}})
        self.until(lambda body: b'"fence"' in body)

    def send(self, message: Any) -> None:
        self.send_bytes(encode_frame(json.dumps(message).encode()))

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def until(self, is_meant: Callable[[bytes], bool]) -> bytes:
        """Read until a message is the one that is meant, and return its bytes; all before it is dropped."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + WAIT
        while True:
            while self._waiting:
                if is_meant(body := self._waiting.popleft()):
                    return body
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"nothing came within {WAIT:g} s")
            if not (data := os.read(descriptor, 1 << 20)):
                raise RuntimeError("the server is gone; its words: " + Path(self._errors.name).read_text()[-2000:])
            frames = self._decoder.feed(data)
            self._waiting.extend(bytes(frame.body) for frame in frames if isinstance(frame, Frame))

    @property
    def cpu(self) -> float:
        """Return the seconds of CPU the process has used, exactly."""
        return time.clock_gettime((~self.pid << 3) | 2)  # CLOCK_PROCESS_CPUTIME_ID of another process

    @property
    def pss(self) -> float:
        """Return the megabytes of memory of the whole tree, shared pages counted by their share."""
        return sum(_pss(pid) for pid in tree(self.pid)) / 1024

    def end(self) -> float:
        """Kill it where it stands; return the seconds of CPU it had used."""
        self.process.kill()
        _, _, used = os.wait4(self.pid, 0)
        self.process.returncode = -9
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        return used.ru_utime + used.ru_stime


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


@contextlib.contextmanager
def server(root: Path, home: Path, *args: str, **variables: str) -> Generator[Server]:
    """Start a server; it is gone when this ends."""
    started = Server(root, home, *args, **variables)
    try:
        yield started
    finally:
        if started.process.returncode is None:
            started.end()


@contextlib.contextmanager
def mock(folder: Path, *, record: Path | None = None) -> Generator[str]:
    """Start the mock model and yield its address."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    more = ["--record", str(record)] if record else []
    program = Path(__file__).with_name("mock_model.py")
    process = subprocess.Popen([sys.executable, str(program), "--port-file", str(port_file), *more])
    try:
        deadline = time.monotonic() + WAIT
        while not (port_file.exists() and port_file.read_text().endswith("\n")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the mock model did not start")
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.kill()
        process.wait()


def model_variables(url: str) -> dict[str, str]:
    """Return the environment that makes Anthropic's wire lead to the mock."""
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "key"}
