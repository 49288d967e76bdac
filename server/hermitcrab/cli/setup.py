"""`hermitcrab setup`: a key and a model, proven with one request before anything is kept."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermitcrab.core.errors import ProviderError, SettingsError

if TYPE_CHECKING:
    from hermitcrab.core.messages import Usage
    from hermitcrab.core.ports import Provider
    from hermitcrab.store.paths import Paths

_PATIENCE = 60.0
_CONSOLES = {"anthropic": "https://console.anthropic.com", "openai": "https://platform.openai.com"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the one request."""

    text: str
    usage: Usage | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = (
        "The key is asked for without echo, or read from standard input when that is a pipe; without one, the environment's\n"
        "is used and nothing is stored. It goes into the system keyring when the `keyring` package is installed and works,\n"
        "else into a file only you can read. It is kept for the endpoint it was proven at, and shown to no other.\n"
        "Exit code 1 when the request failed: then nothing was kept."
    )
    parser.add_argument("--provider", choices=["anthropic", "openai"], help="whose key (default: as the model says)")
    parser.add_argument(
        "--model", metavar="NAME", help="the model to use from now on (default: the one in your settings)"
    )
    parser.add_argument("--no-check", action="store_true", help="keep key and model without a request")


def run(args: argparse.Namespace) -> int:
    """Set up."""
    from hermitcrab.config.edit import check_can_set, set_in_file
    from hermitcrab.providers.keys import key_name
    from hermitcrab.store.keys import KeyStore
    from hermitcrab.store.paths import Paths

    paths, environment = Paths.default(), dict(os.environ)
    model = _model(args, paths)
    check_can_set(paths.settings, "model", model)
    name = key_name(model, environment)
    vendor, _, endpoint = name.partition(" ")
    _say_what(model, endpoint, is_checked=not args.no_check)
    key = _key(vendor)
    with_key = _with_key(model, environment, key)
    if not args.no_check:
        print(_told(model, asyncio.run(_prove(model, with_key))))
    if key:
        store = KeyStore.in_paths(paths)
        where = "the system keyring" if store.put(name, key) == "keyring" else f"{store.file}, which only you can read"
        print(f"the key is kept in {where}")
    set_in_file(paths.settings, "model", model)
    _agree(paths, endpoint)
    print(f'{paths.settings} now says model = "{model}"')
    return 0


def _model(args: argparse.Namespace, paths: Paths) -> str:
    """Return the model with its vendor; raise SettingsError when it is not known or is not that vendor's."""
    from hermitcrab.providers.keys import VARIABLES

    given: str | None = args.model or _model_in_settings(paths, args.provider)
    if given is None and sys.stdin.isatty():
        given = input("model (as its vendor writes it): ").strip() or None
    if given is None:
        raise SettingsError(
            "which model? say --model NAME, such as --model anthropic/NAME or --provider openai --model NAME"
        )
    vendor = given.partition("/")[0] if given.partition("/")[0] in VARIABLES else None
    if vendor is None:
        if args.provider is None and not given.startswith(("claude-", "gpt-")):
            raise SettingsError(f"whose model is `{given}`? say --provider anthropic or --provider openai")
        vendor = args.provider or ("anthropic" if given.startswith("claude-") else "openai")
        given = f"{vendor}/{given}"
    if args.provider not in {None, vendor}:
        raise SettingsError(f"`{given}` is not a model of `{args.provider}`")
    if not given.isprintable() or " " in given or not given.partition("/")[2]:
        raise SettingsError(f"`{given!r:.80}` is not the name of a model")
    return given


def _model_in_settings(paths: Paths, provider: str | None) -> str | None:
    """Return the user's own model when it is one that `setup` can set up."""
    from hermitcrab.config.sources import read_file
    from hermitcrab.providers.keys import VARIABLES

    source = read_file(paths.settings, "user")
    model = source.checked().model if source else None
    vendor = (model or "").partition("/")[0]
    return model if vendor in VARIABLES and provider in {None, vendor} else None


