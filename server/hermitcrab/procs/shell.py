"""The shell: one choice, pinned, so that what was analysed and shown is what runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hermitcrab.core.errors import ToolError
from hermitcrab.procs.environment import for_child
from hermitcrab.procs.output import OnOutput
from hermitcrab.procs.run import OUTPUT_LIMIT, Finished, run

# Fixed places, never PATH: a folder's own `bin` may stand first there.
_PLACES = ("/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin")


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell and the grammar it speaks."""

    path: Path
    grammar: Literal["bash", "sh"]

    def argv(self, command: str) -> list[str]:
        """Return the words that run one command line without any start-up file."""
        quiet = ["--noprofile", "--norc"] if self.grammar == "bash" else []
        return [str(self.path), *quiet, "-c", command]


def find_shell() -> Shell:
    """Return bash if the machine has it, else sh; on Windows there is none yet (not run there)."""
    if sys.platform != "win32":
        for grammar in ("bash", "sh"):
            for place in _PLACES:
                path = Path(place, grammar)
                if path.is_file():
                    return Shell(path, grammar)
    raise ToolError("no shell was found: `Bash` needs bash or sh; install one in `/bin` or `/usr/bin`")


async def run_shell(
    command: str,
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float | None,  # noqa: ASYNC109 - as `run`
    on_output: OnOutput | None = None,
    output_limit: int = OUTPUT_LIMIT,
    spill: Path | None = None,
    stdin: bytes | None = None,
) -> Finished:
    """Run one command line in the pinned shell with the connection's environment, less the keys of model providers."""
    return await run(
        find_shell().argv(command),
        cwd=cwd,
        env=for_child(env),
        stdin=stdin,
        timeout=timeout,
        on_output=on_output,
        output_limit=output_limit,
        spill=spill,
    )
