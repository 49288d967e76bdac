"""What import-linter cannot see: the syntax trees of all our modules, looked at once.

`core` imports the standard library alone; processes and sockets are opened, also by attribute, only where they belong;
no module keeps state that changes.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "server" / "hermitcrab"
MODULES = sorted(SOURCE.rglob("*.py"))

PROCESSES = {
    "os": {
        "fork", "forkpty", "system", "popen", "startfile", "posix_spawn", "posix_spawnp", "execl", "execle", "execlp",
        "execlpe", "execv", "execve", "execvp", "execvpe", "spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve",
        "spawnvp", "spawnvpe",
    },
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
}  # fmt: skip
LOOP_PROCESSES = {"subprocess_exec", "subprocess_shell", "create_subprocess_exec", "create_subprocess_shell"}
SOCKETS = {
    "asyncio": {"open_connection", "start_server", "open_unix_connection", "start_unix_server"},
}
LOOP_SOCKETS = {
    "create_connection", "create_server", "create_unix_connection", "create_unix_server", "create_datagram_endpoint",
    "sock_connect", "open_connection", "open_unix_connection", "start_unix_server",
}  # fmt: skip
SOCKET_MODULES = {
    "socket",
    "socketserver",
    "http.client",
    "http.server",
    "urllib.request",
    "ftplib",
    "smtplib",
    "xmlrpc",
}
SOCKET_PLACES = ("net/", "shim/", "lsp/transport.py")
DYNAMIC = {"__import__", "eval", "exec", "compile"}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imported(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Yield (module, name, line) for every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name, node.lineno) for alias in node.names)


def opened(tree: ast.Module, by_module: dict[str, set[str]], anywhere: set[str]) -> list[str]:
    """Return each place that names one of these functions: as an attribute, imported, or as text for `getattr`."""
    found = [f"{line}: {module}.{name}" for module, name, line in imported(tree) if name in by_module.get(module, ())]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in anywhere or node.attr in by_module.get(owner, ()):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            texts = {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
            if texts & (anywhere | set().union(*by_module.values())):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 30


@pytest.mark.parametrize(
    "path", [path for path in MODULES if name_of(path).startswith(("core/", "shim/"))], ids=name_of
)
def test_core_imports_the_standard_library_alone(path: Path) -> None:
    room = "hermitcrab." + name_of(path).split("/")[0]
    foreign = {
        module
        for module, _, _ in imported(tree_of(path))
        if module.split(".")[0] not in sys.stdlib_module_names and not f"{module}.".startswith(f"{room}.")
    }
    assert foreign == set()


@pytest.mark.parametrize("path", [path for path in MODULES if not name_of(path).startswith("procs/")], ids=name_of)
def test_processes_start_in_procs_alone(path: Path) -> None:
    assert opened(tree_of(path), PROCESSES, LOOP_PROCESSES) == []


@pytest.mark.parametrize("path", [path for path in MODULES if not name_of(path).startswith(SOCKET_PLACES)], ids=name_of)
def test_sockets_are_opened_by_the_dialler_and_the_transport_alone(path: Path) -> None:
    tree = tree_of(path)
    assert opened(tree, SOCKETS, LOOP_SOCKETS) == []
    assert [module for module, _, _ in imported(tree) if module in SOCKET_MODULES] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_code_is_made_from_text(path: Path) -> None:
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id in DYNAMIC] == []


MUTABLE_CALLS = {
    "list",
    "dict",
    "set",
    "bytearray",
    "defaultdict",
    "deque",
    "OrderedDict",
    "Counter",
    "ContextVar",
    "WeakSet",
}
MUTATORS = {
    "append", "add", "update", "pop", "popitem", "clear", "extend", "insert", "remove", "discard", "setdefault", "appendleft",
}  # fmt: skip


def mutable_names(tree: ast.Module) -> dict[str, int]:
    """Return module-level names bound to something that can change."""
    names: dict[str, int] = {}
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        is_call = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in MUTABLE_CALLS
        if is_call or isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)):
            names |= {target.id: node.lineno for target in targets if isinstance(target, ast.Name)}
    return names


def changed(tree: ast.Module, names: dict[str, int]) -> list[str]:
    """Return the places inside functions that change one of these names, and every `global`."""
    found: list[str] = []
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        own = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        own |= {arg.arg for arg in ast.walk(function) if isinstance(arg, ast.arg)}
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                found.append(f"{node.lineno}: global {', '.join(node.names)}")
            target = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
                target = node.func.value
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
                target = node.value
            if isinstance(target, ast.Name) and target.id in names and target.id not in own:
                found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_keeps_state(path: Path) -> None:
    tree = tree_of(path)
    assert changed(tree, mutable_names(tree)) == []


# Each check sees what it is for.


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.fork()", "import os\nos.execv('a', [])", "from os import system", "import os\ngetattr(os, 'fork')()",
        "import asyncio\nasyncio.create_subprocess_exec('a')", "loop.subprocess_exec(f, 'a')",
        "from asyncio import create_subprocess_shell", "def f():\n    import os\n    os.posix_spawn('a', [], {})",
    ],
)  # fmt: skip
def test_a_process_by_attribute_is_seen(code: str) -> None:
    assert opened(ast.parse(code), PROCESSES, LOOP_PROCESSES)


@pytest.mark.parametrize(
    "code",
    [
        "import asyncio\nasyncio.open_connection()",
        "asyncio.start_server(f)",
        "loop.create_server(f)",
        "from asyncio import start_unix_server",
    ],
)
def test_a_socket_by_attribute_is_seen(code: str) -> None:
    assert opened(ast.parse(code), SOCKETS, LOOP_SOCKETS)


@pytest.mark.parametrize(
    "code",
    ["_X = {}\ndef f():\n    _X['a'] = 1", "_X = []\ndef f():\n    _X.append(1)", "_X = None\ndef f():\n    global _X", "_X: set[int] = set()\nasync def f():\n    _X.add(1)"],
)  # fmt: skip
def test_state_in_a_module_is_seen(code: str) -> None:
    tree = ast.parse(code)
    assert changed(tree, mutable_names(tree))


def test_constants_are_no_state() -> None:
    tree = ast.parse("_X = {'a': 1}\ndef f(_X):\n    _X['a'] = 1\ndef g():\n    x = []\n    x.append(_X['a'])")
    assert changed(tree, mutable_names(tree)) == []
