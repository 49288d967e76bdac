"""Names nobody may write without a person's yes, in any mode: what they hold runs, or decides what may run.

A name counts wherever it stands, whether or not the file exists, in every spelling a file system folds to it, and for
creating, changing, renaming, linking and deleting alike. Reading asks only for what holds secrets.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from hermitcrab.permissions.access import Access
from hermitcrab.permissions.names import folded, is_inside, parts_of

_FOLDERS = {
    "git internals": (".git", ".hg", ".svn", ".jj", "git~1", ".githooks"),
    "editor settings": (
        ".vscode", ".vscode-server", ".vs", ".idea", ".fleet", ".zed", ".nvim", ".helix", ".sublime", ".devcontainer",
        ".emacs.d",
    ),
    "build hooks": (".husky", ".cargo", ".yarn", ".mvn"),
    "agent configuration": (".hermitcrab", ".claude", ".cursor", ".codex", ".gemini", ".continue", ".windsurf"),
    "keys and credentials": (".ssh", ".gnupg", ".aws", ".kube", ".docker"),
}  # fmt: skip

_FILES = {
    "shell start-up": (
        ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".zshrc", ".zshenv",
        ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".cshrc", ".tcshrc", ".login", ".inputrc", ".xprofile", ".xinitrc",
        ".envrc", "config.fish",
    ),
    "tool start-up": (
        ".gitconfig", ".gitmodules", ".ripgreprc", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", ".curlrc",
        ".wgetrc", ".pypirc", ".netrc", "_netrc", ".condarc", ".bazelrc", ".pdbrc", ".gdbinit", ".lldbinit", ".tmux.conf",
        ".screenrc", ".rprofile", ".irbrc", "sitecustomize.py", "usercustomize.py", "pip.conf", "pip.ini", ".mise.toml",
        "mise.toml", ".mise.local.toml", "commondir",
    ),
    "editor settings": (
        ".vimrc", ".gvimrc", ".exrc", ".nvimrc", ".nvim.lua", ".lazy.lua", ".emacs", ".dir-locals.el",
        ".dir-locals-2.el", ".devcontainer.json", ".neoconf.json", ".ycm_extra_conf.py",
    ),
    "build hooks": (".pre-commit-config.yaml", "lefthook.yml", ".lefthook.yml", "lefthook.yaml", ".huskyrc"),
    "agent configuration": (
        ".mcp.json", "mcp.json", "agents.md", "agents.override.md", "claude.md", "claude.local.md", "gemini.md",
        ".cursorrules", ".windsurfrules", ".clinerules", "copilot-instructions.md", ".claude.json",
    ),
    "environment file": (".env",),
}  # fmt: skip

_SUFFIXES = {
    ".code-workspace": "editor settings",
    ".sublime-project": "editor settings",
    ".pth": "tool start-up",
}

# Folders that are protected by the folder they stand in.
_PAIRS = {
    (".config", "hermitcrab"): "agent configuration",
    (".config", "git"): "tool start-up",
    (".config", "fish"): "shell start-up",
    (".config", "nvim"): "editor settings",
    (".config", "helix"): "editor settings",
    (".config", "zed"): "editor settings",
    (".config", "code"): "editor settings",
    (".config", "environment.d"): "shell start-up",
    (".config", "autostart"): "shell start-up",
    (".config", "systemd"): "shell start-up",
    ("share", "hermitcrab"): "agent configuration",
    ("state", "hermitcrab"): "agent configuration",
    ("application support", "hermitcrab"): "agent configuration",
    ("application support", "code"): "editor settings",
}

_SECRET_FILES = frozenset({".netrc", "_netrc", ".pypirc", ".npmrc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"})
_SECRET_FOLDERS = frozenset(_FOLDERS["keys and credentials"])
_HARMLESS_ENVIRONMENTS = frozenset({".env.example", ".env.sample", ".env.template", ".env.dist", ".env.defaults"})

_FOLDER_GROUP = {name: group for group, names in _FOLDERS.items() for name in names}
_FILE_GROUP = {name: group for group, names in _FILES.items() for name in names}


def protected_by(access: Access, own: Iterable[Path] = ()) -> str:
    """Return why a call needs a person's yes, or an empty string.

    `own` are places that are protected by what they are and not by name: our own folders, targets of protected links.
    """
    if access.kind == "none":
        return ""
    own = tuple(own)
    for path in (*access.paths, *access.named):
        group = _secret(path) if access.kind == "read" else _written(path, own)
        if group:
            return f"`{path.name}` is protected ({group})"
    return ""


def is_protected_name(name: str) -> bool:
    """Say whether a file or folder of that name is protected wherever it stands."""
    name = folded(name)
    return bool(_by_folder((name,)) or _by_name(name))


def _written(path: Path, own: tuple[Path, ...]) -> str:
    parts = tuple(folded(part) for part in parts_of(path))
    if any(is_inside(path, place, folds_case=True) for place in own):
        return "" if _is_chat(parts) else "our own files, or what a protected name leads to"
    return "" if _is_chat(parts) else _by_folder(parts) or _by_name(parts[-1] if parts else "")


def _is_chat(parts: tuple[str, ...]) -> bool:
    """Say whether this is one of our chat files, which are made to be written: nothing above it may be protected."""
    for at in range(len(parts) - 2):
        if parts[at : at + 2] == (".hermitcrab", "chats"):
            return not _by_folder(parts[:at]) and not _by_folder(parts[at + 2 :]) and not _by_name(parts[-1])
    return False


def _by_folder(parts: tuple[str, ...]) -> str:
    for part in parts:
        if group := _FOLDER_GROUP.get(part):
            return group
    for pair in itertools.pairwise(parts):
        if group := _PAIRS.get(pair):
            return group
        if pair[0].endswith(".git") and pair[1] in {"hooks", "config", "info", "objects", "head"}:
            return "git internals"
    return ""


def _by_name(name: str) -> str:
    if name.startswith(".env.") and name not in _HARMLESS_ENVIRONMENTS:
        return "environment file"
    if group := _FILE_GROUP.get(name):
        return group
    return next((group for suffix, group in _SUFFIXES.items() if name.endswith(suffix)), "")


def _secret(path: Path) -> str:
    parts = tuple(folded(part) for part in parts_of(path))
    name = parts[-1] if parts else ""
    is_environment = name == ".env" or (name.startswith(".env.") and name not in _HARMLESS_ENVIRONMENTS)
    if is_environment or name in _SECRET_FILES or not _SECRET_FOLDERS.isdisjoint(parts):
        return "it may hold secrets"
    return ""
