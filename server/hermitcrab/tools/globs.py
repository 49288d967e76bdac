"""File name patterns that cost linear time whatever they say: `*`, `?`, `[…]`, `**` and `{a,b}`."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hermitcrab.core.errors import ToolError

_MOST_ALTERNATIVES = 64
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern: alternatives of path components, None standing for `**`."""

    alternatives: tuple[tuple[re.Pattern[str] | None, ...], ...]

    def matches(self, path: str) -> bool:
        """Say whether `path`, relative and with `/`, fits the pattern as a whole."""
        parts = path.split("/")
        return any(_fits(pattern, parts) for pattern in self.alternatives)


def compile_glob(pattern: str) -> Glob:
    """Return `pattern` compiled; one without `/` fits names at any depth. Raise ToolError when it has no meaning."""
    if not pattern.strip("/"):
        raise ToolError(f"`{pattern}` names no file; a pattern is like `**/*.py` or `src/*.ts`")
    return Glob(tuple(_components(one) for one in _alternatives(pattern)))


def _alternatives(pattern: str) -> list[str]:
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        one = waiting.pop()
        found = _BRACES.search(one)
        if found is None:
            done.append(one)
        else:
            waiting += [one[: found.start()] + choice + one[found.end() :] for choice in found[1].split(",")]
        if len(done) + len(waiting) > _MOST_ALTERNATIVES:
            raise ToolError(f"`{pattern}` has more than {_MOST_ALTERNATIVES} alternatives; ask for fewer at a time")
    return done


def _components(pattern: str) -> tuple[re.Pattern[str] | None, ...]:
    if pattern.endswith("/"):
        pattern += "**"
    names = [name for name in pattern.removeprefix("./").split("/") if name]
    if "/" not in pattern:
        names.insert(0, "**")
    if ".." in names:
        raise ToolError(f"`{pattern}` climbs out with `..`; name the folder in `path` instead")
    parts: list[re.Pattern[str] | None] = []
    for name in names:
        if name != "**":
            parts.append(component(name))
        elif not parts or parts[-1] is not None:
            parts.append(None)
    return tuple(parts)


@functools.lru_cache(maxsize=1024)
def component(name: str) -> re.Pattern[str]:
    """Return one path component's pattern as a regular expression that cannot backtrack over its stars."""
    return re.compile(fnmatch.translate(name.replace("[^", "[!")))


def _fits(pattern: Sequence[re.Pattern[str] | None], parts: Sequence[str]) -> bool:
    """Match components; only the last `**` seen ever needs to give more away."""
    index = at = mark = 0
    star = -1
    while at < len(parts):
        part = pattern[index] if index < len(pattern) else None
        if index < len(pattern) and part is None:
            star, mark = index, at
            index += 1
        elif part is not None and part.match(parts[at]):
            index, at = index + 1, at + 1
        elif star >= 0:
            mark += 1
            index, at = star + 1, mark
        else:
            return False
    return index == len(pattern)
