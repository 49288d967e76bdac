"""From a model's name to the provider that speaks with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hermitcrab.core.errors import SettingsError

if TYPE_CHECKING:
    from hermitcrab.core.ports import Provider
    from hermitcrab.net.http import Dialler
    from hermitcrab.providers.openai_chat import OpenAIChatOptions

_CHOICES = "`anthropic/MODEL`, `openai/MODEL`, `ollama/MODEL`, `scripted:FILE` or `offline`"
_LATER = {"gemini": "Gemini"}
_BARE = {"claude-": "anthropic", "gpt-": "openai"}  # how people name a model without its vendor


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """What providers are made with: the connection's environment, the engine's dialler, where relative files are."""

    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    dialler: Dialler | None = None
    directory: Path = field(default_factory=Path)


def pick(model: str, options: ProviderOptions) -> Provider:
    """Return the provider for `model`; raise SettingsError, saying what would work, when there is none."""
    if model == "offline":
        from hermitcrab.providers.offline.provider import OfflineProvider

        return OfflineProvider()
    if model.startswith("scripted:"):
        return _scripted(model.removeprefix("scripted:"), options)
    if model.startswith("recording:"):
        return _recording(model, options)
    vendor, slash, name = model.partition("/")
    if vendor == "anthropic" and name:
        return _anthropic(options)
    if vendor in {"openai", "ollama"} and name:
        return _openai_chat(vendor, options)
    if slash and vendor in _LATER:
        raise SettingsError(f"`{model}`: {_LATER[vendor]} is not in this version; use {_CHOICES}")
    for start, its_vendor in _BARE.items():
        if model.startswith(start):
            raise SettingsError(f"`{model}` is not the name of a model here; did you mean `{its_vendor}/{model}`?")
    raise SettingsError(f"`{model}` is not the name of a model; use {_CHOICES}")


def endpoint_of(model: str, options: ProviderOptions) -> str | None:
    """Return the address `model` would send to; None when nothing leaves this process."""
    if model.startswith("recording:"):
        from hermitcrab.providers.recording import split_recording

        model = split_recording(model)[1]
    vendor = model.partition("/")[0]
    if vendor in {"openai", "ollama"}:
        return _openai_chat_options(vendor, options).base_url
    if vendor != "anthropic":
        return None
    from hermitcrab.providers.anthropic import AnthropicOptions

    return AnthropicOptions.from_environment(options.environment).base_url


def _anthropic(options: ProviderOptions) -> Provider:
    from hermitcrab.providers.anthropic import AnthropicOptions, AnthropicProvider

    return AnthropicProvider(AnthropicOptions.from_environment(options.environment), options.dialler)


def _openai_chat(vendor: str, options: ProviderOptions) -> Provider:
    from hermitcrab.providers.openai_chat import OpenAIChatProvider

    return OpenAIChatProvider(_openai_chat_options(vendor, options), options.dialler)


def _openai_chat_options(vendor: str, options: ProviderOptions) -> OpenAIChatOptions:
    from hermitcrab.providers.openai_chat import OpenAIChatOptions

    if vendor == "ollama":
        return OpenAIChatOptions.of_ollama(options.environment)
    return OpenAIChatOptions.from_environment(options.environment)


def _recording(model: str, options: ProviderOptions) -> Provider:
    from hermitcrab.providers.recording import Hider, RecordingProvider, split_recording

    file, inner = split_recording(model)
    if file is None:
        raise SettingsError(f"`{model}`: say `recording:FILE:MODEL`, such as `recording:bug.script:anthropic/NAME`")
    return RecordingProvider(pick(inner, options), inner, options.directory / file, Hider.of(options.environment))


def _scripted(name: str, options: ProviderOptions) -> Provider:
    from hermitcrab.providers.scripted import ScriptedProvider

    path = options.directory / Path(name).expanduser()
    try:
        script = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the script `{name}` cannot be read: {error}") from None
    return ScriptedProvider(script, name=Path(name).name)
