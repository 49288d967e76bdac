"""`hermitcrab setup`: a key that is asked for, proven, and kept where only its owner and its endpoint see it."""

from __future__ import annotations

import asyncio
import getpass
import io
import json
import stat
import sys
import tomllib
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.app import build_engine
from hermitcrab.cli.main import run_command
from hermitcrab.config.edit import set_in_file, with_setting
from hermitcrab.core.errors import SettingsError
from hermitcrab.permissions.consent import ConsentStore
from hermitcrab.providers.keys import with_stored_key
from hermitcrab.store.keys import KeyStore
from hermitcrab.store.paths import Paths
from mocks.anthropic_server import MockAnthropic
from mocks.openai_server import MockOpenAI

KEY = "sk-ant-very-secret-0123456789"
VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL")


class NoKeyring(types.ModuleType):
    """A machine whose keyring package finds no keyring."""

    def set_password(self, *_: str) -> None:
        raise RuntimeError("no backend")

    get_password = set_password


class Ring(types.ModuleType):
    """A keyring that works, until it is locked, or takes all and keeps nothing."""

    def __init__(self, *, forgets: bool = False) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.forgets, self.is_locked, self.looked = forgets, False, 0

    def set_password(self, service: str, name: str, key: str) -> None:
        if not self.forgets:
            self.kept[service, name] = key

    def get_password(self, service: str, name: str) -> str | None:
        self.looked += 1
        if self.is_locked:
            raise RuntimeError("locked")
        return self.kept.get((service, name))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Home:
    """A user without keys, and what `setup` says to them."""

    def __init__(self, base: Path, patch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]) -> None:
        self.paths, self.patch, self._output = Paths.under(base / "home"), patch, output
        patch.setenv("HERMITCRAB_HOME", str(base / "home"))
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        patch.setitem(sys.modules, "keyring", NoKeyring("keyring"))

    def setup(self, *args: str, key: str = KEY) -> tuple[int, str, str]:
        """Pipe `key` into it; the key is never in what comes out."""
        self.patch.setattr(sys, "stdin", io.StringIO(f"{key}\n"))
        code = run_command(["setup", *args])
        said = self._output.readouterr()
        assert KEY not in said.out + said.err
        return code, said.out, said.err

    async def prove(self, *args: str, key: str = KEY) -> tuple[int, str, str]:
        return await asyncio.to_thread(self.setup, *args, key=key)

    @property
    def settings(self) -> str:
        return self.paths.settings.read_text()

    @property
    def has_kept_nothing(self) -> bool:
        return not any(path.exists() for path in (self.paths.keys, self.paths.settings, self.paths.consent))

    def environment(self, model: str = "anthropic/claude-x", **variables: str) -> dict[str, str]:
        return dict(with_stored_key(model, variables, KeyStore.in_paths(self.paths)))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Home:
    return Home(tmp_path, monkeypatch, capsys)


async def test_one_request_proves_key_and_model(home: Home) -> None:
    async with MockAnthropic("say OK.") as server:
        home.patch.setenv("ANTHROPIC_BASE_URL", server.url)
        code, out, err = await home.prove("--model", "anthropic/claude-x")
    assert (code, err) == (0, "")
    (request,) = server.requests
    assert (request.headers["x-api-key"], request.json["model"]) == (KEY, "claude-x")
    assert len(request.body) < 500, "one tiny request"
    assert f"sent to {server.url} with the key" in out
    assert "anthropic/claude-x answered `OK.` (" in out
    assert out.endswith('now says model = "anthropic/claude-x"\n')
    assert home.settings == 'model = "anthropic/claude-x"\n'
    assert stat.S_IMODE(home.paths.keys.stat().st_mode) == 0o600
    assert not home.paths.consent.exists(), "nothing leaves this machine, so nothing was agreed to"
    assert home.environment(ANTHROPIC_BASE_URL=server.url)["ANTHROPIC_API_KEY"] == KEY


async def test_the_other_wire(home: Home) -> None:
    async with MockOpenAI("say OK.") as server:
        home.patch.setenv("OPENAI_BASE_URL", server.url)
        code, out, _ = await home.prove("--provider", "openai", "--model", "qwen")
    assert (code, server.requests[0].headers["authorization"]) == (0, f"Bearer {KEY}")
    assert "openai/qwen answered `OK.`" in out
    assert home.environment("openai/other", OPENAI_BASE_URL=server.url)["OPENAI_API_KEY"] == KEY


