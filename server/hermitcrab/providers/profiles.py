"""What each model can do and costs: data, from the vendors' published tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from hermitcrab.core.messages import Usage

Thinking = Literal["none", "budget", "adaptive"]
"""How a model is asked to reason: not at all, with a budget of tokens, or as it sees fit."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One model, as far as known."""

    name: str
    context: int = 200_000
    max_output: int = 8_192
    thinking: Thinking = "none"
    price: Price | None = None
    is_known: bool = True

    @property
    def reply_tokens(self) -> int:
        """Return a sensible `max_tokens` for one step: room for a whole file, not for an endless monologue."""
        return min(self.max_output, 32_000)

    def cost(self, usage: Usage) -> float | None:
        """Return what a request cost in US dollars; None where no price is known."""
        if self.price is None:
            return None
        return (
            (usage.input or 0) * self.price.input
            + (usage.output or 0) * self.price.output
            + (usage.cache_read or 0) * self.price.cache_read
            + (usage.cache_write or 0) * self.price.cache_write
        ) / 1_000_000


def _price(dollars_in: float, dollars_out: float, read: float | None = None) -> Price:
    """Return a price by the vendor's usual shares: a cache read costs a tenth of input, a five-minute write 1.25."""
    return Price(dollars_in, dollars_out, read if read is not None else dollars_in / 10, dollars_in * 1.25)


def _large(name: str, price: Price | None) -> Profile:
    return Profile(name, 1_000_000, 128_000, "adaptive", price)


def _openai(name: str, context: int, most: int, dollars_in: float, dollars_out: float, read: float) -> Profile:
    return Profile(name, context, most, "none", Price(dollars_in, dollars_out, read, dollars_in))


_PROFILES = (
    _large("claude-fable-5-2", None),
    _large("claude-fable-5-1", _price(10, 50, 0.25)),
    _large("claude-fable-5", _price(10, 50)),
    _large("claude-opus-5-5", _price(4, 20, 0.20)),
    _large("claude-opus-5", _price(5, 25)),
    _large("claude-sonnet-5-5", _price(2, 10)),
    _large("claude-sonnet-5", _price(2, 10)),
    _large("claude-haiku-5-5", None),
    Profile("claude-opus-4-8", 1_000_000, 128_000, "none", _price(5, 25)),
    Profile("claude-opus-4-7", 1_000_000, 128_000, "none", _price(5, 25)),
    Profile("claude-opus-4-6", 1_000_000, 128_000, "none", _price(5, 25)),
    Profile("claude-sonnet-4-6", 1_000_000, 64_000, "none", _price(3, 15)),
    Profile("claude-opus-4-5", 200_000, 64_000, "budget", _price(5, 25)),
    Profile("claude-sonnet-4-5", 200_000, 64_000, "budget", _price(3, 15)),
    Profile("claude-haiku-4-5", 200_000, 64_000, "budget", _price(1, 5)),
    Profile("claude-opus-4-1", 200_000, 32_000, "budget", _price(15, 75)),
    Profile("claude-opus-4", 200_000, 32_000, "budget", _price(15, 75)),
    Profile("claude-sonnet-4", 200_000, 64_000, "budget", _price(3, 15)),
    Profile("claude-3-5-haiku", 200_000, 8_192, "none", _price(0.8, 4)),
    Profile("claude-3-haiku", 200_000, 4_096, "none", _price(0.25, 1.25)),
)
_OPENAI_PROFILES = (
    _openai("gpt-5", 400_000, 128_000, 1.25, 10, 0.125),
    _openai("gpt-5-mini", 400_000, 128_000, 0.25, 2, 0.025),
    _openai("gpt-5-nano", 400_000, 128_000, 0.05, 0.4, 0.005),
    _openai("gpt-4.1", 1_047_576, 32_768, 2, 8, 0.5),
    _openai("gpt-4.1-mini", 1_047_576, 32_768, 0.4, 1.6, 0.1),
    _openai("gpt-4.1-nano", 1_047_576, 32_768, 0.1, 0.4, 0.025),
    _openai("gpt-4o", 128_000, 16_384, 2.5, 10, 1.25),
    _openai("gpt-4o-mini", 128_000, 16_384, 0.15, 0.6, 0.075),
    _openai("o4-mini", 200_000, 100_000, 1.1, 4.4, 0.275),
    _openai("o3", 200_000, 100_000, 2, 8, 0.5),
    _openai("o3-mini", 200_000, 100_000, 1.1, 4.4, 0.55),
    _openai("o1", 200_000, 100_000, 15, 60, 7.5),
)
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}")
_FREE = frozenset({"scripted", "offline"})


def profile_of(model: str) -> Profile:
    """Return what is known of `model`, with or without our provider prefix.

    A date or alias after a known name is the same model; any other relative borrows what its family can do, within
    careful bounds, but no price: an unknown price is said to be unknown.
    """
    if model.partition(":")[0] in _FREE:
        return Profile(model, price=Price(0, 0, 0, 0))
    if model.startswith(("openai/", "ollama/")):
        return _chat_profile(model)
    bare = model.rpartition("/")[2]
    related = [profile for profile in _PROFILES if bare == profile.name or bare.startswith(f"{profile.name}-")]
    if not related:
        return Profile(bare or model, is_known=False)
    nearest = max(related, key=lambda profile: len(profile.name))
    rest = bare.removeprefix(nearest.name).lstrip("-")
    if not rest or rest in {"latest", "0"} or (rest.isdigit() and len(rest) == 8):
        return replace(nearest, name=bare)
    return Profile(bare, min(nearest.context, 200_000), min(nearest.max_output, 32_000), "none", is_known=False)


def _chat_profile(model: str) -> Profile:
    """Return what is known of a model behind Chat Completions: exact names alone, for anybody may serve that wire."""
    vendor, _, name = model.partition("/")
    for profile in _OPENAI_PROFILES if vendor == "openai" else ():
        if name == profile.name or _DATED.fullmatch(name.removeprefix(profile.name)):
            return replace(profile, name=name)
    return Profile(name, is_known=False)
