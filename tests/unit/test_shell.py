"""Command lines in the pinned shell."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from hermitcrab.procs.environment import for_child, is_secret
from hermitcrab.procs.shell import find_shell, run_shell

ENV = {"PATH": os.environ["PATH"]}


def test_the_shell_stands_at_a_fixed_place() -> None:
    shell = find_shell()
    assert shell.path.is_absolute()
    assert shell.path.name == shell.grammar


async def test_a_shell_in_the_folder_is_not_taken(tmp_path: Path) -> None:
    fake = tmp_path / "bash"
    fake.write_text("#!/bin/sh\necho hijacked\n")
    fake.chmod(0o755)
    done = await run_shell("echo fine", cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, timeout=10)
    assert done.output == "fine\n"


async def test_a_line_runs_as_written(tmp_path: Path) -> None:
    done = await run_shell(
        "for i in 1 2; do echo \"$i\"; done | sort -r; echo 'a  b'", cwd=tmp_path, env=ENV, timeout=10
    )
    assert done.output == "2\n1\na  b\n"


async def test_start_up_files_do_not_run(tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.write_text("echo hijacked\n")
    (tmp_path / ".bashrc").write_text("echo hijacked\n")
    (tmp_path / ".bash_profile").write_text("echo hijacked\n")
    env = {**ENV, "HOME": str(tmp_path), "BASH_ENV": str(evil), "ENV": str(evil)}
    assert (await run_shell("echo fine", cwd=tmp_path, env=env, timeout=10)).output == "fine\n"


async def test_keys_of_model_providers_do_not_reach_a_command(tmp_path: Path) -> None:
    env = {**ENV, "ANTHROPIC_API_KEY": "sk-secret", "MY_OWN": "stays"}
    done = await run_shell("env", cwd=tmp_path, env=env, timeout=10)
    assert "sk-secret" not in done.output
    assert "MY_OWN=stays" in done.output


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("ANTHROPIC_API_KEY", True),
        ("anthropic_api_key", True),
        ("ANTHROPIC_AUTH_TOKEN", True),
        ("ANTHROPIC_CUSTOM_HEADERS", True),
        ("OPENAI_API_KEY", True),
        ("AZURE_OPENAI_API_KEY", True),
        ("GEMINI_API_KEY", True),
        ("GOOGLE_API_KEY", True),
        ("ANTHROPIC_BASE_URL", False),
        ("GITHUB_TOKEN", False),
        ("MY_ANTHROPIC_API_KEY_FILE", False),
        ("PATH", False),
    ],
)
def test_which_names_are_secret(name: str, secret: bool) -> None:
    assert is_secret(name) is secret
    assert (name in for_child({name: "x"})) is not secret


async def test_nothing_waits_for_a_person(tmp_path: Path) -> None:
    began = time.monotonic()
    done = await run_shell(
        'read answer; echo "got:$answer"; echo $PAGER $GIT_TERMINAL_PROMPT', cwd=tmp_path, env=ENV, timeout=10
    )
    assert done.output == "got:\ncat 0\n"
    assert time.monotonic() - began < 5


async def test_the_pieces_of_a_pipeline_end_together(tmp_path: Path) -> None:
    task = asyncio.create_task(
        run_shell("(echo $BASHPID > one; sleep 60) | (echo $BASHPID > two; cat)", cwd=tmp_path, env=ENV, timeout=30)
    )
    while not ((tmp_path / "one").exists() and (tmp_path / "two").exists()):
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    pids = [int((tmp_path / name).read_text()) for name in ("one", "two")]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.5)
    # What is left of a killed process until somebody collects its exit code has no command line any more.
    assert [pid for pid in pids if (line := Path(f"/proc/{pid}/cmdline")).exists() and line.read_bytes()] == []
