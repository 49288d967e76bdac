"""Reads the texts of tools as a model would: diagnostics, numbered lines, search hits, lists of files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_PROBLEM = re.compile(r"(\d+):(\d+)-(\d+):(\d+) (error|warning|information|hint) (\S+) \[([^\]]*)\] (.*)")
_NUMBERED = re.compile(r" *(\d+)(?:\t|→|: )(.*)")
_HIT = re.compile(r"(?P<file>[^:\n]+(?::[^:\d][^:\n]*)*):(?P<line>\d+):(?P<text>.*)")
_SOURCE = re.compile(r"(\S+) (ok|unknown|unavailable|failed)(?: \((.*)\))?")


@dataclass(frozen=True, slots=True)
class Fix:
    """A checker's own fix: edits as (line, column, end line, end column, text), counted from 0."""

    title: str
    is_safe: bool
    edits: tuple[tuple[int, int, int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as told; lines and columns are counted from 0."""

    line: int
    column: int
    end_line: int
    end_column: int
    severity: str
    code: str
    source: str
    message: str
    fix: Fix | None = None

    @property
    def place(self) -> str:
        """Return line and column as people count them."""
        return f"{self.line + 1}:{self.column + 1}"


@dataclass(frozen=True, slots=True)
class Report:
    """What Diagnostics said of one file."""

    headline: str
    problems: tuple[Problem, ...]
    answered: tuple[str, ...]
    silent: tuple[str, ...]  # sources that did not answer for this text, with their reasons


@dataclass(frozen=True, slots=True)
class Lines:
    """A stretch of a file as Read showed it."""

    first: int  # counted from 1
    lines: tuple[str, ...]
    notes: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A line found by Grep, counted from 1."""

    file: str
    line: int
    text: str


def report(text: str) -> Report:
    """Read the text of Diagnostics."""
    problems: list[Problem] = []
    answered: list[str] = []
    silent: list[str] = []
    title: tuple[str, bool] | None = None
    for line in text.split("\n"):
        if match := _PROBLEM.fullmatch(line):
            first, column, last, end = (int(number) - 1 for number in match.groups()[:4])
            problems.append(Problem(first, column, last, end, match[5], match[6], match[7], match[8]))
        elif match := re.fullmatch(r"  (unsafe )?fix: (.*)", line):
            title = match[2], match[1] is None
        elif line.startswith("    [[") and title is not None and problems:
            problems[-1] = _with_fix(problems[-1], *title, line)
            title = None
        elif line.startswith("sources: "):
            for entry in line.removeprefix("sources: ").split("; "):
                if match := _SOURCE.fullmatch(entry):
                    (answered if match[2] == "ok" else silent).append(_source(match))
    return Report(text.split("\n", 1)[0], tuple(problems), tuple(answered), tuple(silent))


def _source(match: re.Match[str]) -> str:
    if match[2] == "ok":
        return match[1]
    return f"{match[1]} {match[2]}" + (f" ({match[3]})" if match[3] else "")


def _with_fix(problem: Problem, title: str, is_safe: bool, line: str) -> Problem:
    import dataclasses

    try:
        edits = tuple(
            (int(first) - 1, int(column) - 1, int(last) - 1, int(end) - 1, str(text))
            for first, column, last, end, text in json.loads(line)
        )
    except (ValueError, TypeError):
        return problem
    return dataclasses.replace(problem, fix=Fix(title, is_safe, edits))


def lines(text: str) -> Lines:
    """Read the numbered lines of Read; whatever is not the next line is a note."""
    found: list[str] = []
    notes: list[str] = []
    first = 0
    for line in text.split("\n"):
        match = _NUMBERED.fullmatch(line.removesuffix("\r"))
        if match and (not found or int(match[1]) == first + len(found)):
            first = first if found else int(match[1])
            found.append(match[2])
        else:
            notes.append(line)
    return Lines(first, tuple(found), "\n".join(notes).strip())


def hits(text: str) -> tuple[Hit, ...]:
    """Read the hits of Grep, each line with its file or below it."""
    found: list[Hit] = []
    heading = ""
    for line in text.split("\n"):
        if match := _HIT.fullmatch(line):
            found.append(Hit(match["file"].strip(), int(match["line"]), match["text"]))
        elif heading and (match := _NUMBERED.fullmatch(line)):
            found.append(Hit(heading, int(match[1]), match[2]))
        elif line.strip() and not line.startswith(" ") and " " not in line.strip().removesuffix(":"):
            heading = line.strip().removesuffix(":")
    return tuple(found)


def files(text: str) -> tuple[str, ...]:
    """Read the files of Glob, one a line; sentences are not files."""
    return tuple(
        line.strip() for line in text.split("\n") if line.strip() and re.search(r"[\w)\]]\.\w+$", line.strip())
    )
