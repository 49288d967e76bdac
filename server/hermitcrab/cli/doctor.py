"""`hermitcrab doctor`: what is there, what is missing, and the command that mends it."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from hermitcrab import __version__


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `missing` is in the way, `note` is not."""

    what: str
    state: Literal["ok", "note", "missing"]
    said: str
    mend: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = "Exit code 1 when something is missing without which Hermitcrab cannot work here."
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Look and tell."""
    found = list(findings(Path.cwd()))
    if args.json:
        print(json.dumps({"version": __version__, "findings": [asdict(finding) for finding in found]}))
    else:
        marks = {"ok": "ok", "note": "--", "missing": "NO"}
        for finding in found:
            print(f"{marks[finding.state]}  {finding.what:<12} {finding.said}")
            if finding.mend:
                print(f"    {'':<12} → {finding.mend}")
    return 1 if any(finding.state == "missing" for finding in found) else 0


def findings(folder: Path) -> Iterator[Finding]:
    """Yield everything worth knowing about this machine, this user and this folder."""
    yield _python()
    yield from _packages()
    yield _program("git", "lists files and ignores what git ignores", "install git", is_needed=False)
    yield _shell()
    yield _checker("ruff", "checks Python in open files", "pip install --force-reinstall ruff")
    yield _checker("basedpyright", "checks types in trusted folders", "pip install basedpyright")
    yield from _settings(folder)
    yield _private_folders()
    yield _trust(folder)
    yield _editor()


def _python() -> Finding:
    said = f"{platform.python_version()} on {platform.system()}, Hermitcrab {__version__}"
    if sys.platform in {"win32", "darwin"}:
        return Finding("python", "note", f"{said}; supported by design, not run on this platform by us")
    return Finding("python", "ok", said)


def _packages() -> Iterator[Finding]:
    for requirement in importlib.metadata.requires("hermitcrab") or ():
        name = requirement.replace("<", " ").replace(">", " ").replace("=", " ").replace(";", " ").split()[0]
        if "extra ==" in requirement:
            continue
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                "packages", "missing", f"`{name}` is not installed", "pip install --force-reinstall hermitcrab"
            )


def _program(name: str, what: str, mend: str, *, is_needed: bool) -> Finding:
    where = shutil.which(name)
    if where:
        return Finding(name, "ok", where)
    return Finding(name, "missing" if is_needed else "note", f"not found; it {what}", mend)


def _shell() -> Finding:
    from hermitcrab.core.errors import HermitcrabError
    from hermitcrab.procs.shell import find_shell

    try:
        shell = find_shell()
    except HermitcrabError as error:
        return Finding("shell", "missing", str(error), "install bash")
    return Finding("shell", "ok", str(shell.path))


def _checker(name: str, what: str, mend: str) -> Finding:
    beside = Path(sys.executable).with_name(name)
    where = str(beside) if beside.exists() else shutil.which(name)
    return Finding(name, "ok", where) if where else Finding(name, "note", f"not found; it {what}", mend)


def _settings(folder: Path) -> Iterator[Finding]:
    from hermitcrab.config.load import load
    from hermitcrab.core.errors import SettingsError
    from hermitcrab.store.paths import Paths

    paths = Paths.default()
    try:
        settings = load(paths, folder)
    except SettingsError as error:
        yield Finding("settings", "missing", str(error), f"edit {paths.settings}")
        return
    there = "read" if paths.settings.exists() else "none yet"
    yield Finding("settings", "ok", f"{paths.settings} ({there})")
    for warning in settings.warnings:
        yield Finding("settings", "note", warning)
    yield _model(settings.model, str(paths.settings))


def _model(name: str | None, file: str) -> Finding:
    from hermitcrab.core.errors import SettingsError
    from hermitcrab.providers.keys import VARIABLES, with_stored_key
    from hermitcrab.providers.pick import ProviderOptions, pick
    from hermitcrab.store.keys import KeyStore
    from hermitcrab.store.paths import Paths

    if name is None or name == "offline":
        keys = {"ANTHROPIC_API_KEY": "anthropic", "OPENAI_API_KEY": "openai"}
        vendor = next((vendor for key, vendor in keys.items() if os.environ.get(key)), None)
        key = "a key is set" if vendor else "set ANTHROPIC_API_KEY or OPENAI_API_KEY, or start Ollama"
        choice = f"{vendor or 'anthropic'}/NAME"
        mend = f'{key}; put model = "{choice}" in {file}, or say --model {choice}'
        mend += "" if vendor else " (openai/NAME, ollama/NAME)"
        return Finding("model", "note", "offline: rules, no language model", mend)
    try:
        environment = with_stored_key(name, dict(os.environ), KeyStore.in_paths(Paths.default()))
        pick(name, ProviderOptions(environment=environment))
    except SettingsError as error:
        mend = f"hermitcrab setup --model {name}" if name.partition("/")[0] in VARIABLES else ""
        return Finding("model", "missing", str(error), mend)
    return Finding("model", "ok", name)


def _private_folders() -> Finding:
    from hermitcrab.store.paths import Paths

    paths = Paths.default()
    for folder in (paths.config, paths.data, paths.state):
        nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if not os.access(nearest, os.W_OK):
            return Finding("storage", "missing", f"`{nearest}` cannot be written", f"chmod u+w {nearest}")
        if folder.exists() and os.name == "posix" and folder.stat().st_mode & 0o077:
            return Finding("storage", "note", f"others can look into `{folder}`", f"chmod 700 {folder}")
    return Finding("storage", "ok", str(paths.data))


def _trust(folder: Path) -> Finding:
    from hermitcrab.permissions.trust import TrustStore
    from hermitcrab.store.paths import Paths

    if TrustStore.in_paths(Paths.default()).is_trusted(folder.resolve()):
        return Finding("trust", "ok", f"{folder} is trusted")
    return Finding("trust", "note", f"{folder} is not trusted: nothing it brings runs", "hermitcrab trust")


def _editor() -> Finding:
    found = [name for name in ("nvim", "code", "hx", "emacs") if shutil.which(name)]
    if found:
        return Finding("editors", "ok", ", ".join(found))
    return Finding("editors", "note", "none found on PATH; any LSP client can start `hermitcrab lsp`")
