"""Law 4: one gate. Nobody but `agent/call.py` runs a tool or asks what is permitted."""

from __future__ import annotations

import ast
from pathlib import Path

import hermitcrab
from hermitcrab.tools.registry import core_tools

SOURCES = Path(hermitcrab.__file__).parent


def calls() -> list[tuple[str, str]]:
    """Every call in the source, as (file, what is called)."""
    found: list[tuple[str, str]] = []
    for path in sorted(SOURCES.rglob("*.py")):
        if "sample" in path.parts:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        name = path.relative_to(SOURCES).as_posix()
        found += [(name, ast.unparse(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return found


def test_only_the_gate_runs_a_tool() -> None:
    assert {file for file, called in calls() if called in {"tool.run", "tool.access", "self.tool.run"}} == {
        "agent/call.py"
    }


def test_only_the_gate_decides() -> None:
    assert {file for file, called in calls() if called.rsplit(".", 1)[-1] == "decide"} == {"agent/call.py"}


def test_only_the_gate_asks_the_user_about_a_call() -> None:
    """One more place asks: whether a turn may send at all. It is about no tool call, and cannot reach one."""
    asking = {file for file, called in calls() if called.endswith("asker.ask")}
    assert asking == {"agent/call.py", "agent/consent.py"}
    seeking = {file for file, called in calls() if called.rsplit(".", 1)[-1] == "seek_consent"}
    assert seeking == {"agent/turn.py"}
    known = {module for file, module in imports() if file == "agent/consent.py"}
    assert not {module for module in known if module.startswith("hermitcrab.tools")}
    assert {module for module in known if module.startswith("hermitcrab.permissions")} == {
        "hermitcrab.permissions.consent"
    }
    granting = {file for file, called in calls() if called.endswith(("rights.grant", "rights.trust"))}
    assert granting == {"agent/call.py"}


def test_only_the_turn_starts_calls() -> None:
    assert {file for file, called in calls() if called in {"CallGroup", "run_call"}} == {
        "agent/turn.py",
        "agent/call.py",
    }


def test_tools_are_made_in_the_registry_alone() -> None:
    """A tool's module is imported by the registry; nothing else can make one."""
    modules = {type(tool).__module__ for tool in core_tools()}
    assert len(modules) == 8
    importers = {file for file, module in imports() if module in modules}
    assert importers == {"tools/registry.py"}


def imports() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [(path.relative_to(SOURCES).as_posix(), name) for name in names if name]
    return found
