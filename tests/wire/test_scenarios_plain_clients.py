"""Clients without our plugin: code actions, commands, a chat file, progress and messages carry everything.

Their capabilities are recorded ones (pytest-lsp's, and our own where the name says so) or written down from what is
known of a client; a client that is not asked for anything of ours must never hear of it either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from simulator.clock import run
from simulator.editor import Manners
from wire.lsp_editor import WAIT, EditorClient, House, capabilities, house

RECORDED = ("vscode", "neovim", "old neovim", "emacs", "neovim-0.12.4")
WRITTEN = ("helix", "kate", "lsp4ij", "lsp-3.18")
VERBS = {
    "hermitcrab.fix",
    "hermitcrab.ask",
    "hermitcrab.explain",
    "hermitcrab.send",
    "hermitcrab.undoTurn",
    "hermitcrab.cancel",
}
TEXT = "def greet(name):\n    print(nmae)  # 蟹🦀\n"
HERE = {"start": {"line": 1, "character": 12}, "end": {"line": 1, "character": 12}}
WORDS = "`nmae` is not defined; `name` is. 蟹🦀"
ANSWER = f"delta 5\nsay {WORDS}\n"
ANSWERED = f"## Hermitcrab\n\n{WORDS}\n\n## You\n\n"
_CONVERTER = default_converter()


def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "greet.py").write_text(TEXT, "utf-8")
    return root


async def plain(place: House, client: str = "helix", manners: Manners | None = None, **kind: Any) -> EditorClient:
    """Attach a client without our plugin that has `greet.py` open."""
    editor = await place.editor(manners, client=client, plugin=False, **kind)
    editor.sim.open((place.root / "greet.py").as_uri(), TEXT)
    return editor


def uri_in(place: House) -> str:
    return (place.root / "greet.py").as_uri()


async def offers(place: House, editor: EditorClient, diagnostics: list[Any] | None = None) -> list[dict[str, Any]]:
    context = {"diagnostics": diagnostics or []}
    params = {"textDocument": {"uri": uri_in(place)}, "range": HERE, "context": context}
    return await editor.request("textDocument/codeAction", params, WAIT)


async def verb(place: House, editor: EditorClient, name: str, **more: Any) -> dict[str, Any]:
    params = {"command": f"hermitcrab.{name}", "arguments": [{"uri": uri_in(place), "range": HERE, **more}]}
    return await editor.request("workspace/executeCommand", params, WAIT)


async def chat_of(editor: EditorClient, ending: str) -> str:
    """Wait until the chat file that was shown ends like this; return its text as the editor has it."""
    await editor.until(lambda: editor.shown, WAIT)
    uri = editor.shown[0]["uri"]
    await editor.until(lambda: editor.sim.buffers[uri].text.endswith(ending), WAIT)
    return editor.sim.buffers[uri].text


def assert_hears_nothing_of_ours(editor: EditorClient) -> None:
    methods = {message["method"] for message in editor.messages if "method" in message}
    assert [method for method in methods if method.startswith("hermitcrab/")] == []


# What is offered.


@pytest.mark.parametrize("client", [*RECORDED, *WRITTEN])
def test_every_verb_is_a_command_and_every_offer_is_what_the_protocol_says(tmp_path: Path, client: str) -> None:
    async def story() -> None:
        async with house(project(tmp_path), ANSWER) as place:
            editor = await place.editor(client=client, plugin=False, begins=False)
            result = await editor.begin(place.root)
            editor.sim.open(uri_in(place), TEXT)
            assert set(result["capabilities"]["executeCommandProvider"]["commands"]) == VERBS
            assert result["capabilities"]["codeActionProvider"]["resolveProvider"] is True
            problem = {"range": HERE, "message": "`nmae` is not defined", "source": "some checker", "code": "F821"}
            found = await offers(place, editor, [problem])
            assert [action["title"].split(":")[0].split(" `")[0] for action in found] == [
                "Fix with Hermitcrab", "Ask Hermitcrab about", "Explain",
            ]  # fmt: skip
            assert found[0]["diagnostics"] == [problem]
            for action in found:
                _CONVERTER.structure(action, types.CodeAction)
                resolved = action if "command" in action else await editor.request("codeAction/resolve", action)
                assert resolved["command"]["command"] in VERBS
            assert_hears_nothing_of_ours(editor)

    run(story())


@pytest.mark.parametrize("client", [*RECORDED, *WRITTEN])
def test_actions_by_a_language_model_are_marked_where_the_client_lists_the_mark(tmp_path: Path, client: str) -> None:
    async def story() -> None:
        support = capabilities(client)["capabilities"]["textDocument"]["codeAction"]
        listed = 1 in support.get("tagSupport", {}).get("valueSet", [])
        assert listed == (client == "lsp-3.18")
        script = "call Read file_path=greet.py\n\ncall Edit file_path=greet.py old_string=nmae new_string=name\n\nsay Done.\n"
        async with house(project(tmp_path), script) as place:
            editor = await plain(place, client)
            await verb(place, editor, "fix")
            await editor.until(lambda: "name" in editor.sim.buffers[uri_in(place)].text.splitlines()[1], WAIT)
            await nothing_runs(editor)
            marks = {action["title"].split(" ")[0]: action.get("tags") for action in await offers(place, editor)}
            mark = [1] if listed else None
            assert marks == {"Fix": mark, "Ask": mark, "Explain": mark, "Undo": None}

    run(story())


async def nothing_runs(editor: EditorClient) -> None:
    while (await editor.request("hermitcrab/status", {}, WAIT))["running"]:
        pass


@pytest.mark.parametrize("client", [*RECORDED, *WRITTEN])
def test_what_no_model_can_do_is_shown_with_the_reason_or_not_at_all(tmp_path: Path, client: str) -> None:
    async def story() -> None:
        support = capabilities(client)["capabilities"]["textDocument"]["codeAction"]
        async with house(project(tmp_path), "offline") as place:
            found = await offers(place, await plain(place, client))
            reasons = {action["title"].split(" ")[0]: action.get("disabled", {}).get("reason") for action in found}
            if support.get("disabledSupport"):
                assert "checker" in reasons["Fix"]
                assert "ANTHROPIC_API_KEY" in reasons["Explain"]
            else:
                assert set(reasons) == {"Ask"}
            assert reasons["Ask"] is None
            assert not [
                action for action in found if "disabled" in action and ("command" in action or "data" in action)
            ]

    run(story())


# The chat file.


@pytest.mark.parametrize("client", [*RECORDED, *WRITTEN])
def test_an_explanation_streams_into_a_chat_file_that_is_shown(tmp_path: Path, client: str) -> None:
    async def story() -> None:
        async with house(project(tmp_path), ANSWER) as place:
            editor = await plain(place, client)
            began = await verb(place, editor, "explain")
            text = await chat_of(editor, ANSWERED)
            prompt = "Explain `nmae` at greet.py:2:13. Change nothing."
            assert text == f"## You\n\n{prompt}\n\n{ANSWERED}"
            (shown,) = editor.shown
            assert shown["takeFocus"] is False
            path = Path(unquote(urlsplit(shown["uri"]).path))
            assert path == place.root / ".hermitcrab" / "chats" / f"{began['sessionId']}.md"
            assert (path.parent / ".gitignore").read_text() == "*\n"
            assert_hears_nothing_of_ours(editor)

    run(story())


def test_a_client_that_cannot_show_it_is_told_where_it_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), ANSWER) as place:
            editor = await plain(place)
            editor._show = lambda _params: False  # type: ignore[method-assign]
            began = await verb(place, editor, "explain")
            path = place.root / ".hermitcrab" / "chats" / f"{began['sessionId']}.md"
            await editor.until(lambda: str(path) in str(editor.news("window/showMessage")), WAIT)
            while not path.read_text("utf-8").endswith(ANSWERED):
                await editor.heard()

    run(story())


@pytest.mark.parametrize("echo", ["each", "merged"])
@pytest.mark.parametrize("stale", ["reject", "drop", "ignore"])
def test_whoever_types_in_the_chat_while_it_grows_keeps_their_words_and_the_answer(tmp_path: Path, stale, echo) -> None:
    async def story() -> None:
        pieces = "".join(f'say "Piece {number}. "\nwait 0.4\n' for number in range(12))
        manners = Manners(stale=stale, echo=echo, echo_delay=0.05, latency=0.03)
        async with house(project(tmp_path), pieces) as place:
            editor = await plain(place, {"reject": "vscode", "drop": "neovim", "ignore": "lsp4ij"}[stale], manners)
            await verb(place, editor, "explain")
            await editor.until(lambda: editor.shown, WAIT)
            uri = editor.shown[0]["uri"]
            typed = [chr(0x4E00 + number) for number in range(6)]
            for char in typed:
                editor.sim.before_apply.append(lambda char=char: editor.sim.type(uri, 0, char))
            text = await chat_of(editor, "## You\n\n")
            assert [text.count(char) for char in typed] == [1] * 6
            assert [text.count(f"Piece {number}. ") for number in range(12)] == [1] * 12
            places = [text.index(f"Piece {number}. ") for number in range(12)]
            assert places == sorted(places)

    run(story())


def test_a_question_is_written_under_you_and_sent(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), f"{ANSWER}\nsay And again.\n") as place:
            editor = await plain(place)
            await verb(place, editor, "ask")
            asked = await chat_of(editor, "nmae` at greet.py:2:13:\n")
            uri = editor.shown[0]["uri"]
            editor.sim.type(uri, len(asked), "what is it?\n")
            offer = {"textDocument": {"uri": uri}, "range": HERE, "context": {"diagnostics": []}}
            (send,) = await editor.request("textDocument/codeAction", offer)
            assert send["title"] == "Send to Hermitcrab"
            await editor.request("workspace/executeCommand", send["command"])
            text = await chat_of(editor, ANSWERED)
            assert text.count("what is it?") == 1
            log = place.log(Path(urlsplit(uri).path).stem)
            (said,) = [record["text"] for record in log if record["kind"] == "user"]
            assert said == "About `nmae` at greet.py:2:13:\nwhat is it?"
            code = await editor.answer(editor.ask("workspace/executeCommand", send["command"]))
            assert "write your message" in code["error"]["message"]
            editor.sim.type(uri, len(text), "really?")
            await editor.request("workspace/executeCommand", send["command"])
            assert (await chat_of(editor, "And again.\n\n## You\n\n")).count("really?") == 1

    run(story())


def test_ask_with_a_question_answers_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), ANSWER) as place:
            editor = await plain(place)
            await verb(place, editor, "ask", question="what is it?")
            assert "what is it?\n\n" in await chat_of(editor, ANSWERED)

    run(story())


# Permission, progress, undo.

RUNS = 'call Bash {"command": "make \\u202e clean"}\n\nsay I see.\n\n'


@pytest.mark.parametrize("trusted", [True, False])
def test_permission_is_asked_by_message_and_shows_exactly_what_would_run(tmp_path: Path, trusted: bool) -> None:
    async def story() -> None:
        async with house(project(tmp_path), RUNS, trusted=trusted) as place:
            editor = await plain(place, answers=["reject"])
            began = await verb(place, editor, "explain")
            await chat_of(editor, "I see.\n\n## You\n\n")
            (asked,) = editor.asked
            assert asked["method"] == "window/showMessageRequest"
            assert "make \\u202e clean" in asked["params"]["message"]
            titles = [item["title"] for item in asked["params"]["actions"]]
            assert titles == (
                ["Allow once", "Allow for this session", "No"] if trusted else ["Trust this folder and run", "No"]
            )
            (settled,) = [record for record in place.log(began["sessionId"]) if record["kind"] == "permission"]
            assert (settled["outcome"], settled["tool"]) == ("reject", "Bash")
            assert not [record for record in place.log(began["sessionId"]) if record["kind"] == "tool_intent"]

    run(story())


def test_a_message_that_is_closed_without_a_choice_is_a_no(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), RUNS, trusted=True) as place:
            editor = await plain(place)
            began = await verb(place, editor, "explain")
            asked = await editor.question("window/showMessageRequest", WAIT)
            editor.reply(asked["id"], None)
            await chat_of(editor, "I see.\n\n## You\n\n")
            assert [r["outcome"] for r in place.log(began["sessionId"]) if r["kind"] == "permission"] == ["reject"]

    run(story())


def test_one_question_at_a_time_whoever_asks(tmp_path: Path) -> None:
    async def story() -> None:
        asks, says = RUNS.split("\n\n")[:2]
        async with house(project(tmp_path), f"{asks}\n\n" * 3 + f"{says}\n\n" * 3, trusted=True) as place:
            editor = await plain(place)
            for _ in range(3):
                session = await editor.new_session(place.root)
                await editor.prompt(session, "go")
            for number in range(1, 4):
                await editor.until(lambda number=number: len(editor.asked) == number, WAIT)
                await editor.heard()
                assert len(editor.open_questions) == 1
                asked = editor.asked[-1]["id"]
                editor.open_questions.discard(asked)
                editor.reply(asked, {"title": "No"})
            await nothing_runs(editor)
            assert editor.most_open_questions == 1

    run(story())


def test_a_turn_has_one_progress_that_begins_reports_and_ends(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), "wait 0.1\ncall Read file_path=greet.py\n\n" + ANSWER) as place:
            editor = await plain(place)
            began = await verb(place, editor, "explain")
            await chat_of(editor, f"{WORDS}\n\n## You\n\n")
            token = began["turnId"]
            assert editor.news("window/workDoneProgress/create") == [{"token": token}]
            values = [news["value"] for news in editor.news("$/progress") if news["token"] == token]
            assert values == [
                {"kind": "begin", "title": "Hermitcrab: Explain `nmae` at greet.py:2:13. Change nothing.", "cancellable": True},
                {"kind": "report", "message": "Read greet.py", "cancellable": True},
                {"kind": "end", "message": "done"},
            ]  # fmt: skip

    run(story())


def test_the_button_of_the_progress_stops_the_turn(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), "say Once upon a time\nwait 600\nsay never\n") as place:
            editor = await plain(place)
            began = await verb(place, editor, "explain")
            await chat_of(editor, "Once upon a time")
            editor.notify("window/workDoneProgress/cancel", {"token": began["turnId"]})
            assert "never" not in await chat_of(editor, "\n\n## You\n\n")
            assert editor.news("$/progress")[-1]["value"] == {"kind": "end", "message": "cancelled"}
            editor.notify("window/workDoneProgress/cancel", {"token": began["turnId"]})
            editor.notify("window/workDoneProgress/cancel", {"token": "nobody's"})
            await editor.heard()

    run(story())


def test_a_client_without_progress_is_not_bothered_with_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with house(project(tmp_path), ANSWER) as place:
            editor = await place.editor(client="helix", plugin=False, begins=False)
            editor.params["capabilities"]["window"]["workDoneProgress"] = False
            await editor.begin(place.root)
            editor.sim.open(uri_in(place), TEXT)
            await verb(place, editor, "explain")
            await chat_of(editor, ANSWERED)
            assert editor.news("window/workDoneProgress/create") + editor.news("$/progress") == []

    run(story())


def test_fix_then_undo_by_the_lightbulb_alone(tmp_path: Path) -> None:
    async def story() -> None:
        script = "call Read file_path=greet.py\n\ncall Edit file_path=greet.py old_string=nmae new_string=name\n\nsay Done.\n"
        async with house(project(tmp_path), script) as place:
            editor = await plain(place)
            problem = {"range": HERE, "message": "`nmae` is not defined", "severity": 1}
            fix = (await offers(place, editor, [problem]))[0]
            fix = await editor.request("codeAction/resolve", fix)
            await editor.request("workspace/executeCommand", fix["command"])
            await editor.until(lambda: editor.sim.buffers[uri_in(place)].text == TEXT.replace("nmae", "name"), WAIT)
            await nothing_runs(editor)
            undo = next(action for action in await offers(place, editor) if action["title"].startswith("Undo"))
            undo = await editor.request("codeAction/resolve", undo)
            done = await editor.request("workspace/executeCommand", undo["command"])
            assert done["reverted"] == [str(place.root / "greet.py")]
            assert editor.sim.buffers[uri_in(place)].text == TEXT
            assert editor.news("window/showMessage")[-1]["message"] == "Hermitcrab: Undone in greet.py."
            assert not [action for action in await offers(place, editor) if action["title"].startswith("Undo")]

    run(story())