def _say_what(model: str, endpoint: str, *, is_checked: bool) -> None:
    """Name the endpoint before anything is sent to it, now and later."""
    from hermitcrab.agent.consent import WHAT_IS_SENT

    if is_checked:
        print(f"one request of a few words is sent to {endpoint} with the key, to prove key and model")
    print(f"from then on sessions with {model} send there: {WHAT_IS_SENT}", flush=True)


def _key(vendor: str) -> str:
    """Return the key that was typed or piped in, "" for none; raise SettingsError when no key can look like it."""
    from hermitcrab.net.endpoint import credential

    if sys.stdin.isatty():
        typed = _typed(f"key for {vendor} ({_CONSOLES[vendor]}; not shown; empty to use the environment's): ")
    else:
        typed = sys.stdin.readline(10_000)
    return credential({"the key": typed}, "the key")


def _typed(question: str) -> str:
    """Ask without echo; a terminal that would show the key is not used."""
    import getpass
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(question)
    except getpass.GetPassWarning:
        raise SettingsError("this terminal cannot hide what is typed; pipe the key into `hermitcrab setup`") from None
    except EOFError:
        return ""


def _with_key(model: str, environment: Mapping[str, str], key: str) -> Mapping[str, str]:
    """Return the environment the request is made with: the new key alone, or the environment's own."""
    from hermitcrab.providers.keys import VARIABLES
    from hermitcrab.providers.pick import ProviderOptions, pick

    names = VARIABLES[model.partition("/")[0]]
    if key:
        rest = {name: value for name, value in environment.items() if name not in names}
        return {**rest, names[0]: key}
    pick(model, ProviderOptions(environment=environment))  # says which variable is missing
    return environment


async def _prove(model: str, environment: Mapping[str, str]) -> Answer:
    """Make one tiny request; raise ProviderError for whatever comes back instead of an answer."""
    from hermitcrab.net.http import Dialler
    from hermitcrab.providers.pick import ProviderOptions, pick

    dialler = Dialler()
    provider = pick(model, ProviderOptions(environment=environment, dialler=dialler))
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _ask(provider, model)
    except TimeoutError:
        raise ProviderError(f"no answer within {_PATIENCE:.0f} s; nothing was kept") from None
    except ProviderError as error:
        raise ProviderError(f"{error}; nothing was kept (--no-check keeps key and model without a request)") from None
    finally:
        await provider.close()
        await dialler.close()


async def _ask(provider: Provider, model: str) -> Answer:
    from contextlib import aclosing

    from hermitcrab.core.messages import Prompt, TextBlock, TextPart, UsagePart, UserMessage

    prompt = Prompt(model, "Answer with one word.", (), (UserMessage((TextBlock("Say OK."),)),), 64)
    text, usage = "", None
    async with aclosing(provider.stream(prompt)) as parts:
        async for part in parts:
            if isinstance(part, TextPart):
                text += part.text
            elif isinstance(part, UsagePart):
                usage = part.usage
    return Answer(text, usage)


def _told(model: str, answer: Answer) -> str:
    """Say in plain words what came back."""
    from hermitcrab.cli.printer import printable

    words = printable(" ".join(answer.text.split())[:60])
    said = f"answered `{words}`" if words else "answered, without words"
    usage = answer.usage
    if usage is None or usage.input is None or usage.output is None:
        return f"{model} {said}: key and model work"
    return f"{model} {said} ({usage.input} tokens in, {usage.output} out): key and model work"


def _agree(paths: Paths, endpoint: str) -> None:
    """Remember that its user was told what is sent there."""
    from hermitcrab.net.endpoint import is_loopback
    from hermitcrab.permissions.consent import ConsentStore

    if not is_loopback(endpoint):
        ConsentStore.in_paths(paths).give(endpoint)
