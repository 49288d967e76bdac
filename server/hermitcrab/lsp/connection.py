"""One client's attachment, as the handlers of this room see it."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import cattrs
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from hermitcrab.core.ids import new_id
from hermitcrab.core.ports import ClientProfile
from hermitcrab.core.text import PositionEncoding
from hermitcrab.lsp import clients, from_lsp
from hermitcrab.lsp.jsonrpc import field_of
from hermitcrab.lsp.methods import Handler, Method, ReplyOrder
from hermitcrab.lsp.outbox import Policy
from hermitcrab.lsp.protocol import HermitcrabProtocol

if TYPE_CHECKING:
    from hermitcrab.core.messages import JsonObject

_log = logging.getLogger("hermitcrab.lsp")


class Connection(LanguageServer):
    """A client: who it is, what it can do, how to tell and to ask it something, and who handles what it sends.

    Standard methods are registered with `feature` and `command` (lsprotocol types), or like our own with `on` (plain
    JSON). Make one converter for all connections: it is slow to build and learns each type once.
    """

    protocol: HermitcrabProtocol  # pyright: ignore[reportIncompatibleVariableOverride] - never set again

    def __init__(
        self,
        name: str,
        version: str,
        *,
        policy: Policy | None = None,
        converter: cattrs.Converter | None = None,
        on_close: Callable[[Connection], Awaitable[None] | None] | None = None,
    ) -> None:
        self.id = new_id("conn")
        self.policy = policy or Policy()
        self.on_close = on_close
        self.initialize_params: JsonObject = {}
        self.client_name = ""
        self.client_version = ""
        self.profile: ClientProfile = clients.UNKNOWN
        self.encoding: PositionEncoding = "utf-16"
        self.server_experimental: dict[str, Any] = {}
        self.exit_code: int | None = None
        self.closed = asyncio.Event()
        self.ended = asyncio.Event()
        self._reading_thread: ThreadPoolExecutor | None = None
        _silence_pygls()
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            name,
            version,
            protocol_cls=HermitcrabProtocol,
            converter_factory=lambda: default_converter() if converter is None else converter,
        )

    @property
    def capabilities(self) -> JsonObject:
        """Return what the client said it can do, as JSON."""
        found: Any = self.initialize_params.get("capabilities")
        return cast("JsonObject", found) if isinstance(found, dict) else {}

    @functools.cached_property
    def client_capabilities(self) -> types.ClientCapabilities:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what the client said it can do, typed; worked out when first asked for."""
        return self.protocol.typed.capabilities(self.capabilities)

    @property
    def client_experimental(self) -> JsonObject:
        """Return what the client says of itself under `capabilities.experimental.hermitcrab`; empty for strangers."""
        return clients.experimental(self.capabilities)

    @property
    def on_lost(self) -> Callable[[frozenset[str]], None]:
        """Return who is told of streams (session ids) whose text was dropped, once the client reads again."""
        return self.protocol.outbox.on_lost

    @on_lost.setter
    def on_lost(self, tell: Callable[[frozenset[str]], None]) -> None:
        self.protocol.outbox.on_lost = tell

    @property
    def reading_thread(self) -> ThreadPoolExecutor:
        """Return the one thread that reads this client's large params."""
        if self._reading_thread is None:
            self._reading_thread = ThreadPoolExecutor(1, thread_name_prefix="lsp-params")
        return self._reading_thread

    def meet(self, params: JsonObject) -> None:
        """Note who the client is, from its `initialize`."""
        self.initialize_params = params
        info = params.get("clientInfo")
        self.client_name = str(field_of(info, "name") or "")
        self.client_version = str(field_of(info, "version") or "")
        self.encoding = from_lsp.choose_encoding(self.capabilities)
        self.profile = clients.profile_of(self.client_name, self.capabilities)

    def on(
        self, method: str, *, reply: ReplyOrder = "free", is_ordered: bool = False, options: Any = None
    ) -> Callable[[Handler], Handler]:
        """Register a handler that gets `params` as plain JSON; a standard method is advertised as well."""

        def register(handler: Handler) -> Handler:
            self.protocol.methods[method] = Method(handler, reply, is_ordered)
            if method in types.METHOD_TO_TYPES:
                self.protocol.advertise(method, handler, options)
            return handler

        return register

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Tell the client something; never waits. The params belong to the outbox from now on."""
        self.protocol.notify(method, params)

    async def request(self, method: str, params: dict[str, Any] | None = None, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """Ask the client and return its answer as plain JSON.

        Raises JsonRpcException for its error, ClientGoneError when it leaves, TimeoutError in time; a question that
        timed out or whose asker was cancelled is withdrawn from the client.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.protocol.ask(future, method, params, lambda raw: raw)
        async with asyncio.timeout(timeout):
            return await future

    def to_json(self, params: Any) -> Any:
        """Return lsprotocol's params as plain JSON, for `request` and `notify`."""
        return self.protocol.typed.plain(params)

    def close(self, exit_code: int = 0) -> None:
        """Let this client go once what is queued is written."""
        if self.exit_code is None:
            self.exit_code = exit_code
        self.closed.set()

    async def end(self) -> None:
        """Clean up behind a client that is gone; called by the transport, once."""
        self.closed.set()
        ended = asyncio.ensure_future(self.protocol.end())
        if self.on_close is not None:
            try:
                result = self.on_close(self)
                if result is not None:
                    await result
            except Exception:  # noqa: BLE001 - whatever goes wrong here, the rest still has to be cleaned up
                _log.exception("cleaning up behind a client failed")
        await ended
        for pool in (self._reading_thread, self._thread_pool):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls would show to the user; its text may hold paths and payload."""
        del source
        _log.error("pygls reports a %s", type(error).__name__)


def _silence_pygls() -> None:
    """Keep pygls from writing params and results to the log (P8)."""
    logging.getLogger("pygls").setLevel(logging.WARNING)
