"""What the user wants, as far as rules can tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hermitcrab.providers.offline.reading import Problem

Verb = Literal["fix", "check", "where", "outline", "help"]

_TARGET = re.compile(
    r"\s*(?:[-*] )?(?P<file>\S.*?):(?P<line>\d+):(?P<column>\d+): "
    r"(?:(?P<severity>error|warning|information|info|hint)\b:? ?)?(?:\[(?P<source>[^\]]*)\] ?)?(?P<message>\S.*)"
)
_HEADING = re.compile(r"(?im)^\s*fix (?:this problem|these problems|the problems?) in (?P<file>.+?):\s*$")
_FACTS = re.compile(r"\A(?:(?:Workspace root|Open with unsaved changes): .*\n)+\n")
_WHERE = re.compile(
    r"(?im)(?:\bwhere(?:'s| is| are)|\bdefinition of|^\s*(?:please )?(?:find|locate))\s+(?:the\s+)?"
    r"(?:(?:class|function|method|definition(?: of)?|symbol)\s+)?[`'\"]?(?P<name>[A-Za-z_][\w.]*)[`'\"]?"
)
_OUTLINE = re.compile(r"(?i)\b(?:outline|structure|symbols)\b(?: (?:of|in|for))?")
_FILE = re.compile(r"`([^`\n]+\.\w{1,6})`|\"([^\"\n]+\.\w{1,6})\"|'([^'\n]+\.\w{1,6})'|((?:[\w.@~+-]*/)*[\w@+-][\w.@+-]*\.\w{1,6})\b")  # fmt: skip
_FIX = re.compile(r"(?i)\b(?:fix|repair|correct|solve|resolve|clean\s?up|mend)(?:es|ed|ing)?\b")
_CHECK = re.compile(r"(?i)\b(?:check|diagnos\w*|problems?|errors?|lint|what is wrong)\b")


@dataclass(frozen=True, slots=True)
class Target:
    """One problem the user pointed at."""

    file: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Request:
    """A verb with what it is about; `files` without targets means everything in them."""

    verb: Verb
    files: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    name: str = ""


def request(text: str) -> Request:
    """Return what the user's words ask for; the facts that the turn puts before them are not theirs."""
    text = _FACTS.sub("", text, count=1)
    targets = tuple(filter(None, (_target(line) for line in text.splitlines())))
    headed = tuple(match["file"].strip().strip("`") for match in _HEADING.finditer(text))
    if targets and (headed or _FIX.search(text)):
        return Request("fix", tuple(dict.fromkeys(target.file for target in targets)), targets)
    named = tuple(dict.fromkeys((*headed, *("".join(groups) for groups in _FILE.findall(text)))))
    if _OUTLINE.search(text) and named:
        return Request("outline", named)
    if (match := _WHERE.search(text)) is not None:
        return Request("where", name=match["name"])
    if _FIX.search(text):
        return Request("fix", named)
    if _CHECK.search(text):
        return Request("check", named or tuple(target.file for target in targets))
    return Request("help")


def _target(line: str) -> Target | None:
    match = _TARGET.fullmatch(line)
    if match is None:
        return None
    source, _, code = (match["source"] or "").strip().partition(" ")
    at, column = max(int(match["line"]) - 1, 0), max(int(match["column"]) - 1, 0)
    severity = match["severity"] or "error"
    problem = Problem(at, column, at, column, severity, code.strip(), source, match["message"].strip())
    return Target(match["file"].strip().strip("`"), problem)
