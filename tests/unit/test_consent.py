"""Nothing leaves this machine before its user was told what goes where and said yes, once per endpoint."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any, cast

import pytest
from pygls.exceptions import JsonRpcException

from agent_case import Answers, Case, reply, say
from hermitcrab.agent.consent import WHAT_IS_SENT, Consent
from hermitcrab.agent.turn import run_turn
from hermitcrab.cli.main import run_command
from hermitcrab.cli.run import HeadlessAsker
from hermitcrab.core import events
from hermitcrab.core.errors import SettingsError
from hermitcrab.core.ports import PermissionQuestion
from hermitcrab.lsp.asker import LspAsker
from hermitcrab.lsp.questions import ClientGoneError
from hermitcrab.net.endpoint import Destination
from hermitcrab.permissions.consent import ConsentStore
from hermitcrab.wire.from_events import updates_of

ORIGIN = "https://api.example.com"
QUESTION = PermissionQuestion("ask_1", "ses_1", "ask_1", "", f"Send to {ORIGIN}", "what", is_consent=True)


@pytest.fixture
def store(tmp_path: Path) -> ConsentStore:
    return ConsentStore(tmp_path / "config" / "consent.json")


def test_a_yes_is_remembered_by_everyone_and_is_private(store: ConsentStore) -> None:
    assert not store.has(ORIGIN)
    store.give(ORIGIN)
    store.give("http://other:81")
    again = ConsentStore(store.file)
    assert (again.has(ORIGIN), again.has("http://other:81"), again.has(f"{ORIGIN}:444")) == (True, True, False)
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "nothing", "[]", '{"endpoints": ["https://api.example.com"]}', "[" * 100_000])
def test_a_list_that_cannot_be_read_agrees_to_nothing_and_is_kept(store: ConsentStore, text: str) -> None:
    store.file.parent.mkdir()
    store.file.write_text(text)
    store.file.chmod(0o600)
    assert not store.has(ORIGIN)
    with pytest.raises(SettingsError, match="mend it or delete it"):
        store.give(ORIGIN)
    assert store.file.read_text() == text


def test_a_list_others_can_write_agrees_to_nothing(store: ConsentStore) -> None:
    store.give(ORIGIN)
    store.file.chmod(0o666)
    assert not store.has(ORIGIN)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.Example.com/v1/messages", ORIGIN),
        ("https://api.example.com:443/v1", ORIGIN),
        ("https://api.example.com./v1", ORIGIN),
        ("https://api.example.com:8443/v1", f"{ORIGIN}:8443"),
        ("http://api.example.com/v1", "http://api.example.com"),
        ("http://api.example.com:443/v1", "http://api.example.com:443"),
        ("http://[2001:DB8::1]:80/x", "http://[2001:db8::1]"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert Destination(url).origin == origin


def case(folder: Path, store: ConsentStore, *answers: str) -> Case:
    case = Case(folder, [reply(say("hello"))], asker=Answers(list(answers)))
    object.__setattr__(case.running, "consent", Consent(ORIGIN, "ANTHROPIC_BASE_URL", store))
    return case


async def told(case: Case) -> list[events.Event]:
    return [event async for event in run_turn(case.running)]


async def test_a_yes_that_cannot_be_kept_counts_for_this_turn(tmp_path: Path, store: ConsentStore) -> None:
    store.file.parent.mkdir()
    store.file.write_text("broken")
    happened = await told(running := case(tmp_path, store, "allow_session"))
    assert len(running.model.prompts) == 1
    notices = [event.text for event in happened if isinstance(event, events.Notice)]
    why = f"`{store.file}` is not readable as JSON; mend it or delete it"
    assert notices == [f"your yes to `{ORIGIN}` could not be kept and will be asked for again: {why}"]


@pytest.mark.parametrize("answer", ["reject", "cancelled", "trust"])
async def test_without_a_yes_no_request_is_made(tmp_path: Path, store: ConsentStore, answer: str) -> None:
    happened = await told(running := case(tmp_path, store, answer))
    assert running.model.prompts == []
    assert not store.has(ORIGIN)
    kinds = [type(event).__name__ for event in happened]
    assert kinds == ["PermissionAsked", "PermissionSettled", "TurnFinished"]
    assert cast("events.TurnFinished", happened[-1]).message == (
        f"nothing was sent: sending to `{ORIGIN}` was not agreed to"
    )


async def test_a_question_that_is_stopped_is_settled_in_the_log(tmp_path: Path, store: ConsentStore) -> None:
    running = case(tmp_path, store)
    task = asyncio.create_task(told(running))
    while not running.asker.asked:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (settled,) = running.running.leftovers
    assert isinstance(settled, events.PermissionSettled)
    assert (settled.outcome, settled.seq > 0, running.model.prompts) == ("cancelled", True, [])


async def test_without_an_editor_the_line_on_standard_error_is_the_notice() -> None:
    """SURFACE: headless, the endpoint and what is sent are printed; the model was the user's own word."""
    assert await HeadlessAsker(yes=False).ask(QUESTION) == "allow_once"


