from __future__ import annotations

from pathlib import Path

import pytest

from hermitcrab.core.errors import SettingsError
from hermitcrab.core.messages import Prompt, TextPart, Usage
from hermitcrab.providers.anthropic import AnthropicProvider
from hermitcrab.providers.pick import ProviderOptions, endpoint_of, pick
from hermitcrab.providers.profiles import Profile, profile_of

KEY = {"ANTHROPIC_API_KEY": "k"}


async def test_each_name_has_its_provider(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text("say hi")
    options = ProviderOptions(environment=KEY, directory=tmp_path)
    assert pick("anthropic/claude-x", options).wire == "anthropic"
    assert pick("offline", options).wire == "offline"
    scripted = pick("scripted:story.txt", options)
    parts = [part async for part in scripted.stream(Prompt("x", "", (), ()))]
    assert parts[0] == TextPart("hi")
    assert pick(f"scripted:{tmp_path}/story.txt", ProviderOptions()).wire == "scripted"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("gemini/x", "Gemini is not in this version; use `anthropic/MODEL`, `openai/MODEL`, `ollama/MODEL`"),
        ("claude-x", "did you mean `anthropic/claude-x`"),
        ("anthropic/", "is not the name of a model; use"),
        ("nonsense", "`nonsense` is not the name of a model; use"),
        ("", "is not the name of a model"),
        ("scripted:missing.txt", "the script `missing.txt` cannot be read"),
        ("scripted:", "cannot be read"),
    ],
)
def test_other_names_say_what_would_work(model: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        pick(model, ProviderOptions(environment=KEY, directory=tmp_path))
    assert words in str(caught.value)


def test_where_a_model_sends_to() -> None:
    local = ProviderOptions(environment={**KEY, "ANTHROPIC_BASE_URL": "http://127.0.0.1:1/"})
    assert endpoint_of("anthropic/claude-x", local) == "http://127.0.0.1:1"
    assert endpoint_of("anthropic/claude-x", ProviderOptions(environment=KEY)) == "https://api.anthropic.com"
    assert endpoint_of("offline", local) is None
    assert endpoint_of("scripted:x", local) is None
    provider = pick("anthropic/claude-x", local)
    assert isinstance(provider, AnthropicProvider)
    assert provider.is_loopback


@pytest.mark.parametrize(
    ("model", "context", "reply_tokens", "is_known"),
    [
        ("anthropic/claude-sonnet-4-5", 200_000, 32_000, True),
        ("claude-sonnet-4-5-20250929", 200_000, 32_000, True),
        ("claude-opus-5-5", 1_000_000, 32_000, True),
        ("claude-opus-5", 1_000_000, 32_000, True),
        ("claude-opus-5-9-turbo", 200_000, 32_000, False),
        ("claude-3-haiku-20240307", 200_000, 4_096, True),
        ("claude-surprise", 200_000, 8_192, False),
        ("llama", 200_000, 8_192, False),
    ],
)
def test_what_is_known_of_a_model(model: str, context: int, reply_tokens: int, is_known: bool) -> None:
    profile = profile_of(model)
    assert (profile.context, profile.reply_tokens, profile.is_known) == (context, reply_tokens, is_known)


def test_costs_are_known_or_said_to_be_unknown() -> None:
    usage = Usage(input=1_000_000, output=100_000, cache_read=1_000_000, cache_write=1_000_000)
    assert profile_of("anthropic/claude-haiku-4-5").cost(usage) == pytest.approx(1 + 0.5 + 0.1 + 1.25)
    assert profile_of("anthropic/claude-opus-5-9").cost(usage) is None  # a relative's price is not its price
    assert profile_of("anthropic/unheard-of").cost(usage) is None
    assert profile_of("scripted:some/where.txt").cost(usage) == 0
    assert profile_of("offline").cost(Usage()) == 0
    assert Profile("x").cost(usage) is None