async def test_a_key_that_is_refused_is_not_kept(home: Home) -> None:
    async with MockAnthropic(f"http 401 invalid x-api-key {KEY}") as server:
        home.patch.setenv("ANTHROPIC_BASE_URL", server.url)
        code, _, err = await home.prove("--model", "anthropic/claude-x")
    assert code == 1
    assert "answered 401" in err
    assert "nothing was kept" in err
    assert home.has_kept_nothing


async def test_a_model_that_does_not_exist_is_not_kept(home: Home) -> None:
    async with MockAnthropic("http 404 no such model") as server:
        home.patch.setenv("ANTHROPIC_BASE_URL", server.url)
        code, _, err = await home.prove("--model", "anthropic/claude-x")
    assert (code, "check the model's name" in err, home.has_kept_nothing) == (1, True, True)


async def test_an_endpoint_nobody_answers_at(home: Home) -> None:
    home.patch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    code, _, err = await home.prove("--model", "anthropic/claude-x")
    assert (code, home.has_kept_nothing) == (1, True)
    assert "cannot connect to `http://127.0.0.1:9`" in err


async def test_the_new_key_is_proven_and_not_the_environments(home: Home) -> None:
    async with MockAnthropic("say OK.") as server:
        home.patch.setenv("ANTHROPIC_BASE_URL", server.url)
        home.patch.setenv("ANTHROPIC_API_KEY", "sk-old")
        home.patch.setenv("ANTHROPIC_AUTH_TOKEN", "old")
        assert (await home.prove("--model", "anthropic/claude-x"))[0] == 0
    assert server.requests[0].headers["x-api-key"] == KEY
    assert "authorization" not in server.requests[0].headers


async def test_without_a_key_the_environments_is_used_and_nothing_is_stored(home: Home) -> None:
    async with MockAnthropic("say OK.") as server:
        home.patch.setenv("ANTHROPIC_BASE_URL", server.url)
        home.patch.setenv("ANTHROPIC_API_KEY", KEY)
        assert (await home.prove("--model", "anthropic/claude-x", key=""))[0] == 0
    assert (server.requests[0].headers["x-api-key"], home.paths.keys.exists()) == (KEY, False)
    assert home.settings == 'model = "anthropic/claude-x"\n'


def test_no_key_at_all(home: Home) -> None:
    code, _, err = home.setup("--model", "anthropic/claude-x", "--no-check", key="")
    assert (code, "no key for Anthropic" in err, home.has_kept_nothing) == (2, True, True)


def test_without_a_check_nothing_is_sent_and_the_endpoint_is_agreed_to(home: Home) -> None:
    code, out, _ = home.setup("--model", "claude-x", "--no-check")
    assert code == 0
    assert "one request" not in out
    assert "send there: your prompt" in out
    assert f"the key is kept in {home.paths.keys}, which only you can read" in out
    assert ConsentStore.in_paths(home.paths).has("https://api.anthropic.com")
    assert home.environment()["ANTHROPIC_API_KEY"] == KEY


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "which model?"),
        (("--provider", "openai"), "which model?"),
        (("--model", "mistral"), "whose model is `mistral`?"),
        (("--model", "gemini/x"), "whose model is `gemini/x`?"),
        (("--provider", "openai", "--model", "anthropic/claude-x"), "is not a model of `openai`"),
        (("--model", "anthropic/"), "is not the name of a model"),
        (("--model", "anthropic/a b"), "is not the name of a model"),
        (("--model", "anthropic/a\x1bb"), "is not the name of a model"),
    ],
)
def test_a_model_that_cannot_be(home: Home, args: tuple[str, ...], said: str) -> None:
    code, _, err = home.setup(*args, "--no-check")
    assert (code, said in err, "\x1b" in err, home.has_kept_nothing) == (2, True, False, True), err


def test_the_model_of_the_settings_needs_not_be_said_again(home: Home) -> None:
    set_in_file(home.paths.settings, "model", "openai/gpt-x")
    assert home.setup("--no-check")[0] == 0
    assert home.environment("openai/gpt-x")["OPENAI_API_KEY"] == KEY
    assert home.setup("--provider", "anthropic", "--no-check")[0] == 2


@pytest.mark.parametrize("key", ["sk-\x00", "sk-é", "sk-a\x1b[0m"])
def test_a_key_no_key_looks_like(home: Home, key: str) -> None:
    code, _, err = home.setup("--model", "anthropic/claude-x", "--no-check", key=key)
    assert (code, "characters that no key has" in err, key in err, home.has_kept_nothing) == (2, True, False, True)


