"""What the rules do with a project, told as turns: words in, files and words out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.messages import (
    AssistantMessage,
    BrokenCall,
    CallBlock,
    Prompt,
    ResultBlock,
    StopPart,
    TextBlock,
    TextPart,
    ToolCall,
    UserMessage,
)
from hermitcrab.core.ports import Diagnostic, Provider, SuggestedFix
from hermitcrab.diagnostics.report import render
from hermitcrab.diagnostics.values import DiagnosticSet, SourceReport
from hermitcrab.providers.offline import reading
from hermitcrab.providers.offline.edits import Change, applied, replacements
from hermitcrab.providers.offline.provider import OfflineProvider
from hermitcrab.providers.offline.request import Request, request
from hermitcrab.providers.offline.rules.names import distance, nearest
from hermitcrab.providers.offline.rules.placing import with_import
from offline_host import TOOLS, Host


async def fixed(before: str, *, name: str = "a.py", **others: str) -> tuple[str, str]:
    """Return the text after `fix`, and the last words."""
    host = Host({name: before, **{key.replace("__", "/") + ".py": text for key, text in others.items()}})
    said = await host.turn(f"Fix the problems in {name}")
    return host.files[name], said


async def unfixed(before: str, **options: str) -> str:
    """Return why nothing was changed."""
    after, said = await fixed(before, **options)
    assert after == before
    assert "Fixed:" not in said
    return next(line for line in said.split("\n") if line.startswith("not fixed: "))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(total):\n    return totl\n", "def f(total):\n    return total\n"),
        (
            "def f(items):\n    for item in items:\n        print(itme)\n",
            "def f(items):\n    for item in items:\n        print(item)\n",
        ),
        ("x = '😀'; value = 1\nprint('😀', valeu)\n", "x = '😀'; value = 1\nprint('😀', value)\n"),
        ("import textwrap\n\nprint(textwarp.dedent(''))\n", "import textwrap\n\nprint(textwrap.dedent(''))\n"),
        ("pritn(1)\n", "print(1)\n"),
    ],
)
async def test_a_misspelt_name_becomes_the_nearest_in_scope(before, after):
    assert (await fixed(before))[0] == after


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("def f(item, items):\n    return item_, items\n", "could be `item` or `items`"),
        ("def f(total):\n    return quibble\n", "no name in scope is spelt nearly so"),
        ("def f():\n    total = totla\n    return total\n", "no name in scope is spelt nearly so"),
        ("x = ab\n", "no name in scope is spelt nearly so"),
    ],
)
async def test_a_name_that_could_be_anything_is_left_alone(before, why):
    assert why in await unfixed(before)


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("print(json.dumps(1))\n", "import json"),
        ("print(Path('x'))\n", "from pathlib import Path"),
        ("print(datetime.now())\n", "from datetime import datetime"),
        ("print(datetime.timedelta(1))\n", "import datetime"),
        ("print(os.path.join('a'))\n", "import os"),
        ("def f(x: Any) -> None: ...\n", "from typing import Any"),
    ],
)
async def test_a_missing_import_of_the_standard_library(before, line):
    after, said = await fixed(before)
    assert after == f"{line}\n\n{before}"
    assert f"added `{line}`" in said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '"""Doc."""\n\nimport os\n\nprint(os, json.dumps(1))\n',
            '"""Doc."""\n\nimport json\nimport os\n\nprint(os, json.dumps(1))\n',
        ),
        ('"""Doc."""\nprint(json.dumps(1))\n', '"""Doc."""\n\nimport json\nprint(json.dumps(1))\n'),
        (
            "from __future__ import annotations\nx = re.compile('')\n",
            "from __future__ import annotations\n\nimport re\nx = re.compile('')\n",
        ),
        (
            "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nx = re.compile('')\n",
            "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nimport re\n\nx = re.compile('')\n",
        ),
        (
            "from collections import Counter\nprint(Counter(), deque())\n",
            "from collections import Counter, deque\nprint(Counter(), deque())\n",
        ),
    ],
)
async def test_an_import_goes_where_imports_go(before, after):
    assert (await fixed(before))[0] == after


def test_an_import_is_not_placed_in_what_does_not_parse():
    assert with_import("x = (", "import os") is None


async def test_an_import_found_in_the_workspace():
    others = {
        "pkg____init__": "",
        "pkg__shapes": "class Circle:\n    pass\n",
        "pkg__draw": "from pkg.shapes import Circle\n\nprint(Circle)\n",
    }
    after, _ = await fixed("print(Circle())\n", name="pkg/a.py", **{**others, "pkg__init": ""})
    assert after == "from pkg.shapes import Circle\n\nprint(Circle())\n"


async def test_the_workspaces_own_habit_of_importing_is_followed():
    after, _ = await fixed(
        "print(np.array([]))\n", b="import numpy as np\n\nprint(np)\n", c="import numpy as np\n\nprint(np)\n"
    )
    assert after == "import numpy as np\n\nprint(np.array([]))\n"


async def test_a_name_defined_in_two_places_is_left_alone():
    host = Host({"a.py": "print(helper())\n", "b.py": "def helper(): ...\n", "c.py": "def helper(): ...\n"})
    assert "only you can tell" in await host.turn("fix a.py")
    assert host.files["a.py"] == "print(helper())\n"


async def test_a_neighbour_in_a_package_is_imported_relatively_where_that_is_the_habit():
    host = Host(
        {
            "p/__init__.py": "",
            "p/a.py": "from .b import x\n\nprint(x, helper())\n",
            "p/b.py": "x = 1\n",
            "p/c.py": "def helper(): ...\n",
        }
    )
    await host.turn("fix p/a.py")
    assert host.files["p/a.py"] == "from .b import x\nfrom .c import helper\n\nprint(x, helper())\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import os\nimport sys\n\nprint(sys)\n", "import sys\n\nprint(sys)\n"),
        ("from os import path, sep\n\nprint(sep)\n", "from os import sep\n\nprint(sep)\n"),
        ("def f():\n    unused = 1\n    return 2\n", "def f():\n    return 2\n"),
        ("def f():\n    unused = 1  # why\n    return 2\n", "def f():\n    return 2\n"),
        ("def f():\n    unused = 1\n", "def f():\n    pass\n"),
        ("def f():\n    a = 1; unused = 2\n    return a\n", "def f():\n    a = 1\n    return a\n"),
        ("def f():\n    unused = 2; a = 1\n    return a\n", "def f():\n    a = 1\n    return a\n"),
        ("def f(x):\n    unused: int = (\n        1\n    )\n    return x\n", "def f(x):\n    return x\n"),
        (
            "def f(x):\n    if x:\n        unused = x\n    return x\n",
            "def f(x):\n    if x:\n        pass\n    return x\n",
        ),
    ],
)
async def test_what_nobody_uses_is_removed(before, after):
    assert (await fixed(before))[0] == after


@pytest.mark.parametrize("value", ["g()", "x.y", "x[0]", "[g() for g in x]", "1 / x", "f'{x}'", "(y := 1)"])
async def test_a_value_that_may_do_something_stays(value):
    why = await unfixed(f"def f(x, g, y=0):\n    unused = {value}\n    return x, y\n")
    assert "could change what the program does" in why


async def test_a_reexport_is_left_alone():
    assert "re-export" in await unfixed("from os import path\n", name="p/__init__.py")


async def test_what_looks_unused_because_its_use_is_misspelt_stays():
    host = Host({"a.py": "import textwrap\n\nprint(textwarpp.dedent(''))\n"})
    said = await host.turn("Fix this problem in a.py:\na.py:1:8: warning [ruff F401] `textwrap` imported but unused")
    assert "looks like a misspelling of `textwrap`" in said
    assert host.files["a.py"].startswith("import textwrap\n")


async def test_a_missing_token_in_any_language():
    assert (await fixed("def f(a)\n    return [a\n"))[0] == "def f(a):\n    return [a]\n"
    assert (await fixed("int f() {\n  return 1\n}\n", name="a.c"))[0] == "int f() {\n  return 1;\n}\n"


async def test_the_checkers_own_safe_fix_is_made_and_an_unsafe_one_named():
    assert (await fixed("x = f'plain'\n"))[0] == "x = 'plain'\n"
    assert "does not call it safe" in await unfixed("def f(x=[]):\n    return x\n")


async def test_what_no_rule_knows_is_said_plainly():
    assert "no rule knows `F631`, and the checker suggests no fix" in await unfixed("assert (1, 'x')\n")
    assert "no single missing token explains" in await unfixed("x = = 1\n")


async def test_nothing_reported_is_not_called_fixed():
    said = await unfixed("def add(a, b):\n    return a - b\n")
    assert "the checkers report no problem" in said
    assert "do not understand what the code is meant to do" in said


async def test_it_says_that_it_is_no_model_and_how_to_get_one():
    for words in ("fix a.py", "write me a poem", "where is f", "outline a.py", "check a.py"):
        said = await Host({"a.py": "def f(): ...\n"}).turn(words)
        assert "I am not a language model" in said
        assert "ANTHROPIC_API_KEY" in said


async def test_only_the_problem_asked_about_is_touched():
    host = Host({"a.py": "import os\n\n\ndef f(total):\n    return totl + itm\n"})
    said = await host.turn("Fix this problem in a.py:\na.py:5:12: error [ruff F821] Undefined name `totl`")
    assert host.files["a.py"] == "import os\n\n\ndef f(total):\n    return total + itm\n"
    assert "`a.py`: 2 problems left." in said


async def test_a_problem_that_moved_meanwhile_is_found_again():
    host = Host({"a.py": "# new\n# lines\n\n\ndef f(total):\n    return totl\n"})
    await host.turn("Fix this problem in a.py:\na.py:2:12: error [ruff F821] Undefined name `totl`")
    assert host.files["a.py"].endswith("return total\n")


async def test_another_checkers_words_for_the_same_problem_are_understood():
    host = Host({"a.py": "def f(total):\n    return totl\n"})
    said = await host.turn(
        'Fix this problem in a.py:\na.py:2:12: error [Pyright reportUndefinedVariable] "totl" is not defined'
    )
    assert "Fixed:" in said


async def test_several_problems_in_one_request():
    host = Host({"a.py": "import os\n\n\ndef f(total):\n    return totl\n", "b.py": "x = (1\n"})
    await host.turn("Fix these problems:\na.py:5:12: error [ruff F821] Undefined name `totl`\na.py:1:8: warning [ruff F401] `os` imported but unused\nb.py:1:5: error [syntax syntax-error] `(` was never closed")  # fmt: skip
    assert host.files == {"a.py": "\n\ndef f(total):\n    return total\n", "b.py": "x = (1)\n"}


async def test_everything_in_the_workspace_when_no_file_is_named():
    host = Host({"a.py": "import os\n", "b.py": "x = (1\n"})
    await host.turn("please fix the problems")
    assert host.files == {"a.py": "", "b.py": "x = (1)\n"}


async def test_every_edit_is_checked_afterwards():
    host = Host({"a.py": "def f(total):\n    return totl\n"})
    await host.turn("fix a.py")
    assert [call.name for call in host.calls] == ["Glob", "Diagnostics", "Read", "Grep", "Edit", "Diagnostics"]


async def test_a_refused_edit_is_not_called_fixed():
    host = Host({"a.py": "def f(total):\n    return totl\n"}, refuse=frozenset({"Edit"}))
    said = await host.turn("fix a.py")
    assert "Fixed:" not in said
    assert "the edit was not made: denied by the user" in said


@pytest.mark.parametrize("tool", ["Diagnostics", "Read", "Grep", "Glob"])
async def test_a_refused_look_ends_well(tool):
    said = await Host({"a.py": "def f(total):\n    return totl\n"}, refuse=frozenset({tool})).turn("fix the problems")
    assert ("not fixed" in said) == (tool != "Grep")


async def test_a_problem_that_stays_is_said_to_stay():
    class Stubborn(Host):
        async def _edit(self, file_path, old_string, new_string):
            return "Edited."

    said = await Stubborn({"a.py": "def f(total):\n    return totl\n"}).turn("fix a.py")
    assert "but the problem remains" in said
    assert "Fixed:" not in said


async def test_a_problem_our_checkers_do_not_know_is_not_called_fixed():
    host = Host({"a.py": "def f(total):\n    return total\n\n\nprint(f(1))\n"})
    said = await host.turn(
        "Fix this problem in a.py:\na.py:5:9: error [mypy arg-type] Argument 1 has incompatible type"
    )
    assert "not fixed: a.py:5:9" in said


async def test_long_files_are_read_page_by_page():
    text = "".join(f"value_{n} = {n}\n" for n in range(95)) + "print(valeu_94)\n"
    host = Host({"a.py": text}, page=20)
    await host.turn("fix a.py")
    assert host.files["a.py"].endswith("print(value_94)\n")
    assert sum(call.name == "Read" for call in host.calls) == 5


async def test_a_bare_name_is_looked_for():
    host = Host({"deep/inside/a.py": "def f(total):\n    return totl\n"})
    await host.turn("fix a.py")
    assert "return total" in host.files["deep/inside/a.py"]


async def test_where_is_and_outline():
    host = Host(
        {"a.py": "import os\n\n\nclass Shop:\n    def open(self): ...\n", "b.go": "package p\n\nfunc Sell() {}\n"}
    )
    assert "`a.py:4` class Shop:" in await host.turn("Where is Shop?")
    assert "`b.go:3` func Sell() {}" in await host.turn("where is the function Sell")
    assert "`a.py:5`" in await host.turn("where's open defined?")
    assert "occurs nowhere" in await host.turn("where is Nonsense")
    assert "method `open`, lines 5-5" in await host.turn("outline of a.py")


def prompt(*messages) -> Prompt:
    return Prompt("offline", "", TOOLS, tuple(messages))


async def parts(asked: Prompt) -> list:
    return [part async for part in OfflineProvider().stream(asked)]


async def test_it_is_a_provider_and_says_when_it_stops():
    provider: Provider = OfflineProvider()
    assert provider.wire == "offline"
    assert (await parts(prompt(UserMessage((TextBlock("fix a.py"),)))))[-1] == StopPart("tool_use")
    said = await parts(prompt(UserMessage((TextBlock("hello"),))))
    assert isinstance(said[0], TextPart)
    assert said[-1] == StopPart("end_turn")


async def test_the_same_prompt_has_the_same_answer():
    asked = prompt(UserMessage((TextBlock("fix a.py"),)))
    assert await parts(asked) == await parts(asked)


async def test_ids_are_new_in_every_turn():
    first = ToolCall("offline_1", "Glob", {})
    asked = prompt(
        UserMessage((TextBlock("one"),)), AssistantMessage((CallBlock(first),)), UserMessage((ResultBlock("offline_1", ""),)),
        AssistantMessage((TextBlock("done"),)), UserMessage((TextBlock("check b/a.py"),)),
    )  # fmt: skip
    (call,) = [part.block.call for part in await parts(asked) if isinstance(getattr(part, "block", None), CallBlock)]
    assert call.id == "offline_2"


async def test_it_takes_over_from_another_model_in_the_middle_of_a_turn():
    foreign = ToolCall("toolu_1", "Bash", {"command": "ls"})
    asked = prompt(
        UserMessage((TextBlock("fix a/b.py"),)),
        AssistantMessage((CallBlock(foreign), CallBlock(BrokenCall("toolu_2", "Edit", "{", "cut")))),
        UserMessage((ResultBlock("toolu_1", "b.py"),)),
    )
    (call,) = [part.block.call for part in await parts(asked) if isinstance(getattr(part, "block", None), CallBlock)]
    assert (call.name, call.arguments) == ("Diagnostics", {"file_path": "a/b.py"})


async def test_a_turn_that_would_not_end_is_ended():
    calls = [ToolCall(f"offline_{n}", "Diagnostics", {"file_path": "a/b.py"}) for n in range(300)]
    blocks = AssistantMessage(tuple(CallBlock(call) for call in calls))
    asked = prompt(UserMessage((TextBlock("fix a/b.py"),)), blocks)
    assert (await parts(asked))[-1] == StopPart("end_turn")


async def test_tools_that_are_not_offered_are_not_called():
    asked = Prompt("offline", "", (), (UserMessage((TextBlock("fix a.py"),)),))
    found = await parts(asked)
    assert "needs the tools Diagnostics, Read, Edit" in found[0].text


async def test_the_loop_stays_free():
    """A long text is worked on in a thread: the loop's own clock ticks on."""
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    text = "".join(f"name_{n} = {n}\n" for n in range(3000)) + "print(nmae_2999)\n"
    await Host({"a.py": text}, page=5000).turn("fix a.py")
    ticking.cancel()
    assert ticks > 5


