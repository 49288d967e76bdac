"""What a *Fix* turn is for: reported problems that should be gone at its end, and whether they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermitcrab.agent.call import passes_unasked
from hermitcrab.agent.wanted import Wanted
from hermitcrab.core.errors import ToolError
from hermitcrab.diagnostics.merge import is_syntax
from hermitcrab.permissions.access import Access
from hermitcrab.tools.diff import line_changes
from hermitcrab.tools.excerpt import shown_lines

if TYPE_CHECKING:
    from hermitcrab.agent.context import TurnContext
    from hermitcrab.core.ports import Diagnostic
    from hermitcrab.workspace.view import Source

_QUICK = frozenset({"ruff", "syntax"})


@dataclass(frozen=True, slots=True)
class Goal:
    """The problems, each with its file as it was when the turn began."""

    wanted: tuple[tuple[Wanted, Source], ...]

    async def unmet(self, ctx: TurnContext) -> tuple[str, ...]:
        """Return what is still reported, one line each; nothing is said of what no checker answers for."""
        found: list[str] = []
        for path in dict.fromkeys(source.path for _, source in self.wanted):
            here = tuple((wanted, source) for wanted, source in self.wanted if source.path == path)
            found += await _standing(ctx, here)
        return tuple(found)


async def goal_of(ctx: TurnContext) -> Goal | None:
    """Take down the files as they are before the model begins; None when the turn has no such goal."""
    wanted = [(item, source) for item in ctx.wanted if (source := await _source(ctx, item.file)) is not None]
    return Goal(tuple(wanted)) if wanted else None


async def _source(ctx: TurnContext, file: str) -> Source | None:
    """Return a file's text; None when it cannot be had or the rules keep it from being read without a question."""
    try:
        path = ctx.view.resolve(file)
        access = Access("Diagnostics", "read", f"Check {file}", file, (path,))
        if not passes_unasked(access, ctx):
            return None
        return await ctx.view.read(path)
    except ToolError:
        return None


async def _standing(ctx: TurnContext, wanted: tuple[tuple[Wanted, Source], ...]) -> list[str]:
    before = wanted[0][1]
    now = await _source(ctx, str(before.path))
    if now is None:
        return []
    lines = await asyncio.to_thread(_places, before.text, now.text)
    found = await _reported(ctx, now, [item for item, _ in wanted], lines)
    if found or now.text == before.text:
        return found
    return await _broken(ctx, before, now)


async def _reported(ctx: TurnContext, now: Source, wanted: Iterable[Wanted], lines: _Places) -> list[str]:
    """Ask the quick checkers, and all of them only where these cannot know."""
    shown, trusted = ctx.view.show(now.path), ctx.rights.policy().trusted
    quick = await ctx.diagnostics.check(now, is_trusted=trusted, environment=ctx.environment)
    items, rest = quick.items, [item for item in wanted if item.label.partition(" ")[0] not in _QUICK]
    if rest and not all(any(_is_it(item, one, lines) for one in items) for item in rest):
        every = await ctx.diagnostics.collect(
            now, editor=ctx.view.editor, is_trusted=trusted, environment=ctx.environment
        )
        items = every.items
    return [_told(shown, one) for item in wanted for one in items if _is_it(item, one, lines)]


async def _broken(ctx: TurnContext, before: Source, now: Source) -> list[str]:
    """Return the syntax error that an edit brought in: behind it a checker no longer sees what it was asked about."""
    trusted, environment = ctx.rights.policy().trusted, ctx.environment
    after = await ctx.diagnostics.check(now, is_trusted=trusted, environment=environment)
    errors = [item for item in after.items if is_syntax(item)]
    if not errors:
        return []
    then = await ctx.diagnostics.check(before, is_trusted=trusted, environment=environment)
    return [] if any(is_syntax(item) for item in then.items) else [_told(ctx.view.show(now.path), errors[0])]


def _is_it(wanted: Wanted, item: Diagnostic, lines: _Places) -> bool:
    if " ".join(item.message.split()) != wanted.message:
        return False
    known = wanted.label.partition(" ")[2]
    if known and item.code and known != item.code:
        return False
    first, last = lines.of(wanted.line)
    return first <= item.line <= last


def _told(shown: str, item: Diagnostic) -> str:
    message = " ".join(item.message.split())
    return f"{shown}:{item.line + 1}:{item.column + 1}: {message}"


@dataclass(frozen=True, slots=True)
class _Places:
    """Where lines have gone: lines [i, j) of the old text have become lines [k, l) of the new one."""

    changes: tuple[tuple[int, int, int, int], ...]

    def of(self, line: int) -> tuple[int, int]:
        """Return the first and last line at which a line of the old text may stand now; none when it is gone."""
        moved = 0
        for start, stop, new_start, new_stop in self.changes:
            if line < start:
                break
            if line < stop:
                return new_start, new_stop - 1
            moved = new_stop - stop
        return line + moved, line + moved


def _places(before: str, after: str) -> _Places:
    return _Places(tuple(line_changes(shown_lines(before), shown_lines(after))))
