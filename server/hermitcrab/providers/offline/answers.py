"""The plans that only look: where a name is defined, what is in a file, what the checkers say."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence

from hermitcrab.providers.offline.conversation import Heard
from hermitcrab.providers.offline.flow import Ask, Asking
from hermitcrab.providers.offline.looking import Failed, diagnosed, first_line, whole_text
from hermitcrab.providers.offline.reading import Hit, files, hits
from hermitcrab.providers.offline.telling import WHO
from hermitcrab.syntax.languages import language_of

_WORDS = "async def|def|class|function|func|fn|struct|enum|interface|trait|type|module|namespace|const|let|var|val|static|macro_rules!|#define|record"
_MODIFIERS = r"(?:(?:export|default|public|private|protected|internal|static|abstract|final|pub|async|unsafe|declare|partial|sealed|override|virtual|inline)(?:\([^)]*\))?\s+)*"
_SHOWN = 30


def where(name: str) -> Asking:
    """Say where a name is defined; where it is used when no definition is found."""
    word = name.rpartition(".")[2]
    pattern = rf"^\s*{_MODIFIERS}(?:{_WORDS})\s+(?:\([^)]*\)\s*)?{word}\b|^\s*{word}\s*(?::[^=]*)?=[^=]|^\s*{word}\s*\(\)\s*\{{"
    arguments = {"pattern": pattern, "output_mode": "content", "head_limit": 200}
    heard = yield Ask("Grep", arguments, f"Looking for the definition of `{word}`.")
    if heard.is_error:
        return f"I could not search: {first_line(heard.text)}\n\n{WHO}"
    found = hits(heard.text)
    if found:
        return _listed(f"`{word}` is defined here", found)
    arguments = {"pattern": rf"\b{word}\b", "output_mode": "content", "head_limit": 200}
    heard = yield Ask("Grep", arguments, "No definition found; looking for uses.")
    found = () if heard.is_error else hits(heard.text)
    if found:
        return _listed(f"I found no definition of `{word}`; it occurs here", found)
    return f"`{word}` occurs nowhere in this workspace.\n\n{WHO}"


def _listed(title: str, found: Sequence[Hit]) -> str:
    rows = [f"- `{hit.file}:{hit.line}` {hit.text.strip()[:160]}" for hit in found[:_SHOWN]]
    if len(found) > _SHOWN:
        rows.append(f"- … and {len(found) - _SHOWN} more")
    return "\n".join([f"{title}:", *rows, "", WHO])


def outline(names: Sequence[str]) -> Asking:
    """Say what each file defines."""
    parts: list[str] = []
    for name in names[:10]:
        file = yield from located(name)
        text = yield from whole_text(file)
        if isinstance(text, Failed):
            parts.append(f"`{name}`: {text.reason}")
        else:
            parts.append(_outline(file, text))
    return "\n\n".join([*parts, WHO])


def _outline(file: str, text: str) -> str:
    language = language_of(file)
    if language is None:
        return f"`{file}`: there is no grammar for this kind of file."
    from hermitcrab.syntax.outline import outline as symbols_of

    rows = [
        f"{'  ' * symbol.depth}- {symbol.kind} `{symbol.name}`, lines {symbol.line + 1}-{symbol.end_line + 1}"
        for symbol in symbols_of(text, language)
    ]
    return "\n".join([f"`{file}`:", *(rows or ["no definitions"])])


def check(names: Sequence[str]) -> Asking:
    """Say what the checkers say, changing nothing."""
    parts: list[str] = []
    for name in names[:10]:
        file = yield from located(name)
        report = yield from diagnosed(file)
        if isinstance(report, Failed):
            parts.append(f"`{file}`: {report.reason}")
            continue
        parts.append(
            "\n".join([report.headline, *(f"- {problem.place} {problem.message}" for problem in report.problems)])
        )
    return "\n\n".join([*(parts or ["Name the file to check, as in `check a.py`."]), WHO])


def located(name: str) -> Generator[Ask, Heard, str]:
    """Return the one file a bare name means; the name itself when that is a path or cannot be told."""
    if "/" in name or re.search(r"[*?\[\]{}]", name):
        return name
    heard = yield Ask("Glob", {"pattern": f"**/{name}"})
    found = [] if heard.is_error else [file for file in files(heard.text) if file.rpartition("/")[2] == name]
    return found[0] if len(found) == 1 else name
