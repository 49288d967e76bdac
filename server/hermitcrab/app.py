"""Builds an engine and hands the rooms to each other; nothing else knows all of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermitcrab.config.load import SettingsReader
from hermitcrab.config.settings import Settings
from hermitcrab.diagnostics.collect import Collector
from hermitcrab.engine.connection import Connection
from hermitcrab.engine.engine import Engine
from hermitcrab.engine.services import Services
from hermitcrab.engine.session import SessionModel
from hermitcrab.net.endpoint import Destination
from hermitcrab.net.http import Dialler
from hermitcrab.permissions.consent import ConsentStore
from hermitcrab.permissions.trust import TrustStore
from hermitcrab.providers.keys import with_stored_key
from hermitcrab.providers.pick import ProviderOptions, pick
from hermitcrab.providers.profiles import Profile, profile_of
from hermitcrab.providers.recording import Hider, RecordingProvider, split_recording
from hermitcrab.store.blobs import BlobStore
from hermitcrab.store.keys import KeyStore
from hermitcrab.store.paths import Paths
from hermitcrab.store.sessions import SessionStore
from hermitcrab.tools.registry import core_tools
from hermitcrab.workspace.documents import Documents

if TYPE_CHECKING:
    from hermitcrab.core.ports import Provider


def build_engine(
    *,
    paths: Paths | None = None,
    documents: Documents | None = None,
    provider: Provider | None = None,
    profile: Profile | None = None,
    record: Path | None = None,
    hides_text: bool = False,
) -> Engine:
    """Return an engine of the real rooms; `provider` stands in for the models where a test has one of its own.

    With `record` what models say is written there, as `providers.recording` describes.
    """
    paths = paths or Paths.default()
    dialler = Dialler()
    reader = SettingsReader(paths)
    sessions = SessionStore(paths)
    keys = KeyStore.in_paths(paths)

    def settings(root: Path, connection: Connection, trusted: bool) -> Settings:
        return reader.load(
            root,
            command_line=connection.command_line,
            client=_known(connection.client_settings),
            workspace=connection.workspace_settings,
            trusted=trusted,
        )

    def model(name: str | None, environment: Mapping[str, str]) -> SessionModel:
        file, chosen = split_recording(name or _default_model(environment))
        environment = environment if provider else with_stored_key(chosen, environment, keys)
        picked = provider or pick(chosen, ProviderOptions(environment=environment, dialler=dialler))
        if file := file or record:
            picked = RecordingProvider(picked, chosen, file, Hider.of(environment, hides_text=hides_text))
        return SessionModel(chosen, picked, profile or profile_of(chosen), _destination(picked))

    async def close() -> None:
        await dialler.close()
        sessions.close()

    services = Services(
        paths=paths,
        documents=documents if documents is not None else Documents(),
        sessions=sessions,
        blobs=BlobStore(paths.blobs),
        trust=TrustStore.in_paths(paths),
        consents=ConsentStore.in_paths(paths),
        collector=Collector(environment=dict(os.environ)),
        tools={tool.name: tool for tool in core_tools()},
        settings=settings,
        model=model,
        close=close,
    )
    return Engine(services)


def _destination(provider: Provider) -> Destination | None:
    """Return where a provider sends to; those that send nothing have none."""
    found: object = getattr(provider, "destination", None)
    return found if isinstance(found, Destination) else None


def _default_model(_environment: Mapping[str, str]) -> str:
    """Return the model when none is set: rules alone, for a key in the environment does not say which model to pay."""
    return "offline"


def _known(client: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what the door itself reads among an editor's settings."""
    return {key: value for key, value in client.items() if key != "diagnostics"}
