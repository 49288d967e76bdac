"""Asks every source about one text, side by side and bounded in time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING

from hermitcrab.core.errors import ToolError
from hermitcrab.core.ports import Diagnostic, Editor
from hermitcrab.diagnostics import basedpyright, editor, ruff, syntax_check
from hermitcrab.diagnostics.merge import merged
from hermitcrab.diagnostics.values import Answer, DiagnosticSet, SourceReport

if TYPE_CHECKING:
    from hermitcrab.workspace.view import Source

__all__ = ["Collector", "DiagnosticSet", "SourceReport"]

_Key = tuple[str, str, str]
_CHECK_SECONDS = 15.0
_TYPE_SECONDS = 30.0
_EDITOR_SECONDS = 3.0


class Collector:
    """Collects diagnostics; remembers what pure checkers said of a text, within a small bound."""

    def __init__(self, *, environment: Mapping[str, str] | None = None, remembered: int = 64) -> None:
        self._environment: Mapping[str, str] = environment or {}
        self._remembered = remembered
        self._answers: OrderedDict[_Key, Answer] = OrderedDict()

    async def collect(
        self,
        source: Source,
        *,
        editor: Editor | None,
        is_trusted: bool,
        environment: Mapping[str, str] | None = None,
        context: Sequence[Diagnostic] = (),
        timeout: float = _CHECK_SECONDS,  # noqa: ASYNC109 - each source has its own share of it
    ) -> DiagnosticSet:
        """Return the problems of `source` as it is; `context` are those the request itself brought along."""
        env = environment if environment is not None else self._environment
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(self._syntax(source, timeout)),
                group.create_task(self._ruff(source, env, is_trusted, timeout)),
                group.create_task(self._types(source, env, is_trusted, max(timeout, _TYPE_SECONDS))),
                group.create_task(self._editor(source, editor, min(timeout, _EDITOR_SECONDS))),
            ]
        answers = [task.result() for task in asked]
        items = [item for answer in (*answers, _context(source, context)) for item in answer.items]
        reports = tuple(answer.report for answer in answers)
        return DiagnosticSet(await asyncio.to_thread(merged, items), source.id.version, reports)

    async def check(
        self, source: Source, *, is_trusted: bool, environment: Mapping[str, str] | None = None
    ) -> DiagnosticSet:
        """Return what the quick sources say (syntax, ruff): for each pause in typing, not only when a tool asks."""
        env = environment if environment is not None else self._environment
        answers = await asyncio.gather(
            self._syntax(source, _CHECK_SECONDS), self._ruff(source, env, is_trusted, _CHECK_SECONDS)
        )
        items = [item for answer in answers for item in answer.items]
        reports = tuple(answer.report for answer in answers)
        return DiagnosticSet(await asyncio.to_thread(merged, items), source.id.version, reports)

    async def _syntax(self, source: Source, timeout: float) -> Answer:  # noqa: ASYNC109
        if (known := self._known(source, syntax_check.NAME)) is not None:
            return known
        asking = syntax_check.check(source, timeout=timeout)
        return self._remember(source, await _guarded(syntax_check.NAME, asking))

    async def _ruff(self, source: Source, env: Mapping[str, str], is_trusted: bool, timeout: float) -> Answer:  # noqa: ASYNC109
        """Ask ruff; its answers are remembered where no project configuration has a say in them."""
        if not is_trusted and (known := self._known(source, ruff.NAME)) is not None:
            return known
        answer = await _guarded(ruff.NAME, ruff.check(source, env=env, is_trusted=is_trusted, timeout=timeout))
        return answer if is_trusted else self._remember(source, answer)

    async def _types(self, source: Source, env: Mapping[str, str], is_trusted: bool, timeout: float) -> Answer:  # noqa: ASYNC109
        """Ask the type checker; never remembered, for what it says depends on other files too."""
        asking = basedpyright.check(source, env=env, is_trusted=is_trusted, timeout=timeout)
        return await _guarded(basedpyright.NAME, asking)

    async def _editor(self, source: Source, port: Editor | None, timeout: float) -> Answer:  # noqa: ASYNC109
        return await _guarded(editor.NAME, editor.check(source, port, timeout=timeout))

    def _known(self, source: Source, name: str) -> Answer | None:
        """Return what was said of this very text before, under the version it has now."""
        key = (source.id.hash, str(source.path), name)
        if (answer := self._answers.get(key)) is None:
            return None
        self._answers.move_to_end(key)
        version = source.id.version
        return Answer(answer.report, tuple(dataclasses.replace(item, version=version) for item in answer.items))

    def _remember(self, source: Source, answer: Answer) -> Answer:
        if answer.report.state == "ok":
            self._answers[source.id.hash, str(source.path), answer.report.name] = answer
            while len(self._answers) > self._remembered:
                self._answers.popitem(last=False)
        return answer


async def _guarded(name: str, asking: Awaitable[Answer]) -> Answer:
    """Turn a source that broke into a report: the others have answered all the same."""
    try:
        return await asking
    except ToolError as error:
        return Answer(SourceReport(name, "failed", str(error)))


def _context(source: Source, context: Sequence[Diagnostic]) -> Answer:
    """Take what the request brought only where it says that it is of this very version."""
    current = tuple(item for item in context if item.version is not None and item.version == source.id.version)
    return Answer(SourceReport("request", "ok"), current)
