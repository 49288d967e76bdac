"""A mock of a Chat Completions endpoint on loopback, scripted in the language of `hermitcrab.providers.script`.

In a test:      async with MockOpenAI("say Hi.") as server: … server.url … server.requests …
As a program:   python tests/mocks/openai_server.py --script FILE --port-file FILE [--record FILE]

It refuses, in the vendor's words, what some server of this wire refuses: unpaired calls and results, ids and names that are
too long, arguments that are no JSON. On top of what `mocks.common` knows it understands

    quirk WORD …        (first line) the manners of some server that is not the vendor's:
        no-done             no `[DONE]` at the end          no-usage        counts are never sent
        no-id               calls have no ids               no-index        calls have no indexes
        one-index           all calls have index 0          no-finish       the finish reason stays null
        finish=REASON       the finish reason               thinking=KEY    the key of reasoning (reasoning_content)
        usage-early         counts come with the finish     usage-always    counts come with every chunk
        function-call       the words of 2023               parts           content is a list of parts
        same-chunk          the last piece and the finish reason come together
        keep-open           the connection stays open behind the last chunk
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

from hermitcrab.providers.script import Busy, Call, Cut, Other, Reply, Say, Stop, Think, Wait, pieces_of
from mocks import common
from mocks.common import HangupError, MockServer, Problem, Request, demand

FINISH = {"tool_use": "tool_calls", "end_turn": "stop", "max_tokens": "length", "refusal": "content_filter"}
KNOWN = frozenset({"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "tools", "messages"})
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Recorded(Request):
    """One request as it arrived."""

    @property
    def canonical(self) -> str:
        """The prompt in the order servers render it: what must only ever grow."""
        body = self.json
        return "\n".join(json.dumps(part, ensure_ascii=False) for part in [*body.get("tools", ()), *body["messages"]])


class MockOpenAI(MockServer[Recorded]):
    """The server; `url` is what `OPENAI_BASE_URL` is to be set to."""

    words = common.WORDS | {"quirk"}
    request_type = Recorded
    paths = frozenset({"/v1/chat/completions"})
    busy = (503, "server_error")

    def problem_of(self, request: Recorded) -> Problem | None:
        return problem_of(request)

    def error_body(self, status: int, kind: str, message: str) -> Any:
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def frames(self, steps: Reply, request: Recorded) -> Iterator[bytes | Wait | HangupError]:
        """Yield what a reply puts on the wire."""
        quirks: frozenset[str] = frozenset()
        if isinstance(first := steps[0], Other) and first.word == "quirk":
            quirks, steps = frozenset(first.rest.split()), steps[1:]
        yield from _Reply(self, request, quirks).frames(steps)

    def next_id(self) -> str:
        self._calls += 1
        return f"call_{self._calls:02d}"


class _Reply:
    def __init__(self, server: MockOpenAI, request: Recorded, quirks: frozenset[str]) -> None:
        self.server, self.quirks = server, quirks
        body = request.json
        self.head = {"id": f"chatcmpl-{len(server.requests)}", "object": "chat.completion.chunk", "created": 1}
        self.head |= {"model": body["model"], "system_fingerprint": "fp_mock"}
        self.has_usage = body.get("stream_options", {}).get("include_usage", False) and "no-usage" not in quirks
        self.prompt_tokens = len(request.body) // 4
        self.output = 1
        self.index = -1

    def given(self, name: str, default: str) -> str:
        return next((q.partition("=")[2] for q in self.quirks if q.startswith(f"{name}=")), default)

    def usage(self) -> dict[str, Any]:
        total = self.prompt_tokens + self.output
        usage: dict[str, Any] = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.output}
        return {**usage, "total_tokens": total, "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0}}

    def chunk(self, delta: dict[str, Any] | None, finish: str | None = None, **members: Any) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        if "usage-always" in self.quirks:
            members["usage"] = self.usage()
        elif self.has_usage:
            members.setdefault("usage", None)
        value = {**self.head, "choices": choices, **members}
        return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()

    def frames(self, steps: Reply) -> Iterator[bytes | Wait | HangupError]:
        yield self.chunk({"role": "assistant", "content": "", "refusal": None})
        stop, last = None, None
        for step in steps:
            match step:
                case Wait():
                    yield step
                case Stop(reason):
                    stop = FINISH[reason]
                case Busy(text):
                    yield _error({"message": text, "type": "server_error", "param": None, "code": None})
                    return
                case Other("error", rest):
                    kind, _, text = rest.partition(" ")
                    yield _error({"message": text, "type": kind, "param": None, "code": None})
                    return
                case Other("reset", _):
                    yield HangupError(is_hard=True)
                case Other("end", _):
                    return
                case Other("event", rest):
                    yield f"data: {rest}\n\n".encode()
                case Other("bytes", rest):
                    yield json.loads(rest).encode("utf-8", "surrogateescape")
                case Cut(None):
                    yield HangupError()
                case _:
                    self.output += 10
                    for delta in self.deltas(step):
                        if last is not None:
                            yield self.chunk(last)
                        last = delta
                    if "same-chunk" not in self.quirks or isinstance(step, Cut):
                        yield self.chunk(last or {})
                        last = None
                    if isinstance(step, Cut):
                        yield HangupError()
        yield from self.end(stop, last)

    def end(self, stop: str | None, last: dict[str, Any] | None) -> Iterator[bytes | Wait]:
        stop = stop or self.given("finish", "tool_calls" if self.index >= 0 else "stop")
        if "no-finish" not in self.quirks:
            early = {"usage": self.usage()} if "usage-early" in self.quirks else {}
            yield self.chunk(last or {}, stop, **early)
        elif last:
            yield self.chunk(last)
        if self.has_usage:
            yield self.chunk(None, usage=self.usage())
        if "no-done" not in self.quirks:
            yield b"data: [DONE]\n\n"
        if "keep-open" in self.quirks:
            yield Wait(600)

    def deltas(self, step: Any) -> Iterator[dict[str, Any]]:
        match step:
            case Say(text, size):
                for piece in pieces_of(text, size):
                    yield {"content": [{"type": "text", "text": piece}] if "parts" in self.quirks else piece}
            case Think(text, size):
                for piece in pieces_of(text, size):
                    yield {self.given("thinking", "reasoning_content"): piece}
            case Call() | Cut(Call()):
                yield from self.call(step if isinstance(step, Call) else step.call)
            case _:
                raise AssertionError(step)

    def call(self, call: Call) -> Iterator[dict[str, Any]]:
        self.index += 1
        start: dict[str, Any] = {"index": 0 if "one-index" in self.quirks else self.index}
        start |= {"id": self.server.next_id(), "type": "function"}
        for quirk, key in (("no-id", "id"), ("no-index", "index")):
            if quirk in self.quirks:
                del start[key]
        if not call.size:
            yield self.delta({**start, "function": {"name": call.name, "arguments": call.arguments}})
            return
        yield self.delta({**start, "function": {"name": call.name, "arguments": ""}})
        for piece in pieces_of(call.arguments, call.size):
            more = {"index": start["index"]} if "index" in start else {}
            yield self.delta({**more, "function": {"arguments": piece}})

    def delta(self, call: dict[str, Any]) -> dict[str, Any]:
        return {"function_call": call["function"]} if "function-call" in self.quirks else {"tool_calls": [call]}


def problem_of(request: Recorded) -> Problem | None:
    """Return status, headers, type and message of the refusal this request would meet."""
    if "bad" in request.headers.get("authorization", ""):
        return 401, {}, "invalid_request_error", "Incorrect API key provided"
    try:
        _check(request.json)
    except (ValueError, KeyError, TypeError) as error:
        return 400, {}, "invalid_request_error", str(error)
    return None


def _check(body: dict[str, Any]) -> None:
    unknown = set(body) - KNOWN
    demand(not unknown, f"Unrecognized request argument supplied: {', '.join(unknown)}")
    demand(isinstance(body["model"], str) and body["stream"] is True, "you must provide a model parameter")
    demand(body.get("tools") != [], "[] is too short - 'tools'")
    for tool in body.get("tools", ()):
        demand(_NAME.fullmatch(tool["function"]["name"]) is not None, "Invalid 'tools[0].function.name'")
    messages = body["messages"]
    demand(bool(messages), "[] is too short - 'messages'")
    ids: set[str] = set()
    due: list[str] = []
    for number, message in enumerate(messages):
        place = f"messages.[{number}]"
        if message["role"] == "tool":
            stray = (
                f"{place}.role: messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
            )
            demand(message["tool_call_id"] in due, stray)
            demand(isinstance(message["content"], str), f"{place}.content: expected a string")
            due.remove(message["tool_call_id"])
            continue
        demand(not due, f"{place}: 'tool_calls' must be followed by tool messages responding to each: {due}")
        demand(message["role"] != "system" or number == 0, f"{place}.role: a system message comes first")
        _check_message(place, message)
        for call in message.get("tool_calls", ()):
            demand(call["id"] not in ids, f"{place}: tool call ids must be unique")
            ids.add(call["id"])
            due.append(call["id"])
    demand(not due, f"messages: 'tool_calls' must be followed by tool messages responding to each: {due}")


def _check_message(place: str, message: dict[str, Any]) -> None:
    calls = message.get("tool_calls")
    demand(calls != [], f"{place}.tool_calls: [] is too short")
    demand(set(message) <= {"role", "content", "tool_calls"}, f"{place}: Extra inputs are not permitted")
    if message["content"] is None:
        demand(message["role"] == "assistant" and bool(calls), f"{place}.content: expected a string, got null")
    else:
        demand(bool(message["content"].strip()), f"{place}.content: must not be empty")
    demand(message["role"] in {"system", "user", "assistant"}, f"{place}.role: unknown")
    for call in calls or ():
        function = call["function"]
        demand(len(call["id"]) <= 40, f"{place}.tool_calls: id: string too long. Expected max length 40")
        demand(call["type"] == "function" and _NAME.fullmatch(function["name"]) is not None, f"{place}: function.name")
        demand(isinstance(json.loads(function["arguments"]), dict), f"{place}: invalid tool call arguments")
        demand("\x01" not in function["arguments"] + (message["content"] or ""), f"{place}: control character")


def _error(error: dict[str, Any]) -> bytes:
    return f"data: {json.dumps({'error': error})}\n\n".encode()


if __name__ == "__main__":
    common.main(MockOpenAI, __doc__ or "")
