"""A server in twenty lines: one method of our own, one standard feature, two editors on one socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.protocol import default_converter

from hermitcrab.lsp.connection import Connection
from wire.raw_client import clients


async def test_two_editors_attach_to_one_engine(tmp_path: Path) -> None:
    greetings: list[str] = []  # stands for the engine: what all connections share
    converter = default_converter()

    def connect() -> Connection:
        connection = Connection("hermitcrab", "0.1", converter=converter)

        @connection.on("hermitcrab/greet")
        async def greet(params: dict[str, Any]) -> dict[str, Any]:
            greetings.append(params["name"])
            connection.notify("hermitcrab/greeted", {"total": len(greetings)})
            return {"greeting": f"Hello {params['name']}", "_meta": params.get("_meta")}

        @connection.feature(types.TEXT_DOCUMENT_HOVER)
        def hover(params: types.HoverParams) -> types.Hover:
            return types.Hover(contents=f"line {params.position.line} for {connection.client_name}")

        return connection

    async with clients(connect, tmp_path / "socket", count=2) as (one, two):
        capabilities = (await one.initialize(clientInfo={"name": "Neovim"}))["capabilities"]
        await two.initialize(clientInfo={"name": "helix"})
        assert capabilities["hoverProvider"] is True

        first = await one.request("hermitcrab/greet", {"name": "one", "_meta": {"a.b": 1}})
        second = await two.request("hermitcrab/greet", {"name": "two"})
        assert first == {"greeting": "Hello one", "_meta": {"a.b": 1}}
        assert second == {"greeting": "Hello two", "_meta": None}
        assert greetings == ["one", "two"]
        assert await two.question("hermitcrab/greeted") == {
            "jsonrpc": "2.0", "method": "hermitcrab/greeted", "params": {"total": 2},
        }  # fmt: skip

        place = {"textDocument": {"uri": "file:///a.py"}, "position": {"line": 3, "character": 0}}
        assert (await one.request("textDocument/hover", place))["contents"] == "line 3 for Neovim"
        assert (await two.request("textDocument/hover", place))["contents"] == "line 3 for helix"
