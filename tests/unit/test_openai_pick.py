"""From names and a shell's environment to endpoints of Chat Completions."""

from __future__ import annotations

import pytest

from hermitcrab.core.errors import SettingsError
from hermitcrab.core.messages import Usage
from hermitcrab.net.endpoint import is_loopback
from hermitcrab.providers.openai_chat import OpenAIChatOptions, OpenAIChatProvider
from hermitcrab.providers.pick import ProviderOptions, endpoint_of, pick
from hermitcrab.providers.profiles import profile_of

KEY = {"OPENAI_API_KEY": "sk-secret"}


@pytest.mark.parametrize(
    ("model", "environment", "url"),
    [
        ("openai/gpt-x", KEY, "https://api.openai.com/v1"),
        ("openai/gpt-x", {**KEY, "OPENAI_BASE_URL": "https://openrouter.ai/api/v1/"}, "https://openrouter.ai/api/v1"),
        ("openai/qwen", {"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}, "http://127.0.0.1:8000/v1"),
        ("openai/qwen", {"OPENAI_BASE_URL": "http://localhost:8000"}, "http://localhost:8000/v1"),
        ("openai/x", {**KEY, "OPENAI_BASE_URL": "https://a.b/openai/chat/completions"}, "https://a.b/openai"),
        ("ollama/llama", {}, "http://127.0.0.1:11434/v1"),
        ("ollama/llama", {"OLLAMA_HOST": "0.0.0.0"}, "http://127.0.0.1:11434/v1"),
        ("ollama/llama", {"OLLAMA_HOST": ":8080"}, "http://127.0.0.1:8080/v1"),
        ("ollama/llama", {"OLLAMA_HOST": "gpu.lan:80"}, "http://gpu.lan:80/v1"),
        ("ollama/llama", {"OLLAMA_HOST": "http://gpu.lan"}, "http://gpu.lan/v1"),
        ("ollama/llama", {"OLLAMA_HOST": "https://ollama.com/"}, "https://ollama.com/v1"),
        ("ollama/llama", {"OLLAMA_HOST": "http://gpu.lan:1/proxy/v1"}, "http://gpu.lan:1/proxy/v1"),
        ("ollama/llama", {"OLLAMA_HOST": "[::]:11434"}, "http://[::1]:11434/v1"),
        ("ollama/llama", {"OLLAMA_HOST": "  "}, "http://127.0.0.1:11434/v1"),
    ],
)
def test_where_a_model_sends_to(model: str, environment: dict[str, str], url: str) -> None:
    options = ProviderOptions(environment=environment)
    assert endpoint_of(model, options) == url
    provider = pick(model, options)
    assert isinstance(provider, OpenAIChatProvider)
    assert provider.wire == "openai-chat"
    assert provider.destination.url == f"{url}/chat/completions"
    assert provider.is_loopback == is_loopback(url)


@pytest.mark.parametrize(
    ("model", "environment", "words"),
    [
        ("openai/gpt-x", {}, "set `OPENAI_API_KEY`"),
        ("openai/gpt-x", {"OPENAI_BASE_URL": "http://gpu.lan:8000/v1"}, "no key for `http://gpu.lan:8000`"),
        ("openai/gpt-x", {"OPENAI_BASE_URL": "gpu.lan"}, "`OPENAI_BASE_URL` is not an address"),
        ("openai/gpt-x", {**KEY, "OPENAI_BASE_URL": "https://u:p@a.b/v1"}, "`OPENAI_BASE_URL` carries a name"),
        ("openai/gpt-x", {"OPENAI_API_KEY": "sk-secret\nx: y"}, "`OPENAI_API_KEY` contains"),
        ("ollama/x", {"OLLAMA_HOST": "ftp://a.b"}, "`OLLAMA_HOST` is not an address"),
        ("ollama/x", {"OLLAMA_HOST": "a b"}, "`OLLAMA_HOST` is not an address"),
        ("openai/", KEY, "is not the name of a model; use `anthropic/MODEL`, `openai/MODEL`"),
        ("ollama/", {}, "is not the name of a model"),
        ("gpt-x", KEY, "did you mean `openai/gpt-x`"),
    ],
)
def test_what_does_not_work_says_what_would(model: str, environment: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pick(model, ProviderOptions(environment=environment))
    assert words in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_the_processs_own_environment_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    monkeypatch.setenv("OLLAMA_HOST", "http://elsewhere.lan")
    with pytest.raises(SettingsError):
        pick("openai/gpt-x", ProviderOptions())
    assert endpoint_of("ollama/x", ProviderOptions()) == "http://127.0.0.1:11434/v1"


def test_an_address_that_was_given_names_its_setting() -> None:
    for model, environment, setting in (
        ("openai/x", KEY, ""),
        ("openai/x", {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "OPENAI_BASE_URL"),
        ("ollama/x", {}, ""),
        ("ollama/x", {"OLLAMA_HOST": "gpu.lan"}, "OLLAMA_HOST"),
    ):
        provider = pick(model, ProviderOptions(environment=environment))
        assert isinstance(provider, OpenAIChatProvider)
        assert provider.destination.url_setting == setting


def test_a_key_is_not_shown() -> None:
    options = OpenAIChatOptions.from_environment({"OPENAI_API_KEY": " sk-secret\n"})
    assert options.key == "sk-secret"
    assert "sk-secret" not in repr(options)


@pytest.mark.parametrize(
    ("model", "context", "most", "cost"),
    [
        ("openai/gpt-4o-mini", 128_000, 16_384, 0.15 + 0.06 + 0.075),
        ("openai/gpt-4o-2024-08-06", 128_000, 16_384, 2.5 + 1 + 1.25),
        ("openai/gpt-4o-audio", 200_000, 8_192, None),  # a relative's price is not its price
        ("openai/o3-mini", 200_000, 100_000, 1.1 + 0.44 + 0.55),
        ("openai/claude-opus-5", 200_000, 8_192, None),  # served by somebody else
        ("openai/deepseek/deepseek-chat", 200_000, 8_192, None),
        ("ollama/gpt-4o", 200_000, 8_192, None),
    ],
)
def test_what_is_known_of_a_model(model: str, context: int, most: int, cost: float | None) -> None:
    profile = profile_of(model)
    usage = Usage(input=1_000_000, output=100_000, cache_read=1_000_000)
    assert (profile.context, profile.max_output) == (context, most)
    assert profile.cost(usage) == (cost if cost is None else pytest.approx(cost))
