"""A language server on strings: it sends the client whatever the client tells it to (standard library alone).

`puppet/send` {method, params, expects} makes it send that message; a request's answer becomes the answer to
`puppet/send`. `puppet/heard` returns the notifications it has had so far. So a test in Neovim's own Lua can play
both sides of an exchange that a real server reaches only by luck.
"""

from __future__ import annotations

import json
import sys
from typing import Any

_CAPABILITIES = {
    "positionEncoding": "utf-16",
    "textDocumentSync": {"openClose": True, "change": 2, "save": True},
    "codeActionProvider": {"resolveProvider": True},
    "executeCommandProvider": {"commands": ["hermitcrab.fix", "hermitcrab.ask", "hermitcrab.undoTurn"]},
}


class Puppet:
    """One client on standard input and output."""

    def __init__(self) -> None:
        self._heard: list[dict[str, Any]] = []
        self._asked: dict[int, int] = {}  # our request -> the `puppet/send` that wants its answer
        self._replies: dict[str, Any] = {}  # method -> what to answer, as `puppet/reply` said
        self._count = 0

    def run(self) -> None:
        while (message := self._read()) is not None:
            if "method" not in message:
                self._send(
                    {"id": self._asked.pop(message["id"]), "result": message.get("result", message.get("error"))}
                )
            elif "id" in message:
                self._request(message["id"], message["method"], message.get("params"))
            elif message["method"] == "exit":
                return
            else:
                self._heard.append({"method": message["method"], "params": message.get("params")})

    def _request(self, number: int, method: str, params: Any) -> None:
        match method:
            case "initialize":
                self._heard.append({"method": method, "params": params})
                self._send({"id": number, "result": {"capabilities": _CAPABILITIES}})
            case "puppet/send" if params.get("expects"):
                self._count += 1
                self._asked[self._count] = number
                self._send({"id": self._count, "method": params["method"], "params": params["params"]})
            case "puppet/send":
                self._send({"method": params["method"], "params": params["params"]})
                self._send({"id": number, "result": True})
            case "puppet/reply":
                self._replies[params["method"]] = params["result"]
                self._send({"id": number, "result": True})
            case "puppet/heard":
                self._send({"id": number, "result": self._heard})
            case _:
                self._heard.append({"method": method, "params": params})
                self._send(
                    {"id": number, "result": self._replies.get(method, params if method.endswith("/resolve") else None)}
                )

    def _read(self) -> dict[str, Any] | None:
        length = 0
        while (line := sys.stdin.buffer.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(sys.stdin.buffer.read(length)) if length else None

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    Puppet().run()
