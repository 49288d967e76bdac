"""The anchor: the least an agent on httpx can be. One prompt, four tools, no log, no permissions, no editor.

`python -m benches.null_loop URL PROMPT` prints as JSON when each request began, in wall time and in CPU time.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

SYSTEM = "You are a coding agent."


def _tool(name: str, **properties: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"name": name, "description": name, "input_schema": schema}


TOOLS = [
    _tool("Read", file_path="string", offset="integer", limit="integer"),
    _tool("Edit", file_path="string", old_string="string", new_string="string"),
    _tool("Write", file_path="string", content="string"),
    _tool("Bash", command="string"),
]


def read(file_path: str, offset: int = 1, limit: int = 2000) -> str:
    lines = Path(file_path).read_text().split("\n")[offset - 1 : offset - 1 + limit]
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, offset))


def edit(file_path: str, old_string: str, new_string: str) -> str:
    path = Path(file_path)
    text = path.read_text()
    if text.count(old_string) != 1:
        return "not found, or more than once"
    path.write_text(text.replace(old_string, new_string))
    return "edited"


def write(file_path: str, content: str) -> str:
    Path(file_path).write_text(content)
    return "written"


def bash(command: str) -> str:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False).stdout


RUN = {"Read": read, "Edit": edit, "Write": write, "Bash": bash}


class Loop:
    """Asks the model, does what it asked, repeats."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/messages"
        self._client = httpx.AsyncClient(timeout=None, trust_env=False)
        self.messages: list[dict[str, Any]] = []
        self.marks: list[tuple[float, float]] = []
        self.sizes: list[int] = []

    async def prompt(self, text: str) -> None:
        self.messages.append({"role": "user", "content": [{"type": "text", "text": text}]})
        while True:
            self.mark()
            blocks = await self._ask()
            self.messages.append({"role": "assistant", "content": blocks})
            calls = [block for block in blocks if block["type"] == "tool_use"]
            if not calls:
                self.mark()
                return
            results = [
                {"type": "tool_result", "tool_use_id": call["id"], "content": RUN[call["name"]](**call["input"])}
                for call in calls
            ]
            self.messages.append({"role": "user", "content": results})

    def mark(self) -> None:
        self.marks.append((time.perf_counter(), time.process_time()))

    async def _ask(self) -> list[dict[str, Any]]:
        body = {"model": "bench", "max_tokens": 4096, "stream": True, "system": SYSTEM, "tools": TOOLS}
        data = json.dumps({**body, "messages": self.messages}).encode()
        self.sizes.append(len(data))
        headers = {"x-api-key": "key", "anthropic-version": "2023-06-01", "content-type": "application/json"}
        blocks: list[dict[str, Any]] = []
        pieces: list[str] = []
        async with self._client.stream("POST", self._url, content=data, headers=headers) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data: "):
                    continue
                event = json.loads(line[6:])
                if event["type"] == "content_block_start":
                    blocks.append(event["content_block"])
                    pieces = []
                elif event["type"] == "content_block_delta":
                    delta = event["delta"]
                    pieces.append(delta.get("text") or delta.get("partial_json") or "")
                elif event["type"] == "content_block_stop":
                    _close(blocks[-1], "".join(pieces))
        return blocks

    async def close(self) -> None:
        await self._client.aclose()


def _close(block: dict[str, Any], text: str) -> None:
    if block["type"] == "tool_use":
        block["input"] = json.loads(text)
    else:
        block["text"] = text


async def main(url: str, *prompts: str) -> None:
    """Run prompts in one conversation; print the marks of each."""
    loop = Loop(url)
    found: list[list[tuple[float, float]]] = []
    for prompt in prompts:
        loop.marks.clear()
        await loop.prompt(prompt)
        found.append(list(loop.marks))
    await loop.close()
    print(json.dumps({"marks": found, "sizes": loop.sizes}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
