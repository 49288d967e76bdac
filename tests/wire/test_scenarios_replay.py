"""A session is its log: whoever loads it sees what the first one saw, also in another process and from a damaged file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.editor import Manners
from wire.lsp_editor import WAIT, EditorClient, environment, house, spawned

TEXT = "x = 1\ny = 2\n"
FIRST = """\
think Let me see.
say I look first.
call Read file_path=a.py

call Todo todos:=[{"content":"edit","status":"in_progress"},{"content":"check","status":"pending"}]
call Edit {"file_path": "a.py", "old_string": "x = 1", "new_string": "x = 10"}

call Bash command="echo 蟹; exit 3"

call Bash command="touch denied.txt"

call Write {"file_path": "new.py", "content": "z = 3\\n"}
call Read file_path=nowhere.py

delta 3
say It is ten now. 🦀

"""
SECOND = "say And so it stays.\n"


def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text(TEXT)
    return root


def shown(updates: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return what a person sees in the end: texts whole, each call once with all that was said of it, plans, ends.

    Each kind in its order. A read that begins while the model still speaks is logged before the words it follows, so the
    order between the kinds is not the same on replay.
    """
    texts: dict[str, str] = {}
    calls: dict[str, dict[str, Any]] = {}
    rest: list[Any] = []
    for update in updates:
        match update["sessionUpdate"]:
            case "agent_message_chunk" | "agent_thought_chunk" | "user_message_chunk" as kind:
                key = f"{kind} {update['messageId']}"
                texts[key] = texts.get(key, "") + update["content"]["text"]
            case "tool_call" | "tool_call_update":
                call = calls.setdefault(update["toolCallId"], {"content": []})
                call["content"] += update.get("content", [])
                call.update({key: update[key] for key in ("title", "kind", "status", "rawInput") if key in update})
            case "plan" | "current_mode_update":
                rest.append(update)
            case "state_update" if "stopReason" in update:
                rest.append(update)
            case _:
                pass
    return {"texts": list(texts.items()), "calls": list(calls.items()), "rest": rest}


async def tell(editor: EditorClient, root: Path) -> str:
    """Have a conversation of two turns, with a change of mode between them."""
    editor.sim.open((root / "a.py").as_uri(), TEXT)
    session = await editor.new_session(root)
    assert (await editor.say(session, "make it ten"))["stopReason"] == "end_turn"
    await editor.request("hermitcrab/session/setMode", {"sessionId": session, "modeId": "acceptEdits"})
    assert (await editor.say(session, "sure?"))["stopReason"] == "end_turn"
    return session


