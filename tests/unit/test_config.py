"""Settings: gathered from where they are written; a folder can only tighten them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.config.load import SettingsReader, load
from hermitcrab.config.settings import Settings
from hermitcrab.core.errors import SettingsError
from hermitcrab.store.paths import Paths


@dataclass(frozen=True)
class Home:
    paths: Paths
    root: Path

    def user(self, text: str) -> Path:
        return written(self.paths.settings, text)

    def project(self, text: str) -> Path:
        return written(self.root / ".hermitcrab" / "settings.toml", text)

    def local(self, text: str) -> Path:
        return written(self.root / ".hermitcrab" / "settings.local.toml", text)

    def load(self, **more: Any) -> Settings:
        return load(self.paths, self.root, **{"trusted": True, **more})


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    root = tmp_path / "project"
    root.mkdir()
    return Home(Paths.under(tmp_path / "home"), root)


def rules(settings: Settings) -> list[str]:
    return [f"{rule.verdict} {rule.tool} ({rule.scope})" for rule in settings.rules]


def test_without_any_file_the_defaults_hold(home: Home) -> None:
    assert home.load() == Settings()


def test_a_users_file(home: Home) -> None:
    path = home.user(
        """
        model = "anthropic/claude"
        mode = "acceptEdits"
        edits = "ask"
        max_turns = 7
        max_cost = 1
        command_timeout = 60
        rules = [
            "deny WebFetch",
            "allow Bash",
        ]
        """
    )
    settings = home.load()
    assert (settings.model, settings.mode, settings.edits) == ("anthropic/claude", "acceptEdits", "ask")
    assert (settings.max_turns, settings.max_cost, settings.command_timeout) == (7, 1.0, 60)
    assert rules(settings) == ["deny WebFetch (user)", "allow Bash (user)"]
    assert [rule.origin for rule in settings.rules] == [f"{path}:9", f"{path}:10"]
    assert settings.origins["model"] == f"{path}:2"
    assert settings.origins["command_timeout"] == f"{path}:7"
    assert settings.warnings == ()


def test_command_line_beats_editor_beats_file(home: Home) -> None:
    path = home.user('model = "file/m"\nmode = "plan"\nmax_turns = 5\n')
    settings = home.load(command_line={"model": "line/m"}, client={"model": "editor/m", "mode": "default"})
    assert (settings.model, settings.mode, settings.max_turns) == ("line/m", "default", 5)
    assert dict(settings.origins) == {
        "model": "the command line",
        "mode": "the editor's settings",
        "max_turns": f"{path}:3",
    }


def test_rules_of_all_sources_add_up(home: Home) -> None:
    home.user('rules = ["ask Bash"]')
    home.project('rules = ["deny WebFetch"]')
    home.local('rules = ["deny Write"]')
    settings = home.load(
        command_line={"rules": ["allow Edit"]}, client={"rules": ["allow Read"]}, workspace={"rules": ["ask Edit"]}
    )
    assert rules(settings) == [
        "allow Edit (command line)", "allow Read (editor)", "ask Bash (user)", "deny Write (local)",
        "deny WebFetch (project)", "ask Edit (workspace)",
    ]  # fmt: skip


# What a folder brings.


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    "line",
    [
        'model = "evil/m"',
        'mode = "bypass"',
        'mode = "plan"',
        "max_turns = 9999",
        "max_cost = 100",
        "command_timeout = 9999",
    ],
)
def test_a_folder_cannot_set_what_is_the_users(line: str, trusted: bool, home: Home) -> None:
    home.user("max_cost = 1")
    path = home.project(line)
    key = line.split(maxsplit=1)[0]
    settings = home.load(trusted=trusted)
    assert settings.warnings == (f"{path}:1: a folder cannot set `{key}` so; put it into your own settings",)
    assert settings == _with_warnings(load(home.paths, home.paths.data), settings.warnings)


def _with_warnings(settings: Settings, warnings: tuple[str, ...]) -> Settings:
    from dataclasses import replace

    return replace(settings, warnings=warnings)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_folder_can_tighten(trusted: bool, home: Home) -> None:
    path = home.project('edits = "ask"\nmax_turns = 3\nmax_cost = 0.5\ncommand_timeout = 5\nrules = ["deny Bash"]\n')
    settings = home.load(trusted=trusted)
    assert (settings.edits, settings.max_turns, settings.max_cost, settings.command_timeout) == ("ask", 3, 0.5, 5)
    assert rules(settings) == ["deny Bash (project)"]
    assert settings.origins["edits"] == f"{path}:1"
    assert settings.warnings == ()


def test_a_folder_cannot_loosen_what_the_user_tightened(home: Home) -> None:
    home.user('edits = "ask"\nmax_turns = 3')
    home.project('edits = "review"\nmax_turns = 10')
    settings = home.load()
    assert (settings.edits, settings.max_turns) == ("ask", 3)
    assert len(settings.warnings) == 2


@pytest.mark.parametrize("trusted", [True, False])
def test_a_folder_cannot_allow(trusted: bool, home: Home) -> None:
    path = home.project('rules = ["allow Bash", "deny WebFetch"]')
    settings = home.load(trusted=trusted, workspace={"rules": ["allow Edit"]})
    assert rules(settings) == ["deny WebFetch (project)"]
    assert settings.warnings == (
        f"{path}:1: a folder cannot allow anything (`allow Bash`); put it into your own settings",
        "the editor's workspace settings: a folder cannot allow anything (`allow Edit`); put it into your own settings",
    )


BROUGHT = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["a/b", "c/d"]),
        "mode": st.sampled_from(["default", "acceptEdits", "plan", "bypass"]),
        "edits": st.sampled_from(["review", "ask"]),
        "max_turns": st.integers(1, 100),
        "max_cost": st.floats(0, 10),
        "command_timeout": st.integers(1, 1000),
        "rules": st.lists(st.sampled_from(["allow Bash", "deny Bash", "ask Edit", "allow Edit"])),
    },
)


@given(BROUGHT, BROUGHT, st.booleans())
def test_whatever_a_folder_brings_nothing_gets_wider(
    mine: dict[str, Any], brought: dict[str, Any], trusted: bool
) -> None:
    paths, root = Paths.under(Path("/nonexistent")), Path("/nonexistent/project")
    before = load(paths, root, client=mine, trusted=trusted)
    after = load(paths, root, client=mine, workspace=brought, trusted=trusted)
    assert (after.model, after.mode) == (before.model, before.mode)
    assert after.edits == before.edits or after.edits == "ask"
    assert after.max_turns <= before.max_turns
    assert before.max_cost is None or (after.max_cost is not None and after.max_cost <= before.max_cost)
    assert after.command_timeout <= before.command_timeout
    assert after.rules[: len(before.rules)] == before.rules
    assert all(rule.verdict != "allow" for rule in after.rules[len(before.rules) :])


# Mistakes.


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('model = "a"\nmax_turns = "three"\n', 2, "`max_turns`"),
        ("\n\nmax_turns = 0\n", 3, "`max_turns`"),
        ("max_turns = true", 1, "`max_turns`"),
        ("max_turns = 2.5", 1, "`max_turns`"),
        ("max_cost = -1", 1, "`max_cost`"),
        ("max_cost = nan", 1, "`max_cost`"),
        ('mode = "yolo"', 1, "`mode`"),
        ('edits = "never"', 1, "`edits`"),
        ('model = ""', 1, "`model`"),
        ('model = "a b"', 1, "`model`"),
        ('rules = "deny Bash"', 1, "`rules`"),
        ("rules = [1]", 1, "`rules`"),
        ('mode = "plan"\nrules = [\n  "ask Bash",\n  "deny Bahs",\n]\n', 4, "did you mean `Bash`"),
        ("[rules]\nx = 1", 1, "`rules`"),
        ("a = 1\nb = ", 2, "Invalid value"),
        ("a = 1\na = 2", 2, "Cannot overwrite a value"),
        ("x = [\n1,\n", 3, "Invalid value"),
    ],
)
def test_a_mistake_is_an_error_with_file_and_line(text: str, line: int, message: str, home: Home) -> None:
    path = home.user(text)
    with pytest.raises(SettingsError) as caught:
        home.load()
    assert str(caught.value).startswith(f"{path}:{line}: "), caught.value
    assert message in str(caught.value)


def test_a_mistake_of_the_editor_names_the_editor(home: Home) -> None:
    with pytest.raises(SettingsError, match="the editor's settings: `max_turns`"):
        home.load(client={"max_turns": "3"})


def test_an_unknown_key_is_a_warning_with_file_and_line(home: Home) -> None:
    path = home.user('mode = "plan"\nmax_turn = "x"\n[endpoints]\nurl = "y"\n')
    settings = home.load()
    assert settings.mode == "plan"
    assert settings.warnings == (
        f"{path}:2: there is no setting `max_turn`; did you mean `max_turns`?",
        f"{path}:3: there is no setting `endpoints`",
    )


BROKEN = ["max_turns = 'x'", "rules = ['deny Bahs']", "[[[", "a = \xff", "\0"]


@pytest.mark.parametrize("text", BROKEN)
def test_a_trusted_folders_mistake_stops_the_start(text: str, home: Home) -> None:
    path = home.project(text)
    with pytest.raises(SettingsError) as caught:
        home.load(trusted=True)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", BROKEN)
def test_an_untrusted_folder_cannot_keep_us_from_starting(text: str, home: Home) -> None:
    home.project(text)
    home.local('rules = ["deny Bash"]')
    settings = home.load(trusted=False)
    assert rules(settings) == ["deny Bash (local)"]
    assert len(settings.warnings) == 1
    assert settings.warnings[0].endswith("(ignored: the folder is not trusted)")


def test_a_hostile_file_neither_hangs_nor_fills_the_memory(home: Home) -> None:
    folder = home.root / ".hermitcrab"
    folder.mkdir()
    os.mkfifo(folder / "settings.toml")
    (folder / "settings.local.toml").symlink_to("/dev/zero")
    warnings = home.load(trusted=False).warnings
    assert len(warnings) == 2
    assert all("is not a plain file" in warning for warning in warnings)
    (folder / "settings.local.toml").unlink()
    (folder / "settings.toml").unlink()
    (folder / "settings.toml").write_bytes(b"# " * 1_000_000)
    (folder / "settings.local.toml").write_bytes(b"x = " + b"[" * 200_000)
    assert len(home.load(trusted=False).warnings) == 2


def test_a_file_where_the_folder_should_be(home: Home) -> None:
    (home.root / ".hermitcrab").write_text("")
    assert home.load() == Settings()


def test_a_byte_order_mark_does_no_harm(home: Home) -> None:
    home.user('\ufeffmode = "plan"\n')
    assert home.load().mode == "plan"


def test_not_utf8(home: Home) -> None:
    home.user("")
    home.paths.settings.write_bytes(b'model = "\xff"')
    with pytest.raises(SettingsError, match="not UTF-8"):
        home.load()


# The reader that each decision may ask.


def test_a_change_is_seen_at_once(home: Home) -> None:
    reader = SettingsReader(home.paths)
    assert reader.load(home.root).mode == "default"
    home.user('mode = "plan"')
    assert reader.load(home.root).mode == "plan"
    before = home.paths.settings.stat()
    home.user('mode="bypass"')  # as many bytes, in the same tick of the file system's clock
    os.utime(home.paths.settings, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert reader.load(home.root).mode == "bypass"
    home.paths.settings.unlink()
    assert reader.load(home.root).mode == "default"


def test_a_mistake_stays_one_until_it_is_mended(home: Home) -> None:
    reader = SettingsReader(home.paths)
    home.user("mode = 1")
    for _ in range(2):
        with pytest.raises(SettingsError):
            reader.load(home.root)
    home.user("[")
    for _ in range(2):
        with pytest.raises(SettingsError):
            reader.load(home.root)
    home.user('mode = "plan"')
    assert reader.load(home.root).mode == "plan"


def test_asking_again_is_quick(home: Home) -> None:
    home.user('mode = "plan"\nrules = [\n' + '  "deny Bash",\n' * 50 + "]\n")
    home.project('rules = ["ask Edit"]')
    for path in (home.paths.settings, home.root / ".hermitcrab" / "settings.toml"):
        os.utime(path, (1, 1))
    reader = SettingsReader(home.paths)
    reader.load(home.root)
    began = time.process_time()
    for _ in range(50):
        reader.load(home.root)
    assert (time.process_time() - began) / 50 < 0.005


def test_pydantic_comes_late() -> None:
    code = (
        "import sys, pathlib, hermitcrab.config.load as c; from hermitcrab.store.paths import Paths;"
        "c.load(Paths.under(pathlib.Path('/nonexistent')), pathlib.Path('/nonexistent'));"
        "print([m for m in ('pydantic', 'platformdirs') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout == "[]\n"
