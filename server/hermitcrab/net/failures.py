"""What went wrong on the line, as an error that says whether waiting helps and which setting to look at."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hermitcrab.core.errors import ProviderBusyError, ProviderError
from hermitcrab.net.endpoint import Destination

if TYPE_CHECKING:
    import httpx

BUSY_STATUSES = frozenset({408, 409, 425, 429})


def transport_failure(error: httpx.HTTPError | ssl.SSLError | OSError, destination: Destination) -> ProviderError:
    """Return the error for a connection that could not be made or broke; TLS trouble is never retried."""
    import httpx

    name = destination.name
    tls = _tls_error(error)
    if tls is not None:
        return ProviderError(
            f"`{name}` could not prove who it is: {_tls_reason(tls)}; "
            "if your network has its own certificate authority, name its file in `SSL_CERT_FILE`"
        )
    if isinstance(error, httpx.ProxyError):
        return ProviderError(f"the proxy on the way to `{name}` refused ({error}); check `HTTPS_PROXY` and `NO_PROXY`")
    if isinstance(error, httpx.ConnectTimeout):
        return ProviderBusyError(f"`{name}` did not take the connection in time{_look_at_url(destination)}")
    if isinstance(error, httpx.ConnectError):
        return ProviderBusyError(f"cannot connect to `{name}` ({_root(error)}){_look_at_url(destination)}")
    if isinstance(error, (httpx.LocalProtocolError, httpx.UnsupportedProtocol)):
        return ProviderError(f"the request to `{name}` cannot be sent as it is{_look_at_url(destination)}")
    return ProviderBusyError(f"the connection to `{name}` broke ({_root(error)})")


def status_failure(status: int, headers: Mapping[str, str], message: str, destination: Destination) -> ProviderError:
    """Return the error for an answer that is not a success; `message` is what the server said about it."""
    said = f": {message}" if message else ""
    text = f"`{destination.name}` answered {status}{said}"
    should_retry = headers.get("x-should-retry", "").lower()
    is_busy = status in BUSY_STATUSES or status >= 500
    if should_retry == "true" or (is_busy and should_retry != "false"):
        return ProviderBusyError(text, retry_after=retry_after(headers))
    return ProviderError(text + _advice(status, headers, destination))


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Return the seconds a server asks us to wait: `retry-after-ms`, then `retry-after` in seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    import email.utils  # seldom needed and slow to come

    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _advice(status: int, headers: Mapping[str, str], destination: Destination) -> str:
    key, url = destination.key_setting, destination.url_setting
    if 300 <= status < 400:
        host = urlsplit(headers.get("location", "")).hostname or "another address"
        return f"; it points to `{host}`, and a key is never carried there by itself: set `{url}` to the final address"
    if status == 401:
        return f"; check `{key}`" if key else "; it wants a key"
    if status in {402, 403}:
        return f"; check what the key in `{key}` may use" if key else ""
    if status in {404, 405}:
        return f"; check the model's name and `{url}`" if url else "; check the model's name"
    if status == 407:
        return "; check name and password of the proxy in `HTTP_PROXY` or `ALL_PROXY`"
    if status == 413:
        return "; the conversation has grown too large for one request: start a new session"
    return ""


def _look_at_url(destination: Destination) -> str:
    if destination.hint:
        return f"; {destination.hint}"
    if destination.url_setting:
        return f"; is it running and reachable? The address comes from `{destination.url_setting}`"
    return "; is this machine online? A proxy is set with `HTTPS_PROXY`"


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError) and not isinstance(seen, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.reason or "the TLS handshake failed"


def _root(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            text = seen.strerror
        seen = seen.__cause__ or seen.__context__
    return text
