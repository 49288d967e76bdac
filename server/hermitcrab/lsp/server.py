"""The whole protocol on one screen: method -> handler, and what we say of ourselves at `initialize`."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from hermitcrab import __version__
from hermitcrab.lsp import merging
from hermitcrab.lsp.connection import Connection
from hermitcrab.lsp.door import Door
from hermitcrab.lsp.handlers import actions, commands, documents, rest, sessions
from hermitcrab.lsp.jsonrpc import field_of
from hermitcrab.lsp.methods import ReplyOrder

if TYPE_CHECKING:
    import cattrs

    from hermitcrab.lsp.host import Host

Handle = Callable[[Door, Any], Any]

DOCUMENTS: Final[dict[str, Handle]] = {
    types.TEXT_DOCUMENT_DID_OPEN: documents.did_open,
    types.TEXT_DOCUMENT_DID_CHANGE: documents.did_change,
    types.TEXT_DOCUMENT_DID_SAVE: documents.did_save,
    types.TEXT_DOCUMENT_DID_CLOSE: documents.did_close,
}

STANDARD: Final[dict[str, tuple[Handle, Any]]] = {
    types.TEXT_DOCUMENT_CODE_ACTION: (
        actions.code_action,
        types.CodeActionOptions(
            code_action_kinds=[
                types.CodeActionKind.QuickFix,
                types.CodeActionKind.RefactorRewrite,
                types.CodeActionKind.Source,
            ],
            resolve_provider=True,
        ),
    ),
    types.CODE_ACTION_RESOLVE: (actions.resolve, None),
    types.WORKSPACE_EXECUTE_COMMAND: (
        commands.execute,
        types.ExecuteCommandOptions(commands=list(commands.COMMANDS)),
    ),
}

OURS: Final[dict[str, tuple[Handle, ReplyOrder]]] = {
    "hermitcrab/session/new": (sessions.new, "first"),
    "hermitcrab/session/load": (sessions.load, "first"),
    "hermitcrab/session/list": (sessions.list_all, "free"),
    "hermitcrab/session/prompt": (sessions.prompt, "first"),
    "hermitcrab/session/cancel": (sessions.cancel, "last"),
    "hermitcrab/session/setMode": (sessions.set_mode, "free"),
    "hermitcrab/review/undo": (rest.undo, "free"),
    "hermitcrab/trust/get": (rest.trust_get, "free"),
    "hermitcrab/trust/set": (rest.trust_set, "free"),
    "hermitcrab/status": (rest.status, "free"),
    "hermitcrab/editor/didFocus": (rest.did_focus, "free"),
    "hermitcrab/editor/didChangeDiagnostics": (rest.did_change_diagnostics, "free"),
}


def connection(host: Host, converter: cattrs.Converter | None = None) -> Connection:
    """Return a connection for one more client of `host`, every method in its place."""
    client = Connection("hermitcrab", __version__, policy=merging.policy(), converter=converter)
    door = Door(host, client)
    client.on_close = _leaver(door)
    client.server_experimental = {"hermitcrab": {"version": 1}}
    for method, handle in DOCUMENTS.items():
        client.on(method)(functools.partial(handle, door))
    for method, (handle, options) in STANDARD.items():
        client.on(method, options=options)(_checked(handle, door))
    features: Any = client.protocol.fm
    features.commands.update(dict.fromkeys(commands.COMMANDS, _by_name))  # advertised; the handler is ours
    for method, (handle, reply) in OURS.items():
        client.on(method, reply=reply, is_ordered=method == "hermitcrab/session/prompt")(_checked(handle, door))
    _add_beginning(client, door)
    return client


def _by_name(*_arguments: Any) -> None:
    raise AssertionError("`workspace/executeCommand` has a handler of its own")


def _leaver(door: Door) -> Callable[[Connection], Awaitable[None]]:
    async def leave(_client: Connection) -> None:
        await door.leave()

    return leave


def _add_beginning(client: Connection, door: Door) -> None:
    @client.feature(types.INITIALIZE)
    def initialize(_params: types.InitializeParams) -> None:
        door.introduce(client.initialize_params)

    @client.on(types.INITIALIZED)
    def initialized(_params: Any) -> None:
        door.keep(asyncio.create_task(door.begin()))

    @client.on(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    async def cancel_progress(params: Any) -> None:
        await door.cancel_turn(str(params.get("token")))

    @client.on(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def changed_configuration(params: Any) -> None:
        door.configure(field_of(params, "settings"))

    del initialize, initialized, cancel_progress, changed_configuration


def _checked(handle: Handle, door: Door) -> Callable[[Any], Any]:
    """Let params that the models refuse be answered as invalid params, without their values."""

    async def answer(params: Any) -> Any:
        try:
            result = handle(door, params)
            return await result if inspect.isawaitable(result) else result
        except (KeyError, TypeError) as error:
            if _is_from(handle, error):
                raise JsonRpcInvalidParams(f"a key is missing or has the wrong type: {error}") from None
            raise
        except ValueError as error:
            if type(error).__name__ != "ValidationError":
                raise
            problems = "; ".join(
                f"`{'.'.join(map(str, item['loc']))}`: {item['msg']}"
                for item in getattr(error, "errors")(include_url=False, include_input=False)  # noqa: B009
            )
            raise JsonRpcInvalidParams(f"invalid params: {problems}") from None

    return answer


def _is_from(handle: Handle, error: Exception) -> bool:
    """Tell whether the handler itself stumbled over its params, and not something it called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == inspect.getfile(handle)