async def loaded(editor: EditorClient, session: str, **params: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    result = await editor.request("hermitcrab/session/load", {"sessionId": session, **params}, WAIT)
    last = result["lastSeq"]
    seen = [message["params"] for message in editor.messages if message.get("method") == "hermitcrab/session/update"]
    if last > params.get("afterSeq", 0):
        await editor.until(lambda: max((p.get("seq", 0) for p in _updates(editor)), default=0) >= last, WAIT)
        seen = _updates(editor)
    return result, [params["update"] for params in seen]


def _updates(editor: EditorClient) -> list[dict[str, Any]]:
    return [message["params"] for message in editor.messages if message.get("method") == "hermitcrab/session/update"]


async def test_a_second_client_and_a_new_process_see_what_the_first_one_saw(tmp_path: Path) -> None:
    root = project(tmp_path)
    async with spawned(root, FIRST + SECOND, answers=["trust", "reject"]) as first:
        session = await tell(first, root)
        live = first.updates(session)
    seen = shown(live)
    kinds = [update["sessionUpdate"] for update in live]
    assert {"plan", "tool_call", "agent_thought_chunk", "agent_message_chunk", "current_mode_update"} <= set(kinds)
    calls = [call for _, call in seen["calls"]]
    ran = "completed completed completed failed failed completed failed"  # Read Todo Edit Bash (denied) Write Read
    assert [call["status"] for call in calls] == ran.split()
    assert [result["status"] for result in first.results()].count("denied") == 1
    assert not (root / "denied.txt").exists()
    assert [item["newText"] for call in calls for item in call["content"] if item["type"] == "diff"] == [
        "x = 10\n",
        "z = 3\n",
    ]
    async with spawned(root, "say Back.\n") as again:
        result, replayed = await loaded(again, session)
        assert (result["sessionId"], result.get("problems")) == (session, None)
        assert shown(replayed) == seen
        assert (await again.say(session, "still there?"))["stopReason"] == "end_turn"
        (entry,) = (await again.request("hermitcrab/session/list", {"cwd": str(root)}))["sessions"]
        assert (entry["sessionId"], entry["turns"], entry["title"]) == (session, 3, "make it ten")


async def test_load_into_a_second_client_of_one_engine_while_the_session_is_open(tmp_path: Path) -> None:
    async with house(root := project(tmp_path), FIRST + SECOND, trusted=True) as place:
        first = await place.editor(Manners(saves=True), answers=["allow_once", "reject"])
        session = await tell(first, root)
        second = await place.editor()
        result, replayed = await loaded(second, session)
        assert shown(replayed) == shown(first.updates(session))
        seqs = [params["seq"] for params in _updates(second) if "seq" in params]
        assert seqs == sorted(seqs)
        assert result["lastSeq"] == seqs[-1]
        assert result["modes"]["currentModeId"] == "acceptEdits"


async def test_a_client_that_comes_back_loads_only_what_it_missed(tmp_path: Path) -> None:
    async with house(root := project(tmp_path), FIRST + SECOND, trusted=True) as place:
        first = await place.editor(answers=["allow_once", "reject"])
        session = await tell(first, root)
        whole, part, nothing = await place.editor(), await place.editor(), await place.editor()
        _, everything = await loaded(whole, session)
        middle = next(p["seq"] for p in _updates(whole) if p["update"].get("stopReason"))
        _, rest = await loaded(part, session, afterSeq=middle)
        assert rest
        assert rest == everything[-len(rest) :]
        assert {update["turnId"] for update in rest if "turnId" in update} == {everything[-1]["turnId"]}
        result, none = await loaded(nothing, session, afterSeq=10**6)
        assert (none, result["lastSeq"] > middle) == ([], True)


async def test_a_session_whose_log_is_damaged_loads_and_says_what_is_lost(tmp_path: Path) -> None:
    root = project(tmp_path)
    async with house(root, FIRST + SECOND, trusted=True) as place:
        session = await tell(await place.editor(answers=["allow_once", "reject"]), root)
    (path,) = (tmp_path / "home").glob(f"data/sessions/*/{session}.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    bad = next(number for number, line in enumerate(lines) if b'"kind":"tool_result"' in line)
    lines[bad] = lines[bad].replace(b"tool_result", b"tool_rezult")
    path.write_bytes(b"".join(lines)[:-7])
    async with house(root, "say Back.\n") as place:
        editor = await place.editor()
        result, updates = await loaded(editor, session)
        assert len(result["problems"]) >= 1
        assert "It is ten now. 🦀" in json.dumps(updates, ensure_ascii=False)
        assert (await editor.say(session, "again"))["stopReason"] == "end_turn"


async def test_a_turn_killed_in_the_middle_is_told_as_it_was_and_nothing_is_run_again(tmp_path: Path) -> None:
    root = project(tmp_path)
    script = 'call Bash {"command": "echo $$ > pid.txt; echo once >> ran.txt; exec sleep 60"}\n\nsay never\n'
    async with spawned(root, script, answers=["trust"]) as first:
        session = await first.new_session(root)
        await first.prompt(session, "run it")
        async with asyncio.timeout(WAIT):
            while not (root / "ran.txt").exists():
                await asyncio.sleep(0.02)
        assert first.process is not None
        first.process.kill()
        await first.process.wait()
        os.kill(int((root / "pid.txt").read_text()), signal.SIGKILL)  # nobody is left to do it
    async with spawned(root, "say Back.\n") as again:
        _, updates = await loaded(again, session)
        assert [call["status"] for _, call in shown(updates)["calls"]] == ["failed"]
        assert again.results()[0]["status"] == "interrupted"
        assert "may have run" in again.results()[0]["text"]
        (stopped,) = [update for update in updates if "stopReason" in update]
        assert (stopped["stopReason"], "stopped in the middle" in stopped["message"]) == ("error", True)
        end = await again.say(session, "what happened?")
        assert end["stopReason"] == "end_turn"
    assert (root / "ran.txt").read_text() == "once\n"


@pytest.mark.parametrize(("left", "found"), [("plan", "plan"), ("acceptEdits", "acceptEdits"), ("bypass", "default")])
async def test_a_session_is_found_in_the_mode_it_was_left_in_but_bypass_is_not_given_again(
    tmp_path: Path, left: str, found: str
) -> None:
    root = project(tmp_path)
    async with house(root, SECOND) as place:
        editor = await place.editor()
        session = await editor.new_session(root)
        await editor.say(session, "hello")
        await editor.request("hermitcrab/session/setMode", {"sessionId": session, "modeId": left})
    for _ in range(2):
        async with house(root, SECOND) as place:
            editor = await place.editor()
            result, updates = await loaded(editor, session)
            assert result["modes"]["currentModeId"] == found
            assert [u["currentModeId"] for u in updates if u["sessionUpdate"] == "current_mode_update"][-1] == found


async def test_a_session_whose_prompt_is_lost_still_loads(tmp_path: Path) -> None:
    root = project(tmp_path)
    async with house(root, FIRST + SECOND, trusted=True) as place:
        session = await tell(await place.editor(answers=["allow_once", "reject"]), root)
    (path,) = (tmp_path / "home").glob(f"data/sessions/*/{session}.jsonl")
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if b'"kind":"user"' not in line]
    path.write_bytes(b"".join(lines))
    async with house(root, SECOND) as place:
        editor = await place.editor()
        _, updates = await loaded(editor, session)
        assert "It is ten now. 🦀" in json.dumps(updates, ensure_ascii=False)
        assert (await editor.say(session, "again"))["stopReason"] == "end_turn"


# The schema.


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [sys.executable, "-m", "hermitcrab", "schema"],
        env=environment(home), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout)


