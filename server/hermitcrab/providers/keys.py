"""Keys that `hermitcrab setup` stored: found where the environment has none, and only for the endpoint they were proven at."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hermitcrab.net.endpoint import Destination
from hermitcrab.providers.pick import ProviderOptions, endpoint_of
from hermitcrab.store.keys import KeyStore

VARIABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"), "openai": ("OPENAI_API_KEY",)}
)
"""Where a vendor's key stands in an environment; the first is the one we set."""


def key_name(model: str, environment: Mapping[str, str]) -> str:
    """Return the name `model`'s key is stored under: whose it is, and who it may be shown to."""
    vendor = model.partition("/")[0]
    supposed = {**environment, VARIABLES[vendor][0]: "unknown"}
    endpoint = endpoint_of(model, ProviderOptions(environment=supposed)) or ""
    return f"{vendor} {Destination(endpoint).origin}"


def with_stored_key(model: str, environment: Mapping[str, str], store: KeyStore) -> Mapping[str, str]:
    """Return `environment` with the stored key for `model`, unless it brings its own. Blocks: call it in a thread.

    An address that came from elsewhere never gets a key that was stored for another one.
    """
    names = VARIABLES.get(model.partition("/")[0])
    if names is None or any(environment.get(name, "").strip() for name in names):
        return environment
    key = store.get(key_name(model, environment))
    return {**environment, names[0]: key} if key else environment
