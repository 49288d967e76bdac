"""A real Neovim with our plugin in a terminal, and the real server behind it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from editors.tmux import WAIT_SECONDS, Screen

HERE = Path(__file__).parent
PLUGIN = HERE.parents[1] / "editors" / "neovim"
SETUP = HERE / "setup" / "setup-neovim.sh"
_INIT = """\
vim.opt.runtimepath:prepend({plugin})
vim.g.loaded_python3_provider = 0 -- else the Python filetype plugin looks for providers, which takes seconds
vim.o.swapfile = false
vim.o.statusline = ' %f %m%=%{{v:lua.require("hermitcrab").status()}} '
vim.lsp.config('hermitcrab', {{ cmd = {command} }})
"""


def editor_path() -> Path:
    """Return where the setup script puts Neovim."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = os.environ.get("HERMITCRAB_EDITORS") or Path(cache) / "hermitcrab-editors"
    return Path(folder) / "bin" / "nvim"


def what_is_missing() -> str:
    """Say why Neovim cannot be driven here; empty when it can."""
    if not editor_path().exists():
        return (
            f"Neovim is not set up: sh {SETUP.relative_to(Path.cwd()) if SETUP.is_relative_to(Path.cwd()) else SETUP}"
        )
    if shutil.which("tmux") is None:
        return "tmux is not installed"
    return ""


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment that leads nowhere but to `home`: no keys, no settings, no proxies."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    places = {name: str(home / folder) for name, folder in _FOLDERS.items()}
    return {**kept, **places, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


_FOLDERS = {
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CACHE_HOME": ".cache",
}


class Neovim:
    """Neovim in a terminal: keys go in, the screen and Neovim's own state come out."""

    def __init__(self, root: Path, home: Path, *, model: str, files: Sequence[str] = (), extra: str = "") -> None:
        home.mkdir(parents=True, exist_ok=True)
        runtime = home / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        self._env = {**clean_environment(home), "XDG_RUNTIME_DIR": str(runtime)}
        self._address = str(runtime / "nvim")
        command = [str(Path(sys.executable).parent / "hermitcrab"), "lsp", "--model", model]
        init = home / "init.lua"
        listed = "{ " + ", ".join(json.dumps(word) for word in command) + " }"
        init.write_text(_INIT.format(plugin=json.dumps(str(PLUGIN)), command=listed) + extra, encoding="utf-8")
        argv = [str(editor_path()), "--clean", "-u", str(init), "--listen", self._address, *files]
        self.root = root
        self.screen = Screen(argv, cwd=root, env=self._env)
        self._wait(lambda: Path(self._address).exists(), "Neovim's socket")

    def ask(self, expression: str) -> Any:
        """Return the value of a Lua expression in Neovim."""
        quoted = f"json_encode(luaeval({_vim_string(expression)}))"
        done = subprocess.run(
            [str(editor_path()), "--server", self._address, "--remote-expr", quoted],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"`{expression}`: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def wait_until(self, expression: str, *, seconds: float = WAIT_SECONDS) -> None:
        """Wait until a Lua expression is true."""
        self._wait(lambda: bool(self.ask(expression)), expression, seconds=seconds)

    def wait_for_server(self) -> None:
        """Wait until the server answers for the file at hand."""
        self.wait_until("#vim.lsp.get_clients({ bufnr = 0, name = 'hermitcrab' }) == 1")
        self.wait_until("vim.lsp.get_clients({ bufnr = 0, name = 'hermitcrab' })[1].initialized == true")

    def wait_for_problem(self, words: str) -> None:
        """Wait until a diagnostic with these words is shown in the current buffer."""
        self.wait_until(
            f"vim.iter(vim.diagnostic.get(0)):any(function(d) return d.message:find({json.dumps(words)}, 1, true) end)"
        )

    def text(self, name: str = "") -> str:
        """Return the text of a buffer as the editor has it."""
        buffer = f"vim.fn.bufnr({json.dumps(name)})" if name else "0"
        return "\n".join(self.ask(f"vim.api.nvim_buf_get_lines({buffer}, 0, -1, false)")) + "\n"

    def is_modified(self, name: str = "") -> bool:
        """Tell whether a buffer has unsaved changes."""
        buffer = f"vim.fn.bufnr({json.dumps(name)})" if name else "0"
        return bool(self.ask(f"vim.bo[{buffer}].modified"))

    def chat(self) -> str:
        """Return the text of the chat."""
        return "\n".join(
            self.ask(
                "(function() for _, b in ipairs(vim.api.nvim_list_bufs()) do if vim.b[b].hermitcrab_session then"
                " return vim.api.nvim_buf_get_lines(b, 0, -1, false) end end return {} end)()"
            )
        )

    def wait_for_chat(self, words: str, *, seconds: float = WAIT_SECONDS) -> str:
        """Wait until the chat holds these words; return all of it."""
        self._wait(lambda: words in self.chat(), f"`{words}` in the chat", seconds=seconds)
        return self.chat()

    def wait_until_idle(self) -> None:
        """Wait until a turn has begun and ended."""
        self.wait_until("(require('hermitcrab.sessions').current() or {}).turn ~= nil")
        self.wait_until("require('hermitcrab.sessions').current().state == 'idle'")

    def close(self) -> None:
        """End Neovim; its server goes with it."""
        self.screen.close()

    def _wait(self, holds: Callable[[], bool], what: str, *, seconds: float = WAIT_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"never: {what}\n{self.screen.capture()}")
            time.sleep(0.05)


def _vim_string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
