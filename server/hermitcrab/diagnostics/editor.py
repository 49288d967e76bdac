"""What the editor itself shows for a file, used only where it belongs to the text we look at."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from hermitcrab.core.ports import Editor, Shown
from hermitcrab.diagnostics.values import Answer, SourceReport

if TYPE_CHECKING:
    from hermitcrab.workspace.view import Source

NAME = "editor"
_PAUSES = (0.1, 0.2, 0.4, 0.8)
"""How long its language servers are waited for when they still speak of the version before."""


async def check(source: Source, editor: Editor | None, *, timeout: float) -> Answer:  # noqa: ASYNC109
    """Return the editor's own diagnostics when they are of this version; stale ones never reach the model."""
    if editor is None or not source.is_open:
        return Answer(SourceReport(NAME, "unavailable", "the file is not open in an editor"))
    try:
        async with asyncio.timeout(timeout):
            return await _ask(source, editor)
    except TimeoutError:
        return Answer(SourceReport(NAME, "unknown", "the editor did not answer in time"))


async def _ask(source: Source, editor: Editor) -> Answer:
    shown = await editor.diagnostics(source.path)
    for pause in _PAUSES:
        if not _is_older(shown, source.id.version):
            break
        await asyncio.sleep(pause)
        shown = await editor.diagnostics(source.path)
    return _answer(source, shown)


def _is_older(shown: Shown | None, version: int | None) -> bool:
    """Say whether the editor names a version, and it is one before ours."""
    return shown is not None and shown.version is not None and version is not None and shown.version < version


def _answer(source: Source, shown: Shown | None) -> Answer:
    if shown is None:
        return Answer(SourceReport(NAME, "unavailable", "the editor does not share its diagnostics"))
    if shown.version is None:
        return Answer(SourceReport(NAME, "unknown", "the editor does not say which version its diagnostics are of"))
    if shown.version != source.id.version:
        return Answer(SourceReport(NAME, "unknown", "what the editor shows is not of this version"))
    return Answer(SourceReport(NAME, "ok"), tuple(dataclasses.replace(item, path=source.path) for item in shown.items))
