"""A terminal a test can type into and read: one tmux server of its own for each screen."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_COUNT = itertools.count(1)
WAIT_SECONDS = 20.0


class Screen:
    """One program in a terminal of a fixed size."""

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], columns: int = 120, lines: int = 36
    ) -> None:
        self._socket = f"hermitcrab-{os.getpid()}-{next(_COUNT)}"
        self._env = {**env, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        size = ("-x", str(columns), "-y", str(lines))
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "main", *size, "-c", str(cwd), "--", *argv)

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names (`Enter`, `Escape`, `C-s`), or as they are."""
        for name in names:
            self._tmux("send-keys", "-t", "main", name)
            if name == "Escape":
                time.sleep(0.06)  # else a terminal reads Escape and the next key as one

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._tmux("send-keys", "-t", "main", "-l", text)

    def command(self, text: str) -> None:
        """Leave whatever mode and run an Ex command."""
        self.keys("Escape")
        self.type(f":{text}")
        self.keys("Enter")

    def capture(self) -> str:
        """Return what is on the screen."""
        shown = self._tmux("capture-pane", "-p", "-t", "main").rstrip("\n")
        return "\n".join(line.rstrip() for line in shown.split("\n"))

    def wait_for(self, what: str | Callable[[str], bool], *, seconds: float = WAIT_SECONDS) -> str:
        """Wait until a text is shown, or a condition holds; return the screen."""
        holds: Callable[[str], bool] = what if callable(what) else lambda screen: what in screen
        end = time.monotonic() + seconds
        while True:
            screen = self.capture()
            if holds(screen):
                return screen
            if time.monotonic() > end:
                raise AssertionError(f"never saw {what!r} on the screen:\n{screen}")
            time.sleep(0.05)

    def keep(self, name: str) -> str:
        """Return the screen; write it to $HERMITCRAB_SHOTS too, when that is set."""
        screen = self.capture()
        if folder := os.environ.get("HERMITCRAB_SHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.txt").write_text(screen + "\n", encoding="utf-8")
        return screen

    def close(self) -> None:
        """End the program and its terminal."""
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], env=self._env, capture_output=True, check=False)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *arguments], env=self._env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"tmux {arguments[0]}: {done.stderr.strip()}")
        return done.stdout
