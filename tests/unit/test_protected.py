"""Protected names: wherever they stand, in whatever spelling, for every verb."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.permissions.access import Access, AccessKind
from hermitcrab.permissions.links import protected_places
from hermitcrab.permissions.protected import protected_by

ROOT = Path("/home/me/project")

PROTECTED = [
    ".git/hooks/pre-commit",
    ".git/config",
    ".git",
    "sub/module/.git",
    "bare.git/hooks/update",
    "bare.git/config",
    ".gitmodules",
    ".gitconfig",
    ".vscode/settings.json",
    ".vscode/tasks.json",
    ".vscode/new-file",
    ".vscode",
    ".idea/workspace.xml",
    ".devcontainer/devcontainer.json",
    ".devcontainer.json",
    "my.code-workspace",
    ".zed/settings.json",
    ".exrc",
    ".nvim.lua",
    ".dir-locals.el",
    ".husky/pre-commit",
    ".cargo/config.toml",
    ".yarn/plugins/x.cjs",
    ".yarnrc.yml",
    ".pnpmfile.cjs",
    ".npmrc",
    ".ripgreprc",
    ".pre-commit-config.yaml",
    ".bashrc",
    ".zshenv",
    ".profile",
    ".envrc",
    ".env",
    ".env.local",
    "deep/down/.env.production",
    ".mcp.json",
    ".cursor/mcp.json",
    ".hermitcrab/settings.toml",
    ".hermitcrab/hooks/x",
    ".hermitcrab",
    ".claude/commands/x.md",
    "AGENTS.md",
    "CLAUDE.md",
    ".cursorrules",
    ".ssh/authorized_keys",
    "sitecustomize.py",
    "evil.pth",
    ".config/hermitcrab/trust.json",
    ".config/fish/conf.d/x.fish",
    ".config/nvim/init.lua",
    "Library/Application Support/hermitcrab/settings.toml",
]

FREE = [
    "a.py",
    "src/git/config",
    "git/hooks/x",
    "env",
    ".envoy.yaml",
    ".env.example",
    ".gitignore",
    ".hermitcrab/chats/2026.md",
    ".hermitcrab/chats/sub/x.md",
    "vscode/settings.json",
    "settings.json",
    "cargo/config.toml",
    "README.md",
    "agents.py",
]


def writes(path: Path) -> bool:
    return bool(protected_by(Access("Edit", "edit", "", "", (path,))))


@pytest.mark.parametrize("name", PROTECTED)
def test_protected(name: str) -> None:
    assert writes(ROOT / name)
    assert writes(Path("/somewhere/else") / name)


@pytest.mark.parametrize("name", FREE)
def test_free(name: str) -> None:
    assert not writes(ROOT / name)


@pytest.mark.parametrize("kind", ["edit", "execute", "network"])
def test_for_every_verb_that_could_change_it(kind: AccessKind) -> None:
    reason = protected_by(Access("X", kind, "", "", (ROOT / "a.py", ROOT / ".git/config")))
    assert reason == "`config` is protected (git internals)"


def swapped_case(name: str, mask: int) -> str:
    return "".join(char.swapcase() if mask >> at & 1 else char for at, char in enumerate(name))


@given(st.sampled_from(PROTECTED), st.integers(0, 2**40))
def test_no_case_slips_past(name: str, mask: int) -> None:
    assert writes(ROOT / swapped_case(name, mask))


@given(
    st.sampled_from(PROTECTED),
    st.sampled_from(["\u200c", "\u200d", "\u200e", "\ufeff", "\u202e", "\u00ad"]),
    st.integers(1, 30),
)
def test_no_character_a_file_system_ignores_slips_past(name: str, char: str, at: int) -> None:
    at = min(at, len(name))
    assert writes(ROOT / (name[:at] + char + name[at:]))


@pytest.mark.parametrize(
    "name",
    [
        ".git./config", ".git /config", ".git::$INDEX_ALLOCATION/config", "GIT~1/config", ".vscode.../x", ".env ",
        ".ｇit/config", "x/../.git/config", "./.git/./config", ".hermitcrab/chats/../settings.toml",
        ".hermitcrab/chats/.git/config", ".hermitcrab/chats/.env", ".git/.hermitcrab/chats/x", ".hermitcrab/chatsx/a.md",
    ],
)  # fmt: skip
def test_other_spellings_and_detours(name: str) -> None:
    assert writes(ROOT / name)


def test_a_link_with_a_protected_name_is_protected_whatever_it_points_to() -> None:
    access = Access("Edit", "edit", "", "", (ROOT / "a.json",), named=(ROOT / ".vscode/settings.json",))
    assert protected_by(access)


def test_our_own_folders_outside_the_workspace() -> None:
    own = (Path("/opt/crab/config"),)
    access = Access("Edit", "edit", "", "", (Path("/opt/crab/config/trust.json"),))
    assert protected_by(access, own)
    assert not protected_by(access)


@pytest.mark.parametrize(
    ("name", "asks"),
    [(".env", True), (".ENV.local", True), (".ssh/id_rsa", True), ("id_ed25519", True), (".netrc", True)]
    + [(name, False) for name in (".env.example", ".git/config", ".vscode/settings.json", "AGENTS.md", "a.py")],
)
def test_reading_asks_only_for_what_holds_secrets(name: str, asks: bool) -> None:
    assert bool(protected_by(Access("Read", "read", "", "", (ROOT / name,)))) is asks


def test_what_touches_nothing_is_never_protected() -> None:
    assert protected_by(Access("Todo", "none", "", "", (ROOT / ".git",))) == ""


# Innocent names that protected ones lead to.


def test_a_link_with_a_protected_name_protects_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / ".vscode").symlink_to("docs")
    (tmp_path / ".envrc").symlink_to("not-there-yet")
    (tmp_path / "link").symlink_to("docs")
    places = protected_places(tmp_path)
    assert set(places) == {tmp_path / "docs", tmp_path / "not-there-yet"}
    edit = Access("Edit", "edit", "", "", (tmp_path / "docs" / "settings.json",))
    assert (
        protected_by(edit, places) == "`settings.json` is protected (our own files, or what a protected name leads to)"
    )
    assert not protected_by(Access("Edit", "edit", "", "", (tmp_path / "a.py",)), places)


def test_a_git_file_protects_the_git_folder_it_names_and_the_common_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / ".git").write_text("gitdir: data\n")
    (tmp_path / "data" / "commondir").write_text("../shared\n")
    assert set(protected_places(tmp_path)) == {tmp_path / "data", tmp_path / "shared"}


def test_an_ordinary_repository_adds_no_places(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".vscode").mkdir()
    assert protected_places(tmp_path) == ()


def test_hostile_entries_neither_hang_nor_fail(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    (tmp_path / ".env").symlink_to(".env")
    (tmp_path / ".npmrc").symlink_to("/dev/zero")
    (tmp_path / ".bashrc").write_bytes(b"gitdir: \xff\0x")
    assert Path("/dev/zero") in protected_places(tmp_path)
    assert protected_places(tmp_path / "gone") == ()