async def test_agreeing_to_send_says_nothing_about_tool_calls() -> None:
    question = PermissionQuestion("ask_1", "ses_1", "call_1", "Bash", "run", "rm -r .")
    assert await HeadlessAsker(yes=False).ask(question) == "reject"


class Client:
    """A client that answers, or fails, as it is told."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, list[tuple[str, Any]]()

    async def request(self, method: str, params: Any, timeout: float | None = None) -> Any:
        assert timeout is not None, "a question nobody answers ends"
        self.asked.append((method, params))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def ask(client: Client, *, has_plugin: bool) -> str:
    return await LspAsker(cast("Any", client), has_plugin=has_plugin).ask(QUESTION)


async def test_an_editor_without_our_plugin_shows_two_buttons() -> None:
    client = Client({"title": "Send"})
    assert await ask(client, has_plugin=False) == "allow_session"
    ((method, params),) = client.asked
    assert (method, [action["title"] for action in params["actions"]]) == (
        "window/showMessageRequest",
        ["Send", "Do not send"],
    )
    assert params["message"].startswith(f"Send to {ORIGIN}\n\nwhat")


async def test_an_editor_with_our_plugin_is_asked_as_for_a_permission() -> None:
    client = Client({"outcome": {"outcome": "selected", "optionId": "allow_session"}})
    assert await ask(client, has_plugin=True) == "allow_session"
    ((method, params),) = client.asked
    assert method == "hermitcrab/permission/request"
    assert params["options"] == [
        {"optionId": "allow_session", "name": "Send", "kind": "allow_always"},
        {"optionId": "reject", "name": "Do not send", "kind": "reject_once"},
    ]


@pytest.mark.parametrize("has_plugin", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"title": "Allow once"},
        {"outcome": {"outcome": "selected", "optionId": "allow_once"}},
        {"outcome": {"outcome": "cancelled"}},
        ClientGoneError("gone"),
        TimeoutError(),
        JsonRpcException("method not found", -32601),
    ],
)
async def test_anything_but_a_clear_yes_is_a_no(answer: Any, has_plugin: bool) -> None:
    assert await ask(Client(answer), has_plugin=has_plugin) == "reject"


@pytest.mark.parametrize(("outcome", "status"), [("allow_session", "completed"), ("reject", "failed")])
def test_clients_see_the_question_end(outcome: Any, status: str) -> None:
    settled = events.PermissionSettled(request="ask_1", call="ask_1", turn="t", tool="", outcome=outcome, detail="d")
    kinds = [(update["sessionUpdate"], update.get("status")) for update in updates_of(settled)]
    assert kinds == [("tool_call_update", status), ("state_update", None)]
    assert updates_of(settled, replay=True) == []


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose user set a model behind an address that must not be dialled."""
    monkeypatch.setenv("HERMITCRAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-dummy")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://192.0.2.1:9")
    (tmp_path / "home" / "config").mkdir(parents=True)
    (tmp_path / "home" / "config" / "settings.toml").write_text('model = "anthropic/claude-x"\n')
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


async def _nobody(_asker: HeadlessAsker, _question: PermissionQuestion) -> str:
    return "reject"


def test_a_run_says_where_before_anything_is_sent(
    shell: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is turned into a no here, so that nothing is dialled: the line stands before it all the same."""
    monkeypatch.setattr(HeadlessAsker, "ask", _nobody)
    assert run_command(["run", "hello"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"hermitcrab: anthropic/claude-x at http://192.0.2.1:9 will be sent: {WHAT_IS_SENT}",
        "· nothing was sent: sending to `http://192.0.2.1:9` was not agreed to",
    ]
    assert not (shell / "home" / "config" / "consent.json").exists()


def test_the_same_for_scripts(shell: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeadlessAsker, "ask", _nobody)
    assert run_command(["run", "--output-format", "json", "hello"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["stopReason"], "not agreed to" in result["message"]) == ("error", True)
    assert list((shell / "project").iterdir()) == []
