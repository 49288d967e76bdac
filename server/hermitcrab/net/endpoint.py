"""Where a request may go and by which way: the address checked is the address dialled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from hermitcrab.core.errors import SettingsError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked endpoint and the settings a person would look at when it fails."""

    url: str
    url_setting: str = ""
    key_setting: str = ""
    hint: str = ""  # what to do when nothing answers there, where the settings do not tell

    @property
    def name(self) -> str:
        """Return scheme, host and port for messages: never path, query or credentials."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def origin(self) -> str:
        """Return who is spoken to, one spelling for each: the host in lower case, the port only where it is unusual."""
        parts = urlsplit(self.url)
        host = (parts.hostname or "").rstrip(".")
        host = f"[{host}]" if ":" in host else host
        port = parts.port if parts.port not in {None, _PORTS.get(parts.scheme)} else None
        return f"{parts.scheme}://{host}{f':{port}' if port is not None else ''}"


@dataclass(frozen=True, slots=True)
class Route:
    """How to get to an endpoint: through which proxy, trusting which authorities (empty: the usual ones)."""

    proxy: str | None = None
    ca_file: str | None = None
    ca_directory: str | None = None
    extra_ca_file: str | None = None


def check_endpoint(url: str, setting: str) -> str:
    """Return `url` without trailing slashes; raise SettingsError, naming `setting`, when it is no plain HTTP address."""
    url = url.strip()
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        raise SettingsError(f"`{setting}` is not an address like `https://host:port`")
    if parts.username is not None or parts.password is not None:
        raise SettingsError(f"`{setting}` carries a name or password; keep credentials in the key's own setting")
    if parts.query or parts.fragment:
        raise SettingsError(f"`{setting}` carries a query or fragment; give the plain address")
    return url.rstrip("/")


def credential(environment: Mapping[str, str], name: str) -> str:
    """Return the key in variable `name`, "" without one; raise SettingsError when no key can look like it."""
    value = environment.get(name, "").strip()
    if not value.isascii() or not value.isprintable():
        raise SettingsError(f"`{name}` contains characters that no key has; copy it again")
    return value


def is_loopback(url: str) -> bool:
    """Tell whether `url` stays on this machine: `localhost` or a canonical loopback address, nothing else."""
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or parts.username is not None or not parts.hostname:
        return False
    return _is_loopback_host(parts.hostname)


def route_to(url: str, environment: Mapping[str, str]) -> Route:
    """Return the way to `url` as `environment` wants it; a loopback address is never given to a proxy."""
    parts = urlsplit(url)
    if parts.scheme == "http":
        return Route(proxy=_proxy_for(parts, environment))
    return Route(
        proxy=_proxy_for(parts, environment),
        ca_file=environment.get("SSL_CERT_FILE") or environment.get("REQUESTS_CA_BUNDLE") or None,
        ca_directory=environment.get("SSL_CERT_DIR") or None,
        extra_ca_file=environment.get("NODE_EXTRA_CA_CERTS") or None,
    )


def _split(url: str) -> SplitResult | None:
    if "\\" in url or any(character <= " " or character == "\x7f" for character in url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy_for(parts: SplitResult, environment: Mapping[str, str]) -> str | None:
    host = parts.hostname or ""
    if _is_loopback_host(host):
        return None
    proxy = ""
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        proxy = proxy or environment.get(name) or environment.get(name.upper()) or ""
    if not proxy or _is_exempt(host, parts.port or _PORTS[parts.scheme], environment):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme = proxy.partition("://")[0].lower()
    if scheme not in _PORTS:
        raise SettingsError(
            f"the proxy in `{parts.scheme.upper()}_PROXY` or `ALL_PROXY` speaks `{scheme}`; "
            "only http and https proxies are known: set one, or name the host in `NO_PROXY`"
        )
    return proxy


def _is_exempt(host: str, port: int, environment: Mapping[str, str]) -> bool:
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return any(_covers(entry.strip().lower(), host, port) for entry in listed.split(",") if entry.strip())


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except (ValueError, TypeError):
        pass
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit():
        if int(wanted) != port:
            return False
        entry = name
    entry = entry.removeprefix("*").strip("[]").lstrip(".")
    return host == entry or host.endswith(f".{entry}")
