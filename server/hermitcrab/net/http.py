"""The dialler: one pool of connections per engine, and exchanges whose closing closes the socket at once."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hermitcrab.core.errors import ProviderError, SettingsError
from hermitcrab.net.endpoint import Destination, Route, route_to
from hermitcrab.net.failures import transport_failure

if TYPE_CHECKING:
    import httpx

_BUFFERED = 1024 * 1024  # bytes that may wait for a slow reader before the socket is left alone
_BREATH = 64  # chunks after which other tasks get their turn, should the socket always have more
_CONNECT_SECONDS = 10.0
_WRITE_SECONDS = 60.0
_KEEP_SECONDS = 90.0  # an idle connection saves the next step its TLS handshake
_DRAIN_SECONDS = 1.0
_LAST_BYTES_SECONDS = 0.005  # worth waiting for: with them in, the very next request needs no new connection


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]


class Dialler:
    """Makes connections. Building one costs nothing: httpx is imported at the first request, off the event loop."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, Route], asyncio.Task[httpx.AsyncClient]] = {}
        self._draining: set[asyncio.Task[None]] = set()

    def post(
        self,
        destination: Destination,
        headers: Mapping[str, str],
        body: bytes,
        environment: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Return a POST that starts when it is entered; proxies and authorities are taken from `environment`."""
        route = route_to(destination.url, environment or {})
        return Exchange(self, destination, route, headers, body)

    async def client(self, url: str, route: Route) -> httpx.AsyncClient:
        """Return the pool for `route`, made once (a change of proxy or authorities is another pool)."""
        key = (url.partition(":")[0], route)
        making = self._clients.get(key)
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = self._clients[key] = asyncio.create_task(asyncio.to_thread(_make_client, key[0], route))
        return await asyncio.shield(making)

    def drain(self, task: asyncio.Task[None]) -> None:
        """Let a finished reply's last bytes arrive, for a second at most, so that its connection can be used again."""
        self._draining.add(task)
        task.add_done_callback(self._drained)
        asyncio.get_running_loop().call_later(_DRAIN_SECONDS, task.cancel)

    async def warm(self, url: str, environment: Mapping[str, str]) -> None:
        """Get ready to dial `url` without dialling: the first request then pays for no imports."""
        await self.client(url, route_to(url, environment))

    async def close(self) -> None:
        """Close every connection."""
        for task in tuple(self._draining):
            task.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        makers = tuple(self._clients.values())
        self._clients.clear()
        for client in await asyncio.gather(*makers, return_exceptions=True):
            if not isinstance(client, BaseException):
                await client.aclose()

    def _drained(self, task: asyncio.Task[None]) -> None:
        self._draining.discard(task)
        _ = task.cancelled() or task.exception()  # seen: the reply was whole before its line broke


class Exchange:
    """One request and its answer as it arrives; leaving the `async with` early drops the connection at once."""

    def __init__(
        self, dialler: Dialler, destination: Destination, route: Route, headers: Mapping[str, str], body: bytes
    ) -> None:
        self._dialler = dialler
        self._destination = destination
        self._route = route
        self._headers = headers
        self._body = body
        self._head: Head | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_draining = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._pump = asyncio.create_task(self._run())
        self._pump.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pump = self._running()
        if self._is_draining and not pump.done():
            self._dialler.drain(pump)
            await asyncio.wait((pump,), timeout=_LAST_BYTES_SECONDS)
            return
        pump.cancel()
        await asyncio.wait((pump,))
        _ = pump.cancelled() or pump.exception()

    async def ready(self, wait: float) -> bool:
        """Wait up to `wait` seconds for something new: the head, bytes, the end or a failure."""
        if not self._news.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()
        return self._news.is_set()

    def head(self) -> Head:
        """Return status and headers once `ready`; raise what kept them from coming."""
        if self._head is None:
            self._running().result()
            raise AssertionError("`head` is asked for when the exchange is ready")
        self._read_all()
        return self._head

    def read(self) -> bytes:
        """Return all bytes that arrived since the last call; b"" at the end, or a failure, once `ready` said so."""
        if not self._chunks and self._running().done():
            self._running().result()
            return b""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._read_all()
        self._room.set()
        return data

    async def rest(self, wait: float, limit: int = 65536) -> bytes:
        """Return what comes of the answer in `wait` seconds, cut at `limit` bytes: for error messages."""
        data = b""
        with contextlib.suppress(TimeoutError, ProviderError):
            async with asyncio.timeout(wait):
                while len(data) < limit and await self.ready(wait) and (more := self.read()):
                    data += more
        return data[:limit]

    def expect_end(self) -> None:
        """Say that the reply is whole: leaving now keeps the connection for the next request."""
        self._is_draining = True
        self._room.set()

    def _running(self) -> asyncio.Task[None]:
        if self._pump is None:
            raise AssertionError("an exchange is entered before it is used")
        return self._pump

    def _read_all(self) -> None:
        """Forget the news once nothing is left to read; an ended exchange is always ready."""
        if not self._chunks and not self._running().done():
            self._news.clear()

    async def _run(self) -> None:
        client = await self._dialler.client(self._destination.url, self._route)
        import httpx  # costs nothing here: making the client imported it, off the loop

        try:
            async with client.stream(
                "POST", self._destination.url, headers=dict(self._headers), content=self._body
            ) as response:
                self._head = Head(response.status_code, {k.lower(): v for k, v in response.headers.items()})
                self._news.set()
                is_packed = response.headers.get("content-encoding", "identity") != "identity"
                count = 0
                async for chunk in response.aiter_bytes() if is_packed else response.aiter_raw():
                    await self._take(chunk)
                    count += 1
                    if count % _BREATH == 0:
                        await asyncio.sleep(0)
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise transport_failure(error, self._destination) from error

    async def _take(self, chunk: bytes) -> None:
        if self._is_draining:
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._news.set()
        if self._size > _BUFFERED:
            self._room.clear()
            await self._room.wait()


def _make_client(scheme: str, route: Route) -> httpx.AsyncClient:
    import httpx

    return httpx.AsyncClient(
        verify=_authorities(scheme, route),
        proxy=route.proxy,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS, write=_WRITE_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=_KEEP_SECONDS),
        headers={"accept-encoding": "identity"},
    )


def _authorities(scheme: str, route: Route) -> ssl.SSLContext:
    if scheme == "http" and not (route.proxy or "").startswith("https"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and is not asked
    if not (route.ca_file or route.ca_directory):
        import certifi

        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust(context, route.ca_file, route.ca_directory)
    if route.extra_ca_file:
        _trust(context, route.extra_ca_file, None)
    return context


def _trust(context: ssl.SSLContext, file: str | None, directory: str | None) -> None:
    try:
        context.load_verify_locations(file, directory)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"the certificate authorities in `{file or directory}` cannot be read ({error}); "
            "check `SSL_CERT_FILE`, `SSL_CERT_DIR`, `REQUESTS_CA_BUNDLE` and `NODE_EXTRA_CA_CERTS`"
        ) from error