def test_settings_that_are_broken_are_said_before_a_key_is_asked_for(home: Home) -> None:
    home.paths.config.mkdir(parents=True)
    home.paths.settings.write_text("max_turns = \n")
    home.patch.setattr(sys, "stdin", None)
    code = run_command(["setup", "--model", "anthropic/claude-x"])
    assert (code, home.settings, home.paths.keys.exists()) == (2, "max_turns = \n", False)


def test_on_a_terminal_the_key_is_asked_for_without_echo(home: Home) -> None:
    asked: list[str] = []
    home.patch.setattr(sys, "stdin", Terminal(""))
    home.patch.setattr(getpass, "getpass", lambda question: asked.append(question) or KEY)
    assert run_command(["setup", "--model", "anthropic/claude-x", "--no-check"]) == 0
    assert "not shown" in asked[0]
    assert home.environment()["ANTHROPIC_API_KEY"] == KEY


def test_a_terminal_that_would_show_the_key_is_not_used(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    def shows(_: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return KEY

    home.patch.setattr(sys, "stdin", Terminal(""))
    home.patch.setattr(getpass, "getpass", shows)
    assert run_command(["setup", "--model", "anthropic/claude-x", "--no-check"]) == 2
    assert "cannot hide what is typed" in capsys.readouterr().err
    assert home.has_kept_nothing


def test_a_keyring_that_works_holds_the_key(home: Home) -> None:
    ring = Ring()
    home.patch.setitem(sys.modules, "keyring", ring)
    assert "the key is kept in the system keyring" in home.setup("--model", "anthropic/claude-x", "--no-check")[1]
    assert ring.kept == {("hermitcrab", "anthropic https://api.anthropic.com"): KEY}
    assert KEY not in home.paths.keys.read_text()
    assert home.environment()["ANTHROPIC_API_KEY"] == KEY
    ring.is_locked = True
    with pytest.raises(SettingsError, match="unlock it"):
        home.environment()


def test_a_keyring_that_keeps_nothing_is_not_believed(home: Home) -> None:
    home.patch.setitem(sys.modules, "keyring", Ring(forgets=True))
    assert str(home.paths.keys) in home.setup("--model", "anthropic/claude-x", "--no-check")[1]
    assert home.environment()["ANTHROPIC_API_KEY"] == KEY


def test_a_keyring_is_not_opened_for_a_key_that_is_not_in_it(home: Home) -> None:
    ring = Ring()
    home.patch.setitem(sys.modules, "keyring", ring)
    assert home.environment() == {}
    assert home.environment("offline") == home.environment("ollama/x") == {}
    assert ring.looked == 0


def test_the_environments_key_comes_first(home: Home) -> None:
    home.setup("--model", "anthropic/claude-x", "--no-check")
    assert home.environment(ANTHROPIC_API_KEY="sk-env") == {"ANTHROPIC_API_KEY": "sk-env"}
    assert home.environment(ANTHROPIC_AUTH_TOKEN="token") == {"ANTHROPIC_AUTH_TOKEN": "token"}


@pytest.mark.parametrize(
    "url", ["http://evil.example", "https://api.anthropic.com.evil.example", "http://api.anthropic.com"]
)
def test_a_stored_key_is_shown_to_no_other_endpoint(home: Home, url: str) -> None:
    home.setup("--model", "anthropic/claude-x", "--no-check")
    assert home.environment(ANTHROPIC_BASE_URL=url) == {"ANTHROPIC_BASE_URL": url}
    assert "ANTHROPIC_API_KEY" in home.environment(ANTHROPIC_BASE_URL="https://API.anthropic.com:443/")


@pytest.mark.parametrize("text", ["", "[]", '{"keys": 1}', "{"])
def test_keys_that_cannot_be_read_are_said_and_kept(home: Home, text: str) -> None:
    home.setup("--model", "anthropic/claude-x", "--no-check")
    home.paths.keys.write_text(text)
    with pytest.raises(SettingsError, match="mend it or delete it"):
        home.environment()
    assert home.setup("--model", "anthropic/claude-y", "--no-check")[0] == 2
    assert home.paths.keys.read_text() == text


def test_a_file_others_can_look_into_is_not_used(home: Home) -> None:
    home.setup("--model", "anthropic/claude-x", "--no-check")
    home.paths.keys.chmod(0o640)
    with pytest.raises(SettingsError, match="others can look into"):
        home.environment()


def test_another_key_leaves_the_first_one(home: Home) -> None:
    home.setup("--model", "anthropic/claude-x", "--no-check")
    home.setup("--model", "openai/gpt-x", "--no-check", key="sk-second")
    assert home.environment()["ANTHROPIC_API_KEY"] == KEY
    assert home.environment("openai/gpt-x")["OPENAI_API_KEY"] == "sk-second"
    assert len(json.loads(home.paths.keys.read_text())["keys"]) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'model = "m"\n'),
        ("# mine\nmax_turns = 3", '# mine\nmax_turns = 3\nmodel = "m"\n'),
        ("model = 'old' # why\nmax_turns = 3\n", 'model = "m" # why\nmax_turns = 3\n'),
        ('"model"="a\\"b"\r\nmax_turns = 3\r\n', '"model"="m"\r\nmax_turns = 3\r\n'),
        ("max_turns = 3\r\n", 'max_turns = 3\r\nmodel = "m"\r\n'),
        ("a = 1\n[t]\nmodel = 'x'\n", "a = 1\nmodel = \"m\"\n[t]\nmodel = 'x'\n"),
        ("a = '''\nmodel = 'x'\n[t]\n'''\n[t]\n", "a = '''\nmodel = 'x'\n[t]\n'''\nmodel = \"m\"\n[t]\n"),
        ("# model = 'x'\n", "# model = 'x'\nmodel = \"m\"\n"),
        ("rules = [\n  'ask Bash',\n]\n", "rules = [\n  'ask Bash',\n]\nmodel = \"m\"\n"),
    ],
)
def test_one_setting_changes_and_nothing_else(before: str, after: str) -> None:
    assert with_setting(before, "model", "m") == after


