"""Runs a shell command in the workspace's root."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import Event, ToolOutput
from hermitcrab.permissions.access import Access
from hermitcrab.procs.shell import run_shell
from hermitcrab.tools.base import Tool, ToolContext, ToolInput, ToolResult
from hermitcrab.tools.escape import one_line, visible
from hermitcrab.tools.excerpt import clip

if TYPE_CHECKING:
    from hermitcrab.procs.run import Finished

DEFAULT_MILLISECONDS = 120_000
MOST_MILLISECONDS = 600_000
MOST_CHARACTERS = 30_000
"""What of the output the model reads; the whole of it goes to a file."""

_KEPT_BYTES = 1_000_000
_BEAT = 0.05
"""Seconds in which live output is gathered before it is shown."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


_BEGUN = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?|\r)\Z")
"""What may be the first half of an escape sequence or of a line end, to be looked at with what follows."""

_LONGEST_ESCAPE = 1000
_SMALL = 50_000


class BashInput(ToolInput):
    """A command line and how long it may take."""

    command: str
    timeout: Annotated[int, Field(ge=1, le=MOST_MILLISECONDS)] | None = None
    description: str | None = None
    run_in_background: bool = False


class Bash(Tool[BashInput]):
    """Runs one command line; nothing it started outlives the call."""

    name = "Bash"
    kind = "execute"
    is_effectful = True
    input = BashInput

    async def access(self, args: BashInput, context: ToolContext) -> Access:
        """Show the command as it will run."""
        del context
        _check(args)
        return Access(self.name, "execute", f"Run {one_line(args.command)}", visible(args.command), (), args.command)

    async def run(self, args: BashInput, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """Run it, telling of its output as it comes."""
        _check(args)
        stale = [context.view.show(path) for path in await context.view.unsaved()]
        seconds = (args.timeout or DEFAULT_MILLISECONDS) / 1000
        live = _Live()
        running = asyncio.create_task(_run(args.command, context, seconds, live))
        running.add_done_callback(lambda _: live.close())
        try:
            async for text in live:
                yield ToolOutput(call=context.call, text=text)
            finished = await running
        finally:
            await _stopped(running)
        text = await asyncio.to_thread(_report, finished, _spill_file(context), seconds)
        failed = finished.exit_code != 0 or finished.timed_out
        yield ToolResult("\n".join([*_warning(stale), text]), is_error=failed, notes=_notes(stale, finished))


class _Live:
    """Output on its way to the user, gathered into pieces of sane size, without what a terminal would obey."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._news = asyncio.Event()
        self._is_closed = False

    def take(self, text: str) -> None:
        self._pieces.append(text)
        self._news.set()

    def close(self) -> None:
        self._is_closed = True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            await self._news.wait()
            self._news.clear()
            if not self._is_closed:
                await asyncio.sleep(_BEAT)
            text, self._pieces = "".join(self._pieces), []
            begun = None if self._is_closed else _BEGUN.search(text)
            if begun is not None and begun.start() > len(text) - _LONGEST_ESCAPE:
                text, self._pieces = text[: begun.start()], [begun.group()]
            if shown := _plain(text) if len(text) < _SMALL else await asyncio.to_thread(_plain, text):
                yield shown
            if self._is_closed:
                return


def _check(args: BashInput) -> None:
    if args.run_in_background:
        raise ToolError(
            "`run_in_background` is not possible in this version: run it in the foreground with a `timeout`"
        )
    if not args.command.strip():
        raise ToolError("`command` is empty")
    if "\0" in args.command:
        raise ToolError("`command` contains a NUL character, which no command line can")


async def _run(command: str, context: ToolContext, seconds: float, live: _Live) -> Finished:
    return await run_shell(
        command,
        cwd=context.view.root,
        env=context.environment,
        timeout=seconds,
        on_output=live.take,
        output_limit=_KEPT_BYTES,
        spill=_spill_file(context),
    )


async def _stopped(running: asyncio.Task[Finished]) -> None:
    """End the command when nobody waits for it any more; its errors are of no use then."""
    if running.done():
        return
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError, ToolError):
        await running


def _spill_file(context: ToolContext) -> Path:
    """Return where output too long goes; call ids come from outside and do not become file names as they are."""
    name = hashlib.sha256(f"{context.turn}\0{context.call}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return context.spill_directory / f"output-{name}.txt"


def _report(finished: Finished, spill: Path, seconds: float) -> str:
    """Return what the model reads: how it ended, then what it said."""
    said = _plain(finished.output)
    text, is_cut = clip(said, MOST_CHARACTERS, "")
    kept = finished.spill or (_kept(spill, finished.output) if is_cut else None)
    lines = [_ending(finished, seconds)]
    if is_cut:
        lines.append(f"[{finished.total_bytes:,} bytes of output{f'; whole output: {kept}' if kept else ''}]")
    return "\n".join([*lines, text.rstrip("\n") or "[no output]"])


def _kept(spill: Path, output: str) -> Path | None:
    try:
        spill.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        spill.touch(mode=0o600)
        spill.write_text(output, "utf-8", "surrogateescape", newline="")
    except OSError:
        return None
    return spill


def _plain(output: str) -> str:
    """Return output without colours, without what a progress bar overwrote, other control characters written out."""
    text = _ESCAPES.sub("", output)
    lines = text.replace("\r\n", "\n").split("\n")
    return visible("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))


def _ending(finished: Finished, seconds: float) -> str:
    if finished.timed_out:
        return f"timed out after {seconds:g} s; the command and all it started were stopped"
    if finished.exit_code < 0:
        return f"ended by signal {-finished.exit_code}"
    left = "; processes it left behind were stopped" if finished.leftovers else ""
    return f"exit code {finished.exit_code}{left}"


def _warning(stale: list[str]) -> list[str]:
    if not stale:
        return []
    names = ", ".join(visible(name) for name in stale[:10]) + (", …" if len(stale) > 10 else "")
    return [f"[ran on saved text; {_files(len(stale))}: {names}]"]


def _notes(stale: list[str], finished: Finished) -> tuple[str, ...]:
    notes = [f"ran on saved text, {_files(len(stale))}"] if stale else []
    return (*notes, *(["timed out"] if finished.timed_out else []))


def _files(count: int) -> str:
    return "1 file differs" if count == 1 else f"{count} files differ"
