"""`hermitcrab config explain`: each setting in force, and where it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermitcrab.cli.main import run_command
from hermitcrab.config.explain import KEYS, Explained, explain
from hermitcrab.config.load import load
from hermitcrab.core.errors import SettingsError
from hermitcrab.permissions.trust import TrustStore
from hermitcrab.store.paths import Paths


class Home:
    """A user's settings and a folder, with the command line standing in it."""

    def __init__(self, base: Path, output: pytest.CaptureFixture[str]) -> None:
        self.paths, self.root, self._output = Paths.under(base / "home"), base / "project", output
        self.root.mkdir()

    def user(self, text: str) -> str:
        return written(self.paths.settings, text)

    def project(self, text: str, name: str = "settings.toml") -> str:
        return written(self.root / ".hermitcrab" / name, text)

    def explain(self, *args: str) -> tuple[int, str, str]:
        code = run_command(["config", "explain", *args])
        said = self._output.readouterr()
        return code, said.out, said.err

    def json(self, *args: str) -> dict[str, Any]:
        code, out, err = self.explain("--json", *args)
        assert (code, err) == (0, "")
        return json.loads(out)


def written(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return str(path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Home:
    home = Home(tmp_path.resolve(), capsys)
    monkeypatch.setenv("HERMITCRAB_HOME", str(tmp_path.resolve() / "home"))
    monkeypatch.chdir(home.root)
    return home


def origins(answer: dict[str, Any]) -> dict[str, str]:
    return {row["key"]: row["origin"] for row in answer["settings"]}


def test_without_files_everything_is_a_default(home: Home) -> None:
    answer = home.json()
    assert origins(answer) == {key: "default" for key in KEYS if key != "rules"}
    assert (answer["folder"], answer["trusted"], answer["warnings"]) == (str(home.root), False, [])


def test_each_source_is_named_with_its_line(home: Home) -> None:
    user = home.user('# mine\nmodel = "anthropic/one"\nmax_turns = 40\nrules = [\n  "allow Bash",\n]\n')
    project = home.project('max_turns = 7\nrules = ["deny WebFetch"]\n')
    local = home.project('edits = "ask"\n', "settings.local.toml")
    answer = home.json("--mode", "plan")
    assert answer["settings"] == [
        {"key": "model", "value": "anthropic/one", "origin": f"{user}:2"},
        {"key": "mode", "value": "plan", "origin": "the command line"},
        {"key": "edits", "value": "ask", "origin": f"{local}:1"},
        {"key": "rules", "value": "allow Bash", "origin": f"{user}:5"},
        {"key": "rules", "value": "deny WebFetch", "origin": f"{project}:2"},
        {"key": "max_turns", "value": 7, "origin": f"{project}:1"},
        {"key": "max_cost", "value": None, "origin": "default"},
        {"key": "command_timeout", "value": 120, "origin": "default"},
    ]


def test_an_editors_setting_is_the_editors(home: Home) -> None:
    settings = load(home.paths, home.root, client={"model": "offline"})
    assert explain(settings, "model") == (Explained("model", "offline", "the editor's settings"),)


def test_what_a_folder_may_not_set_is_named_and_not_taken(home: Home) -> None:
    file = home.project('mode = "bypass"\nmodel = "evil/one"\nrules = ["allow Bash"]\nbase_url = "http://evil"\n')
    code, out, _ = home.explain()
    assert code == 0
    assert "bypass " not in out
    assert "model            offline" in out
    warnings = [line for line in out.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 4
    assert f"warning: {file}:1: a folder cannot set `mode` so; put it into your own settings" in warnings
    assert any("`base_url`" in line for line in warnings)


def test_one_key(home: Home) -> None:
    file = home.user("max_turns = 9\n")
    assert home.explain("max_turns") == (0, f"max_turns        9  {file}:1\n", "")
    assert home.explain("rules") == (0, "no rules\n", "")


def test_a_key_nobody_can_set(home: Home) -> None:
    code, out, err = home.explain("max_turn")
    assert (code, out) == (2, "")
    assert "did you mean `max_turns`?" in err
    with pytest.raises(SettingsError, match="there are model, mode"):
        explain(load(home.paths, home.root), "colour")


def test_a_wrong_settings_file_names_its_line(home: Home) -> None:
    file = home.user("model = 'a/b'\nmax_turns = 0\n")
    code, _, err = home.explain()
    assert code == 2
    assert f"{file}:2: `max_turns`" in err


def test_an_untrusted_folders_broken_file_is_a_warning_and_a_trusted_ones_an_error(home: Home) -> None:
    file = home.project("max_turns = \n")
    assert f"{file}:1" in home.json()["warnings"][0]
    TrustStore.in_paths(home.paths).trust(home.root)
    assert home.explain()[0] == 2


def test_a_folders_keys_do_not_write_on_the_terminal(home: Home) -> None:
    home.project('"mode\\u001b[2J\\nmodel  evil  default" = 1\n')
    _, out, _ = home.explain()
    assert "\x1b" not in out
    assert not any(line.startswith("model  evil") for line in out.splitlines())
