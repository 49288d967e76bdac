"""Looking at files through the tools: a file's whole text, and what Diagnostics says of it."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

from hermitcrab.core.messages import JsonObject
from hermitcrab.providers.offline.conversation import Heard
from hermitcrab.providers.offline.flow import Ask
from hermitcrab.providers.offline.reading import Report, lines, report

PAGES = 12
"""Calls of Read for one file; what is longer is beyond a rule's patience."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Why something could not be had, in a few words."""

    reason: str


def whole_text(file: str) -> Generator[Ask, Heard, str | Failed]:
    """Return the text of a file, page by page; line ends become LF, as Edit understands them."""
    found: list[str] = []
    for _ in range(PAGES):
        arguments: JsonObject = {"file_path": file, "offset": len(found) + 1} if found else {"file_path": file}
        heard = yield Ask("Read", arguments)
        if heard.is_error:
            return Failed(first_line(heard.text))
        page = lines(heard.text)
        found.extend(page.lines)
        if "too large to edit" in page.notes or any("more characters on this line]" in line for line in page.lines):
            return Failed("the file or one of its lines is too long to be read whole")
        if not page.lines or not re.search(r"go on with offset=\d+", page.notes):
            return "\n".join(found) + "\n"
    return Failed("the file is too long for the rules")


def diagnosed(file: str, said: str = "") -> Generator[Ask, Heard, Report | Failed]:
    """Return what the checkers say of a file as it is now."""
    heard = yield Ask("Diagnostics", {"file_path": file}, said)
    if heard.is_error:
        return Failed(first_line(heard.text))
    return report(heard.text)


def first_line(text: str) -> str:
    """Return the first line of a text that says something."""
    return next((line.strip() for line in text.split("\n") if line.strip()), "no reason was given")