def test_requests():
    assert request("Fix this problem in my file.py:\nmy file.py:3:5: error [ruff F821] Undefined name `x`") == Request(
        "fix", ("my file.py",), request("fix\nmy file.py:3:5: error [ruff F821] Undefined name `x`").targets
    )
    (target,) = request("Fix\na.py:3:5: warning: [pylint] odd thing").targets
    assert (target.problem.line, target.problem.column, target.problem.message) == (2, 4, "odd thing")
    assert request("Explain `a.py` line 3").verb == "help"
    assert request("outline src/a.ts") == Request("outline", ("src/a.ts",))
    assert request("repair a.py and `b c.js`").files == ("a.py", "b c.js")
    assert request("what is wrong in a.py").verb == "check"


@given(st.text(max_size=300))
def test_any_words_are_a_request(text):
    assert request(text).verb in {"fix", "check", "where", "outline", "help"}


@given(st.text(max_size=300))
def test_any_text_can_be_read(text):
    reading.report(text)
    reading.lines(text)
    reading.hits(text)
    reading.files(text)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40),
    st.booleans(),
)
def test_a_report_is_read_back(title, new, is_safe):
    fix = SuggestedFix(title, ((1, 2, 3, 4, new),), is_safe)
    item = Diagnostic(Path("/a.py"), 1, 2, 3, 4, "warning", "it is odd", "ruff", "F1", 3, fix)
    text = render(
        DiagnosticSet((item,), 3, (SourceReport("ruff", "ok"), SourceReport("editor", "unknown", "late"))), "a.py"
    )
    (problem,) = reading.report(text).problems
    assert (problem.line, problem.column, problem.end_line, problem.end_column) == (1, 2, 3, 4)
    assert (problem.severity, problem.code, problem.source, problem.message) == ("warning", "F1", "ruff", "it is odd")
    assert problem.fix is not None
    assert (problem.fix.edits, problem.fix.is_safe) == (fix.edits, is_safe)
    assert reading.report(text).silent == ("editor unknown (late)",)


@given(st.lists(st.sampled_from(["a = 1\n", "b = 2\n", "\n", "c(😀)\n", "d\r\n"]), max_size=20).map("".join), st.data())
def test_an_edit_names_its_place_alone(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 9)))
    change = Change(start, end, data.draw(st.sampled_from(["", "x", "x\ny\n"])))
    wanted = applied(text, [change])
    for part in replacements(text, [change]):
        assert text.count(part.old) == 1 or part.old == text
        text = text.replace(part.old, part.new) if part.old else part.new
    assert text == wanted


def test_how_far_words_are_apart():
    assert [distance("item", other, 2) for other in ("item", "itme", "tem", "items", "iten", "xyz")] == [
        0,
        1,
        1,
        1,
        1,
        3,
    ]
    assert nearest("totla", ["total", "title", "tool", "__total__"]) == ["total"]
    assert nearest("toal", ["total", "tool"]) == ["tool", "total"]
    assert nearest("ab", ["abc"]) == []


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_distance_is_symmetric_and_zero_only_for_the_same(one, other):
    assert distance(one, other, 20) == distance(other, one, 20)
    assert (distance(one, other, 20) == 0) == (one == other)
