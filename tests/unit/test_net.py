from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email.utils
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hermitcrab.core.errors import ProviderBusyError, ProviderError, SettingsError
from hermitcrab.net.endpoint import Destination, Route, check_endpoint, is_loopback, route_to
from hermitcrab.net.failures import retry_after, status_failure
from hermitcrab.net.http import Dialler
from hermitcrab.net.redact import redact_headers, scrub
from mocks import anthropic_server

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[Destination]:
    """A server that does what `handler` says with each connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context)
    scheme = "https" if context else "http"
    yield Destination(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "BASE_URL", "API_KEY")
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.wait_closed()


@pytest.fixture
async def dialler() -> AsyncIterator[Dialler]:
    dialler = Dialler()
    yield dialler
    await dialler.close()


async def read_request(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


async def answer(dialler: Dialler, destination: Destination) -> bytes:
    async with dialler.post(destination, {}, b"") as exchange:
        assert await exchange.ready(5)
        exchange.head()
        return await exchange.rest(5)


# -- addresses


@pytest.mark.parametrize(
    "url",
    ["http://localhost", "http://LOCALHOST:8080/v1", "http://127.0.0.1:1", "https://127.9.9.9", "http://[::1]:80/"],
)
def test_these_stay_on_this_machine(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.anthropic.com",
        "http://localhost.evil.com",
        "http://127.0.0.1.evil.com",
        "http://127.0.0.1@evil.com",
        "http://evil.com#127.0.0.1",
        "http://evil.com\\@127.0.0.1",
        "http://evil.com/127.0.0.1",
        "http://0.0.0.0",
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://[::ffff:8.8.8.8]",
        "http://[fe80::1]",
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://127.0.0.1\n.evil.com",
        "ftp://127.0.0.1",
        "127.0.0.1",
        "",
    ],
)
def test_these_do_not_or_are_no_addresses(url: str) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "api.anthropic.com",
        "ftp://x",
        "https://",
        "https://me:secret@host",
        "https://h?q=1",
        "https://h\\x",
        "http://h:x",
    ],
)
def test_a_bad_address_is_named_by_its_setting_and_keeps_its_secrets(url: str) -> None:
    with pytest.raises(SettingsError, match="`BASE_URL`") as caught:
        check_endpoint(url, "BASE_URL")
    assert "secret" not in str(caught.value)


def test_a_good_address() -> None:
    assert check_endpoint(" https://host:8443/path/ ", "BASE_URL") == "https://host:8443/path"


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://a.com", {}, None),
        ("https://a.com", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.com", {"https_proxy": "p:1", "HTTPS_PROXY": "http://q:1"}, "http://p:1"),
        ("http://a.com", {"HTTPS_PROXY": "http://p:1"}, None),
        ("http://a.com", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "b.com, .a.com"}, None),
        ("https://x.a.com", {"HTTPS_PROXY": "http://p:1", "no_proxy": "a.com"}, None),
        ("https://xa.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.com"}, "http://p:1"),
        ("https://a.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.com:8443"}, "http://p:1"),
        ("https://a.com:8443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.com:8443"}, None),
        ("https://10.1.2.3", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("https://a.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("http://127.0.0.1:8080", {"HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://p:1"}, None),
        ("http://localhost", {"ALL_PROXY": "http://p:1"}, None),
    ],
)
def test_the_way_to_an_endpoint(url: str, environment: dict[str, str], proxy: str | None) -> None:
    assert route_to(url, environment).proxy == proxy


def test_a_proxy_we_cannot_speak_with() -> None:
    with pytest.raises(SettingsError, match="socks5"):
        route_to("https://a.com", {"ALL_PROXY": "socks5://p:1"})


def test_authorities_come_from_the_environment_people_have() -> None:
    assert route_to("https://a.com", {"REQUESTS_CA_BUNDLE": "/a", "SSL_CERT_DIR": "/b"}) == Route(None, "/a", "/b")
    assert route_to("https://a.com", {"SSL_CERT_FILE": "/c", "NODE_EXTRA_CA_CERTS": "/d"}) == Route(
        None, "/c", None, "/d"
    )


# -- failures


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_these_statuses_pass(status: int) -> None:
    assert isinstance(status_failure(status, {}, "", Destination("http://h")), ProviderBusyError)


@pytest.mark.parametrize(
    ("status", "words"), [(400, ""), (401, "`KEY`"), (403, "`KEY`"), (404, "`URL`"), (413, "new session"), (418, "")]
)
def test_these_statuses_stay_and_say_where_to_look(status: int, words: str) -> None:
    failure = status_failure(status, {}, "some words", Destination("http://h/v1?x", "URL", "KEY"))
    assert type(failure) is ProviderError
    assert str(failure).startswith(f"`http://h` answered {status}: some words")
    assert words in str(failure)


def test_the_server_knows_best_whether_to_retry() -> None:
    there = Destination("http://h")
    assert type(status_failure(500, {"x-should-retry": "false"}, "", there)) is ProviderError
    assert isinstance(status_failure(400, {"x-should-retry": "true"}, "", there), ProviderBusyError)


def test_a_redirect_is_named_and_not_followed() -> None:
    failure = status_failure(307, {"location": "https://other.com/x?key=1"}, "", Destination("http://h", "URL"))
    assert type(failure) is ProviderError
    assert "`other.com`" in str(failure)
    assert "`URL`" in str(failure)


NOW = 1_700_000_000.0
LATER = email.utils.format_datetime(dt.datetime.fromtimestamp(NOW + 30, dt.UTC), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "120", "retry-after": "9"}, 0.12),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9),
        ({"retry-after": LATER}, 30),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_how_long_a_server_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=NOW) == seconds


def test_credentials_stay_out_of_logs() -> None:
    headers = {"x-api-key": "sk-1", "Authorization": "Bearer sk-2", "Set-Cookie": "c", "accept": "text/plain"}
    assert redact_headers(headers) == {
        "x-api-key": "[hidden]",
        "Authorization": "[hidden]",
        "Set-Cookie": "[hidden]",
        "accept": "text/plain",
    }
    assert scrub("bad key sk-12345", ("sk-12345", "")) == "bad key [hidden]"


# -- the line


async def test_bytes_come_as_they_arrive(dialler: Dialler) -> None:
    go_on = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await read_request(reader)).startswith("POST /v1 HTTP/1.1\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX-One: 1\r\ncontent-length: 6\r\n\r\nabc")
        await go_on.wait()
        writer.write(b"def")
        await writer.drain()

    async with serving(handler) as destination, dialler.post(destination, {"a": "b"}, b"{}") as exchange:
        assert await exchange.ready(5)
        assert exchange.head().status == 200
        assert exchange.head().headers["x-one"] == "1"
        assert await exchange.ready(5)
        assert exchange.read() == b"abc"
        assert not await exchange.ready(0.01)
        go_on.set()
        assert await exchange.ready(5)
        assert exchange.read() == b"def"
        assert await exchange.ready(5)
        assert exchange.read() == b""


@pytest.mark.parametrize("moment", ["before the answer", "in the answer"])
async def test_leaving_closes_the_socket_at_once(dialler: Dialler, moment: str) -> None:
    gone = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        if moment == "in the answer":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 600\r\n\r\nabc")
        assert await reader.read(1) == b""
        gone.set()

    async with serving(handler) as destination:
        async with dialler.post(destination, {}, b"") as exchange:
            await exchange.ready(0.2)
        async with asyncio.timeout(2):
            await gone.wait()


async def test_a_whole_reply_leaves_its_connection_for_the_next(dialler: Dialler) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nend\r\n")
            await asyncio.sleep(0.001)
            writer.write(b"0\r\n\r\n")

    async with serving(handler) as destination:
        for _ in range(3):
            async with dialler.post(destination, {}, b"") as exchange:
                data = b""
                while data != b"end":
                    assert await exchange.ready(5)
                    data += exchange.read()
                exchange.expect_end()
            await asyncio.sleep(0.1)  # the last bytes may take their time on a busy machine
    assert connections == 1


async def test_a_slow_reader_does_not_fill_the_memory(dialler: Dialler) -> None:
    sent = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 64 * 1024 * 1024:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with serving(handler) as destination, dialler.post(destination, {}, b"") as exchange:
        assert await exchange.ready(5)
        exchange.head()
        await asyncio.sleep(0.3)
        held = sent
        assert held < 32 * 1024 * 1024  # ours and the kernel's buffers
        read = 0
        while read < held:
            assert await exchange.ready(5)
            read += len(exchange.read())


async def test_only_the_given_environment_counts(dialler: Dialler, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        await writer.drain()

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the engine's own, not the connection's
    async with serving(handler) as destination:
        assert await answer(dialler, destination) == b"hi"


async def test_nobody_listens(dialler: Dialler) -> None:
    async def handler(*_: object) -> None: ...

    async with serving(handler) as destination:
        pass
    with pytest.raises(ProviderBusyError, match=r"cannot connect to `http://127.0.0.1:\d+` .*`BASE_URL`"):
        await answer(dialler, destination)


async def test_a_host_that_does_not_exist(dialler: Dialler) -> None:
    with pytest.raises(ProviderBusyError, match="cannot connect"):
        await answer(dialler, Destination("http://no-such-host.invalid/v1"))


@pytest.mark.parametrize(
    "reply",
    [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", b"nonsense\r\n\r\n"],
)
async def test_a_line_that_breaks_is_busy(dialler: Dialler, reply: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(reply)
        await writer.drain()

    async with serving(handler) as destination, dialler.post(destination, {}, b"") as exchange:
        with pytest.raises(ProviderBusyError, match="broke"):  # noqa: PT012
            while True:
                assert await exchange.ready(5)
                exchange.head()
                exchange.read()


async def test_redirects_are_not_followed(dialler: Dialler) -> None:
    hits = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hits
        hits += 1
        await read_request(reader)
        writer.write(b"HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with serving(handler) as destination, dialler.post(destination, {"x-api-key": "k"}, b"") as exchange:
        assert await exchange.ready(5)
        assert exchange.head().status == 307
    assert hits == 1


async def test_a_certificate_nobody_vouches_for_is_final(dialler: Dialler) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        await writer.drain()

    authority = str(Path(anthropic_server.__file__).with_name("loopback.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    async with serving(handler, context) as destination:
        with pytest.raises(ProviderError, match=r"could not prove who it is.*`SSL_CERT_FILE`") as caught:
            await answer(dialler, destination)
        assert type(caught.value) is ProviderError
        async with dialler.post(destination, {}, b"", {"SSL_CERT_FILE": authority}) as exchange:
            assert await exchange.ready(5)
            assert exchange.head().status == 200
        with pytest.raises(SettingsError, match="cannot be read"):  # noqa: PT012
            async with dialler.post(destination, {}, b"", {"SSL_CERT_FILE": "/no/such/file"}) as exchange:
                await exchange.ready(5)
                exchange.head()


async def test_plain_http_on_a_tls_port_is_no_way_around(dialler: Dialler) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serving(handler) as plain:
        with pytest.raises(ProviderError) as caught:
            await answer(dialler, Destination(plain.url.replace("http:", "https:")))
        assert type(caught.value) is ProviderError


async def test_through_a_proxy_and_refused_by_it(dialler: Dialler) -> None:
    asked: list[str] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await read_request(reader)).split("\r\n")[0])
        is_tunnel = asked[-1].startswith("CONNECT")
        writer.write(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n" if is_tunnel else b"HTTP/1.1 204 Yes\r\n\r\n")
        await writer.drain()

    async with serving(proxy) as there:
        environment = {"ALL_PROXY": there.url}
        async with dialler.post(Destination("http://far.invalid/v1"), {}, b"", environment) as exchange:
            assert await exchange.ready(5)
            assert exchange.head().status == 204
        async with dialler.post(Destination("https://far.invalid/v1"), {}, b"", environment) as exchange:
            assert await exchange.ready(5)
            with pytest.raises(ProviderError, match=r"the proxy .* refused .*`HTTPS_PROXY`"):
                exchange.head()
    assert asked == ["POST http://far.invalid/v1 HTTP/1.1", "CONNECT far.invalid:443 HTTP/1.1"]


def test_the_dialler_costs_nothing_until_it_dials() -> None:
    code = (
        "import sys, hermitcrab.net, hermitcrab.net.http, hermitcrab.providers.anthropic, hermitcrab.providers.pick\n"
        "hermitcrab.net.http.Dialler()\n"
        "heavy = {'httpx', 'httpcore', 'pydantic', 'anyio', 'certifi'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