@pytest.mark.parametrize("text", ["model = 3\n", "model = '''a\nb'''\n", "[model]\nx = 1\n", "model = \n"])
def test_what_cannot_be_set_is_left_to_the_user(text: str) -> None:
    with pytest.raises(SettingsError):
        with_setting(text, "model", "m")


TOP = st.sampled_from(
    [
        "# c",
        "",
        "a = 1",
        "b = 'x' # y",
        "model = 'old'",
        'model="o" #c',
        "r = [",
        "'z',",
        "]",
        "d = '''",
        "'''",
        "[t]",
        "x.y = 2",
    ]
)


@given(st.lists(TOP, max_size=8), st.sampled_from(["\n", "\r\n"]), st.text(max_size=8))
def test_the_rest_means_what_it_meant(lines: list[str], end: str, value: str) -> None:
    text = end.join(lines)
    try:
        meant = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    try:
        new = with_setting(text, "model", value)
    except SettingsError:
        return
    assert tomllib.loads(new) == meant | {"model": value}
    kept = [line for line in text.splitlines() if "model" not in line]
    assert [line for line in new.splitlines() if line in kept and "model" not in line] == kept or "\n" in value


def test_a_linked_settings_file_stays_a_link_with_its_mode_and_mark(tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles.toml"
    dotfiles.write_bytes(b"\xef\xbb\xbf# mine\r\n")
    dotfiles.chmod(0o644)
    link = tmp_path / "settings.toml"
    link.symlink_to(dotfiles)
    set_in_file(link, "model", "m")
    assert link.is_symlink()
    assert dotfiles.read_bytes() == b'\xef\xbb\xbf# mine\r\nmodel = "m"\r\n'
    assert stat.S_IMODE(dotfiles.stat().st_mode) == 0o644


def test_doctor_knows_a_stored_key(home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home.setup("--model", "anthropic/claude-x", "--no-check")
    home.patch.chdir(tmp_path)
    assert model_finding(capsys) == ("ok", "")
    home.paths.keys.unlink()
    assert model_finding(capsys) == ("missing", "hermitcrab setup --model anthropic/claude-x")


def model_finding(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    run_command(["doctor", "--json"])
    findings: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["findings"]
    return next((found["state"], found["mend"]) for found in findings if found["what"] == "model")


def test_sessions_find_a_stored_key(home: Home) -> None:
    engine = build_engine(paths=home.paths)
    with pytest.raises(SettingsError, match="no key for Anthropic"):
        engine.services.model("anthropic/claude-x", {})
    home.setup("--model", "anthropic/claude-x", "--no-check")
    assert engine.services.model("anthropic/claude-x", {}).destination is not None
