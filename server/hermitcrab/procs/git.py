"""Our own git calls, neutralised: they only look, and nothing a repository configures is started by them.

A repository's configuration and attributes can name programs (fsmonitor, hooks, filters, textconv, external diffs,
transports of missing objects); opening a folder must start none of them, whether it is trusted or not.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hermitcrab.core.errors import ToolError
from hermitcrab.procs.environment import is_secret
from hermitcrab.procs.run import Finished, run

GIT_SECONDS = 30.0
"""How long one of our own git calls may take."""

LISTING_LIMIT = 64_000_000
"""Bytes of file names read from one listing."""

_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=all")

# The only commands we call, each with the options that keep it from starting anything.
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "cat-file": (),
    "check-ignore": (),
    "diff": _DIFF,
    "log": _DIFF,
    "ls-files": (),
    "ls-tree": (),
    "rev-parse": (),
    "show": _DIFF,
    "status": ("--ignore-submodules=all",),
}

# Options of those commands that would start a program or write a file after all.
_REFUSED = ("--ext-diff", "--textconv", "--filters", "--output", "--open-files-in-pager", "--edit", "--show-signature")

_SETTINGS = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.pager=cat",
    "core.untrackedCache=false",
    "diff.external=",
    "diff.ignoreSubmodules=all",
    "log.showSignature=false",
    "protocol.allow=never",
    "safe.bareRepository=explicit",
    "status.submoduleSummary=false",
    "submodule.recurse=false",
)

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",  # nothing missing is fetched; stands above any `protocol.*.allow` of a repository
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}


async def git(
    args: Sequence[str],
    cwd: Path,
    *,
    env: Mapping[str, str] | None = None,
    output_limit: int = LISTING_LIMIT,
) -> Finished:
    """Run one of git's reading commands; undecodable bytes come back as `os.fsdecode` gives them, stderr apart.

    Raises ToolError for a missing git, for a command that is not on our list and for options that start programs.
    """
    words = _checked(args)
    git = _Git(_find_git(cwd, env), cwd, _clean(env))
    return await git.call(words, [*_SETTINGS, *await _filters_off(git)], output_limit)


@dataclass(frozen=True, slots=True)
class _Git:
    """Git in one directory."""

    program: str
    cwd: Path
    environment: Mapping[str, str]

    async def call(self, words: Sequence[str], settings: Sequence[str], output_limit: int) -> Finished:
        """Run it with `settings` above all that any file configures."""
        overrides = [word for setting in settings for word in ("-c", setting)]
        return await run(
            [self.program, "--no-pager", "--no-optional-locks", *overrides, *words],
            cwd=self.cwd,
            env=self.environment,
            timeout=GIT_SECONDS,
            output_limit=output_limit,
            separate=True,
            decode_errors="surrogateescape",
        )


async def _filters_off(git: _Git) -> list[str]:
    """Return settings that switch off every filter driver any configuration names."""
    found = await git.call(["config", "--null", "--name-only", "--list"], _SETTINGS, LISTING_LIMIT)
    keys = {key.rpartition(".")[0] for key in found.output.split("\0") if key.startswith("filter.")}
    unusual = [key for key in keys if "=" in key]
    if unusual or found.truncated:
        raise ToolError(f"git's configuration names a filter that cannot be switched off: `{min(unusual, default='')}`")
    return [f"{key}.{what}" for key in sorted(keys) for what in ("clean=", "smudge=", "process=", "required=false")]


async def tracked_and_untracked(root: Path) -> tuple[Path, ...] | None:
    """Return the files below `root` that git does not ignore, sorted; None where git cannot tell.

    Repositories inside the repository (submodules, nested clones) are asked for theirs. Tracked files that were
    deleted are left out.
    """
    try:
        inside = await git(["rev-parse", "--show-toplevel"], root)
    except ToolError:
        return None
    if inside.exit_code or not await asyncio.to_thread(_holds, inside.output.removesuffix("\n"), root):
        return None
    return await _listing(root)


async def _nested(folder: Path) -> tuple[Path, ...]:
    """Return the files of a repository inside another; nothing for a submodule that was never fetched."""
    try:
        inside = await git(["rev-parse", "--show-toplevel"], folder)
    except ToolError:
        return ()
    top = inside.output.removesuffix("\n")
    if inside.exit_code or not await asyncio.to_thread(_is_same, top, folder):
        return ()
    return await _listing(folder) or ()


async def _listing(root: Path) -> tuple[Path, ...] | None:
    names, deleted = await asyncio.gather(
        git(["ls-files", "-z", "-co", "--exclude-standard"], root),
        git(["ls-files", "-z", "-d"], root),
    )
    if names.exit_code or deleted.exit_code or names.truncated or deleted.truncated:
        return None
    files, nested = await asyncio.to_thread(_sort_out, root, names.output, deleted.output)
    for folder in nested:
        files.extend(await _nested(folder))
    return tuple(sorted(files))


def _sort_out(root: Path, names: str, deleted: str) -> tuple[list[Path], list[Path]]:
    """Return the files, and the folders that are repositories of their own."""
    listed = set(names.split("\0")) - set(deleted.split("\0")) - {""}
    nested = {name for name in listed if name.endswith("/") or _is_folder(root / name)}
    return [root / name for name in listed - nested], [root / name for name in sorted(nested)]


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _holds(top: str, root: Path) -> bool:
    """Say whether `root` is in the work tree git names: a repository may claim one that lies elsewhere."""
    return Path(os.path.realpath(root)).is_relative_to(os.path.realpath(top))


def _is_same(top: str, folder: Path) -> bool:
    return os.path.realpath(top) == os.path.realpath(folder)


def _checked(args: Sequence[str]) -> list[str]:
    command = args[0] if args else ""
    if command not in _COMMANDS:
        raise ToolError(f"`git {command}` is not among the commands Hermitcrab calls by itself")
    for word in itertools.takewhile(lambda word: word != "--", args[1:]):
        name = word.partition("=")[0]  # git takes the beginning of an option for the whole
        if len(name) > 3 and name != "--text" and any(refused.startswith(name) for refused in _REFUSED):
            raise ToolError(f"`git {command} {word}` could start a program or write a file")
    return [command, *_COMMANDS[command], *args[1:]]


def _find_git(cwd: Path, env: Mapping[str, str] | None) -> str:
    """Return git from an absolute place on PATH outside `cwd`: a folder's own `git` is not the user's."""
    path = (os.environ if env is None else env).get("PATH", os.defpath)
    here = os.path.realpath(cwd)
    places = [place for place in path.split(os.pathsep) if Path(place).is_absolute()]
    for place in places:
        found = shutil.which("git", path=place)
        if found and (here == os.sep or not Path(os.path.realpath(place)).is_relative_to(here)):
            return found
    raise ToolError("`git` was not found; install it or check PATH")


def _clean(env: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment without git's own variables: each could point git elsewhere or at a program."""
    source = os.environ if env is None else env
    kept = {name: value for name, value in source.items() if not name.startswith("GIT_") and not is_secret(name)}
    return {**kept, **_ENVIRONMENT}
