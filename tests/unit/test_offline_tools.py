"""The rules at work with the real tools, on real files and open buffers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermitcrab.agent.facts import facts_for
from hermitcrab.core.errors import ToolError
from hermitcrab.core.messages import (
    AssistantMessage,
    BlockPart,
    CallBlock,
    Prompt,
    ResultBlock,
    TextBlock,
    ToolCall,
    UserMessage,
)
from hermitcrab.providers.offline.provider import OfflineProvider
from tool_case import TOOLS, ToolCase

SPECS = tuple(tool.spec for tool in TOOLS.values())


@pytest.fixture
def case(tmp_path: Path) -> ToolCase:
    root = tmp_path / "project"
    root.mkdir()
    return ToolCase(root, tmp_path / "spill")


async def turn(case: ToolCase, words: str) -> str:
    """Run a turn as the loop does, facts before the words included."""
    facts = await facts_for(case.view, is_first=True)
    messages: list = [UserMessage((TextBlock(f"{facts}\n\n{words}"),))]
    for _ in range(80):
        prompt = Prompt("offline", "", SPECS, tuple(messages))
        blocks = [part.block async for part in OfflineProvider().stream(prompt) if isinstance(part, BlockPart)]
        reply = AssistantMessage(tuple(blocks))
        messages.append(reply)
        if not reply.calls:
            return reply.text
        messages.append(
            UserMessage(tuple([await run(case, block) for block in blocks if isinstance(block, CallBlock)]))
        )
    raise AssertionError("the turn does not end")


async def run(case: ToolCase, block: CallBlock) -> ResultBlock:
    call = block.call
    assert isinstance(call, ToolCall)
    try:
        return ResultBlock(call.id, (await case.call(call.name, **call.arguments)).text)
    except ToolError as error:
        return ResultBlock(call.id, str(error), is_error=True)


async def test_a_file_on_disk(case):
    case.write("shop/__init__.py", "")
    case.write("shop/prices.py", "def rounded(x):\n    return x\n")
    path = case.write(
        "shop/till.py", "import os\n\n\ndef total(prices):\n    unused = 1\n    return rounded(pricse) + math.pi\n"
    )
    said = await turn(case, "Fix the problems in shop/till.py")
    assert path.read_text("utf-8") == (
        "import math\n\nfrom shop.prices import rounded\n\n\ndef total(prices):\n    return rounded(prices) + math.pi\n"
    )
    assert "`shop/till.py`: no problems left." in said


async def test_an_open_dirty_buffer_and_a_file_in_the_facts(case):
    path = case.write("a.py", "saved = 1\n")
    case.open("a.py", "saved = 1\n")
    case.type("a.py", "def f(total):\n    return totl\n")
    case.write("b.py", "import os\n")
    said = await turn(case, "Fix this problem in a.py:\na.py:2:12: error [ruff F821] Undefined name `totl`")
    assert case.buffer("a.py") == "def f(total):\n    return total\n"
    assert path.read_text("utf-8") == "saved = 1\n"
    assert "Fixed:\n- a.py:2" in said


async def test_files_named_in_the_facts_are_not_what_is_asked_about(case):
    case.write("a.py", "import os\n")
    case.open("a.py", "import os\n")
    case.type("a.py", "import sys\n")
    case.write("b.py", "def shop(): ...\n")
    assert "`b.py:1` def shop(): ..." in await turn(case, "where is shop?")
    assert "This needs a language model" in await turn(case, "write a poem")
    assert case.buffer("a.py") == "import sys\n"


async def test_line_ends_and_the_missing_final_one_stay(case):
    path = case.write("a.py", b"import os\r\n\r\n\r\ndef f(total):\r\n    return totl")
    await turn(case, "fix a.py")
    assert path.read_bytes() == b"\r\n\r\ndef f(total):\r\n    return total"


async def test_an_absolute_path_works_too(case):
    case.write("p/__init__.py", "")
    case.write("p/b.py", "def helper(): ...\n")
    path = case.write("p/a.py", "print(helper())\n")
    await turn(case, f"Fix the problems in {path}")
    assert path.read_text("utf-8") == "from p.b import helper\n\nprint(helper())\n"


@pytest.mark.parametrize("name", ["missing.py", "a.bin", "folder"])
async def test_what_cannot_be_read_is_said(case, name):
    case.write("a.bin", b"\0\1\2")
    (case.root / "folder").mkdir()
    said = await turn(case, f"Fix this problem in {name}:\n{name}:1:1: error [x y] odd")
    assert f"not fixed: `{name}` could not be checked" in said


async def test_a_long_file_is_read_to_its_end(case):
    path = case.write("a.py", "".join(f"value_{n} = {n}\n" for n in range(4500)) + "print(valeu_4400)\n")
    await turn(case, "fix a.py")
    assert path.read_text("utf-8").endswith("print(value_4400)\n")


async def test_other_languages(case):
    path = case.write("a.ts", "function f() {\n  if (a) {\n    g();\n}\nlet x = 3;\n")
    await turn(case, "fix a.ts")
    assert path.read_text("utf-8") == "function f() {\n  if (a) {\n    g();\n  }\n}\nlet x = 3;\n"
