"""The environment a child gets: the connection's own, without what is ours alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRETS = re.compile(
    r"""
    (?: ANTHROPIC | OPENAI | AZURE_OPENAI | GEMINI | GOOGLE_GENERATIVE_AI | GOOGLE_AI | MISTRAL | GROQ | OPENROUTER
      | DEEPSEEK | XAI | TOGETHER | TOGETHERAI | FIREWORKS | COHERE | CO | CEREBRAS | PERPLEXITY | OLLAMA | HERMITCRAB )
    _ (?: [A-Z0-9]+ _ )* (?: KEY | KEYS | TOKEN | SECRET | PASSWORD | HEADERS )
    | GOOGLE_API_KEY | AWS_BEARER_TOKEN_BEDROCK
    """,
    re.VERBOSE | re.IGNORECASE,
)

# A shell that runs one command reads these first; what stands in them would run unseen.
_STARTUP = frozenset({"BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PROMPT_COMMAND"})

# Nobody is there to type: no pager, no question, no colours to draw.
_QUIET = {"PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0", "TERM": "dumb"}


def is_secret(name: str) -> bool:
    """Say whether a variable holds a key to a model, which no command has any business with."""
    return _SECRETS.fullmatch(name) is not None


def for_child(env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` without the keys of model providers and without start-up files, ready for a quiet command."""
    kept = {name: value for name, value in env.items() if not is_secret(name) and name.upper() not in _STARTUP}
    return {**kept, **_QUIET}