KEYWORDS = {
    "$ref", "additionalProperties", "anyOf", "const", "default", "description", "discriminator", "enum", "items", "maximum",
    "minimum", "oneOf", "properties", "required", "title", "type",
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "null": (type(None),),
}  # fmt: skip


def fits(value: Any, part: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Tell whether a value is what a part of the schema describes: the small JSON Schema that ours is written in."""
    assert part.keys() <= KEYWORDS, part.keys() - KEYWORDS
    if "$ref" in part:
        assert part["$ref"].startswith("#/$defs/")
        return fits(value, schema["$defs"][part["$ref"].rpartition("/")[2]], schema)
    for key in ("anyOf", "oneOf"):
        if key in part and not any(fits(value, option, schema) for option in part[key]):
            return False
    if "const" in part and value != part["const"]:
        return False
    if "enum" in part and value not in part["enum"]:
        return False
    if "type" in part and not (
        isinstance(value, TYPES[part["type"]]) and (part["type"] == "boolean" or value is not True)
    ):
        return False
    if isinstance(value, dict):
        known = part.get("properties", {})
        return set(part.get("required", ())) <= value.keys() and all(
            fits(item, known.get(key, {}), schema) for key, item in value.items()
        )
    return not isinstance(value, list) or all(fits(item, part.get("items", {}), schema) for item in value)


def test_the_schema_is_whole(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    text = json.dumps(schema)
    names = {name.partition('"')[0] for name in text.split('"#/$defs/')[1:]}
    assert names == schema["$defs"].keys(), "every reference leads somewhere, and nothing is there for nobody"
    assert all(method["method"].startswith("hermitcrab/") for method in schema["methods"])
    assert {method["sender"] for method in schema["methods"]} == {"client", "server"}


async def test_what_goes_over_the_wire_is_what_the_schema_describes(tmp_path: Path, schema: dict[str, Any]) -> None:
    methods = {method["method"]: method for method in schema["methods"] if method["sender"] == "server"}
    ours = {method["method"]: method for method in schema["methods"] if method["sender"] == "client"}
    async with house(root := project(tmp_path), FIRST + SECOND, trusted=True) as place:
        editor = await place.editor(Manners(saves=True), answers=["allow_once", "reject"])
        session = await tell(editor, root)
        await editor.until(lambda: editor.news("hermitcrab/status"), WAIT)
        for method, params in (
            ("hermitcrab/session/list", {}), ("hermitcrab/status", {}), ("hermitcrab/trust/get", {}),
            ("hermitcrab/session/load", {"sessionId": session}), ("hermitcrab/review/undo", {"sessionId": session}),
        ):  # fmt: skip
            result = await editor.request(method, params, WAIT)
            assert fits(result, ours[method]["result"], schema), (method, result)
        seen = {message["method"] for message in editor.messages if message.get("method") in methods}
        assert seen >= {"hermitcrab/session/update", "hermitcrab/permission/request", "hermitcrab/status"}
        for message in editor.messages:
            if message.get("method") in methods:
                assert fits(message["params"], methods[message["method"]]["params"], schema), message
    assert not fits({"sessionId": 7, "update": {}}, methods["hermitcrab/session/update"]["params"], schema)
    wrong = {"sessionId": "s", "update": {"sessionUpdate": "sing"}}
    assert not fits(wrong, methods["hermitcrab/session/update"]["params"], schema)
