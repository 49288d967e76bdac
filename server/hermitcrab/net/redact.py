"""Keeps credentials out of messages and logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_SECRET = ("authorization", "key", "token", "secret", "cookie", "password", "credential")
_HIDDEN = "[hidden]"


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `headers` fit for a log: values of anything that smells of a credential are hidden."""
    return {name: _HIDDEN if is_secret_name(name) else value for name, value in headers.items()}


def is_secret_name(name: str) -> bool:
    """Tell whether a header or variable of this name smells of a credential."""
    return any(word in name.lower() for word in _SECRET)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without `secrets`, should a server echo what it was sent."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, _HIDDEN)
    return text
