"""A mock of Anthropic's Messages endpoint on loopback, scripted in the language of `hermitcrab.providers.script`.

In a test:      async with MockAnthropic("say Hi.") as server: … server.url … server.requests …
As a program:   python tests/mocks/anthropic_server.py --script FILE --port-file FILE [--record FILE]

It refuses, in the vendor's words, what the vendor refuses: unpaired calls and results, empty texts, too many cache marks,
unsigned thoughts. On top of what `mocks.common` knows it understands

    redact DATA                           a redacted thought
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from hermitcrab.providers.script import Busy, Call, Cut, Other, Reply, Say, Step, Stop, Think, Wait, pieces_of
from mocks import common
from mocks.common import HangupError, MockServer, Problem, Request
from mocks.common import demand as _demand

VERSIONS = ("2023-06-01", "2026-10-21")
_ID = re.compile(r"[a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Recorded(Request):
    """One request as it arrived."""

    @property
    def canonical(self) -> str:
        """The prompt in the order the vendor renders it, without cache marks: what must only ever grow."""
        body = self.json
        content = [[message["role"], block] for message in body["messages"] for block in message["content"]]
        parts = [*body.get("tools", ()), *body.get("system", ()), *content]
        return "\n".join(json.dumps(_unmarked(part), ensure_ascii=False) for part in parts)


class MockAnthropic(MockServer[Recorded]):
    """The server; `url` is what `ANTHROPIC_BASE_URL` is to be set to."""

    words = common.WORDS | {"redact"}
    request_type = Recorded
    paths = frozenset({"/v1/messages"})
    busy = (529, "overloaded_error")

    def problem_of(self, request: Recorded) -> Problem | None:
        return problem_of(request)

    def error_body(self, status: int, kind: str, message: str) -> Any:
        return {"type": "error", "error": {"type": kind, "message": message}}

    def frames(self, steps: Reply, request: Recorded) -> Iterator[bytes | Wait | HangupError]:
        """Yield what a reply puts on the wire."""
        usage = {
            "input_tokens": len(request.body) // 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
        }
        message = {"id": f"msg_{len(self.requests)}", "type": "message", "role": "assistant", "content": []}
        message |= {"model": json.loads(request.body)["model"], "stop_reason": None, "stop_sequence": None}
        yield _frame("message_start", message={**message, "usage": usage})
        yield _frame("ping")
        index, stop, output, has_call = 0, None, 1, False
        for step in steps:
            match step:
                case Wait():
                    yield step
                case Stop(reason):
                    stop = reason
                case Busy(text):
                    yield _frame("error", error={"type": "overloaded_error", "message": text})
                    return
                case Other("error", rest):
                    kind, _, text = rest.partition(" ")
                    yield _frame("error", error={"type": kind, "message": text})
                    return
                case Other("reset", _):
                    yield HangupError(is_hard=True)
                case Other("end", _):
                    return
                case Other("event", rest):
                    value = json.loads(rest)
                    yield f"event: {value.get('type')}\ndata: {rest}\n\n".encode()
                case Other("bytes", rest):
                    yield json.loads(rest).encode("utf-8", "surrogateescape")
                case Cut(None):
                    yield HangupError()
                case _:
                    yield from self._block(index, step)
                    if isinstance(step, Cut):
                        yield HangupError()
                    index += 1
                    output += 10
                    has_call = has_call or isinstance(step, Call)
        stop = stop or ("tool_use" if has_call else "end_turn")
        delta = {"stop_reason": stop, "stop_sequence": None}
        yield _frame("message_delta", delta=delta, usage={"output_tokens": output})
        yield _frame("message_stop")

    def _block(self, index: int, step: Step) -> Iterator[bytes]:
        match step:
            case Say(text, size):
                yield _frame("content_block_start", index=index, content_block={"type": "text", "text": ""})
                yield from _deltas(index, "text_delta", "text", text, size)
            case Think(text, size):
                block = {"type": "thinking", "thinking": "", "signature": ""}
                yield _frame("content_block_start", index=index, content_block=block)
                yield from _deltas(index, "thinking_delta", "thinking", text, size)
                yield from _deltas(index, "signature_delta", "signature", f"signed:{text}", 0)
            case Other("redact", data):
                block = {"type": "redacted_thinking", "data": data}
                yield _frame("content_block_start", index=index, content_block=block)
            case Call() | Cut(Call()):
                call = step if isinstance(step, Call) else step.call
                assert call is not None
                self._calls += 1
                block = {"type": "tool_use", "id": f"toolu_{self._calls:02d}", "name": call.name, "input": {}}
                yield _frame("content_block_start", index=index, content_block=block)
                yield from _deltas(index, "input_json_delta", "partial_json", "", 0)
                yield from _deltas(index, "input_json_delta", "partial_json", call.arguments, call.size)
            case _:
                raise AssertionError(step)
        if not isinstance(step, Cut):
            yield _frame("content_block_stop", index=index)


def problem_of(request: Recorded) -> Problem | None:
    """Return status, headers, type and message of the refusal this request would meet."""
    if not (request.headers.get("x-api-key") or request.headers.get("authorization")):
        return 401, {}, "authentication_error", "x-api-key header is required"
    if "bad" in request.headers.get("x-api-key", "") + request.headers.get("authorization", ""):
        return 401, {}, "authentication_error", "invalid x-api-key"
    if request.headers.get("anthropic-version") not in VERSIONS:
        return 400, {}, "invalid_request_error", "anthropic-version: header is required"
    try:
        _check(request.json)
    except (ValueError, KeyError, TypeError) as error:
        return 400, {}, "invalid_request_error", str(error)
    return None


def _check(body: dict[str, Any]) -> None:
    unknown = set(body) - {"model", "max_tokens", "stream", "system", "tools", "messages", "thinking", "tool_choice"}
    _demand(not unknown, f"{', '.join(unknown)}: Extra inputs are not permitted")
    _demand(isinstance(body["model"], str) and body["max_tokens"] > 0, "max_tokens: must be positive")
    _demand(json.dumps(body).count('"cache_control"') <= 4, "A maximum of 4 blocks with cache_control may be provided")
    messages = body["messages"]
    _demand(bool(messages) and messages[0]["role"] == "user", "messages: first message must use the `user` role")
    _demand(messages[-1]["role"] == "user", "messages: this model does not support assistant message prefill")
    ids: set[str] = set()
    due: set[str] = set()
    for number, message in enumerate(messages):
        place = f"messages.{number}"
        _demand(bool(message["content"]), f"{place}: all messages must have non-empty content")
        given = [b["tool_use_id"] for b in message["content"] if b["type"] == "tool_result"]
        _demand(len(given) == len(set(given)), f"{place}: each tool_use must have a single result")
        missing = f"{place}: `tool_use` ids were found without `tool_result` blocks immediately after"
        _demand(due <= set(given), missing)
        _demand(set(given) <= due, f"{place}: unexpected `tool_use_id` found in `tool_result` blocks")
        due = set()
        for index, block in enumerate(message["content"]):
            _check_block(f"{place}.content.{index}", message["role"], block)
            if block["type"] == "tool_use":
                _demand(block["id"] not in ids, f"{place}.content.{index}: `tool_use` ids must be unique")
                ids.add(block["id"])
                due.add(block["id"])
    _demand(not due, "messages: `tool_use` ids were found without `tool_result` blocks immediately after")


def _check_block(place: str, role: str, block: dict[str, Any]) -> None:
    match block["type"]:
        case "text":
            _demand(bool(block["text"].strip()), f"{place}: text content blocks must contain non-whitespace text")
        case "tool_use":
            _demand(role == "assistant" and isinstance(block["input"], dict), f"{place}.input: must be an object")
            _demand(_ID.fullmatch(block["name"]) is not None, f"{place}.name: String should match pattern")
            _demand(_ID.fullmatch(block["id"]) is not None, f"{place}.id: String should match pattern")
        case "tool_result":
            _demand(role == "user", f"{place}: tool_result in an assistant message")
            empty = f"{place}: content cannot be empty if `is_error` is true"
            _demand(bool(block["content"]) or not block.get("is_error"), empty)
        case "thinking":
            signed = block["signature"] == f"signed:{block['thinking']}"
            _demand(role == "assistant" and signed, f"{place}: Invalid `signature` in `thinking` block")
        case "redacted_thinking":
            _demand(role == "assistant" and bool(block["data"]), f"{place}: Invalid `data`")
        case kind:
            raise ValueError(f"{place}: Input tag '{kind}' does not match any of the expected tags")


def _frame(kind: str, **members: Any) -> bytes:
    data = json.dumps({"type": kind, **members}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _deltas(index: int, kind: str, key: str, text: str, size: int) -> Iterator[bytes]:
    for piece in pieces_of(text, size) if text else ("",):
        yield _frame("content_block_delta", index=index, delta={"type": kind, key: piece})


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmarked(item) for key, item in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return value


if __name__ == "__main__":
    common.main(MockAnthropic, __doc__ or "")
