"""Replaces text that occurs exactly once (or all of its occurrences) in a file."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import Event
from hermitcrab.permissions.access import Access
from hermitcrab.tools import changing
from hermitcrab.tools.base import Tool, ToolContext, ToolInput, ToolResult
from hermitcrab.tools.diff import unified
from hermitcrab.tools.escape import visible
from hermitcrab.tools.excerpt import line_number, numbered, shown_lines
from hermitcrab.tools.meant import check_place
from hermitcrab.tools.mend import mend
from hermitcrab.tools.nearest import nearest
from hermitcrab.tools.replace import Span, find_all, replace

if TYPE_CHECKING:
    from hermitcrab.workspace.view import Source

_NUMBERS = re.compile(r"\s*\d+[\t→|:]")
_MOST_SHOWN = 12
_TYPED = str.maketrans("\u2018\u2019\u201a\u201c\u201d\u201e\u2013\u2014\u2212\u00a0\u202f", "'''\"\"\"---  ")


class EditInput(ToolInput):
    """What to change in which file."""

    file_path: str
    old_string: str
    new_string: str
    replace_all: bool = False


class Edit(Tool[EditInput]):
    """Replaces text in one file."""

    name = "Edit"
    kind = "edit"
    is_effectful = True
    input = EditInput

    async def access(self, args: EditInput, context: ToolContext) -> Access:
        """Work the change out on the text as it is now, and show it."""
        path, base = await self._base(args, context)
        new_text, _ = await asyncio.to_thread(_changed, args, context, path, base)
        changing.promise(context, path)
        shown = context.view.show(path)
        detail = await asyncio.to_thread(unified, shown, base.text if base else None, new_text)
        named = context.view.root / args.file_path
        return Access(
            self.name, "edit", f"{'Edit' if base else 'Create'} {visible(shown)}", detail, (path,), named=(named,)
        )

    async def run(self, args: EditInput, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """Work the change out again on the text of this moment, and make it."""
        path, base = await self._base(args, context)
        changing.keep_promise(context, path)
        new_text, mended = await asyncio.to_thread(_changed, args, context, path, base)
        shown = context.view.show(path)
        if base is None:
            outcome = await changing.create(context, path, new_text, f"Create {shown}")
        else:
            outcome = await changing.apply(context, base, new_text, f"Edit {shown}")
        if outcome.created or outcome.hunks:
            yield await changing.confirmed(context, outcome)
        did = "Created" if outcome.created else "Edited"
        text = f"{did} `{shown}`{changing.remarks_on(outcome, new_text)}.{mended}\n{await changing.excerpt(outcome)}"
        yield ToolResult(text, notes=changing.notes_on(outcome))

    async def _base(self, args: EditInput, context: ToolContext) -> tuple[Path, Source | None]:
        """Return the file's path and present text; no text when it is to be created."""
        path = context.view.resolve(args.file_path)
        if not args.old_string:
            is_open = path in await context.view.unsaved()
            if not is_open and not await changing.exists(path):
                return path, None
        await check_place(context.view, args.file_path, path)
        return path, await context.view.read(path)


def _changed(args: EditInput, context: ToolContext, path: Path, base: Source | None) -> tuple[str, str]:
    """Return the whole text after the change and what was mended in the request; raise ToolError saying what is wrong."""
    shown = context.view.show(path)
    if args.old_string == args.new_string:
        raise ToolError(f"`old_string` and `new_string` are the same: there is nothing to change in `{shown}`")
    if base is None:
        return args.new_string, ""
    if not args.old_string:
        if base.text:
            raise ToolError(f"`{shown}` exists and is not empty, so `old_string` must say what to replace")
        return args.new_string, ""
    spans = find_all(base.text, args.old_string, overlapping=not args.replace_all)
    if not spans and not args.replace_all and (mended := mend(base.text, args.old_string, args.new_string)):
        return mended.text, f" ({mended.note}.)"
    if not spans:
        raise ToolError(_not_found(args, shown, base.text))
    if len(spans) > 1:
        _check_several(args, context, path, base, spans)
    new_text = replace(base.text, spans, args.new_string)
    if new_text == base.text:
        raise ToolError(f"`old_string` and `new_string` differ in line ends alone; `{shown}` keeps its own")
    return new_text, ""


def _check_several(args: EditInput, context: ToolContext, path: Path, base: Source, spans: list[Span]) -> None:
    shown = context.view.show(path)
    if not args.replace_all:
        places = [str(line_number(base.text, span.start)) for span in spans[:_MOST_SHOWN]]
        more = ", …" if len(spans) > len(places) else ""
        raise ToolError(
            f"`old_string` occurs {len(spans)} times in `{shown}`, at lines {', '.join(places)}{more}; "
            "give more of the text around it, or set `replace_all`"
        )
    if path not in context.memory.read_hashes:
        raise ToolError(f"`old_string` occurs {len(spans)} times in `{shown}`; Read the file before replacing them all")


def _not_found(args: EditInput, shown: str, text: str) -> str:
    lines, wanted = shown_lines(text), shown_lines(args.old_string)
    parts = [f"`old_string` is not in `{shown}`."]
    if not text:
        return f"`old_string` is not in `{shown}`: the file is empty."
    if wanted and all(_NUMBERS.match(line) for line in wanted if line.strip()):
        parts.append("It seems to contain the line numbers that Read shows; leave them out.")
        wanted = [_NUMBERS.sub("", line, count=1) for line in wanted]
    there = find_all(text, args.new_string, overlapping=False) if args.new_string else []
    if there:
        number = line_number(text, there[0].start)
        parts.append(f"`new_string` already stands at line {number}: perhaps the change has been made.")
    near = nearest(lines, wanted)
    if near is None:
        nothing = "" if there else "Nothing like it is there: "
        return " ".join([*parts, f"{nothing}Read the file again."])
    differs = _difference(lines[near.first - 1 : near.last], wanted, same_words=near.same_words)
    parts.append(f"{differs} at lines {near.first}-{near.last}; this is what stands there (tabs are tabs):")
    last = min(near.last, near.first - 1 + _MOST_SHOWN)
    more = [f"[… to line {near.last}]"] if last < near.last else []
    return "\n".join([" ".join(parts), *numbered(lines[near.first - 1 : last], near.first), *more])


def _difference(there: Sequence[str], wanted: Sequence[str], *, same_words: bool) -> str:
    """Say how the text that was found differs from the one that was meant."""
    if list(there) == list(wanted):
        return "The text stands"
    if unicodedata.normalize("NFC", "\n".join(there)) == unicodedata.normalize("NFC", "\n".join(wanted)):
        return "The same letters stand, with their accents in other code points,"
    if _straight("\n".join(there)) == _straight("\n".join(wanted)):
        return "Only quotation marks, dashes or special spaces differ"
    return "White space differs" if same_words else "The nearest text is"


def _straight(text: str) -> str:
    """Return text with typographic quotation marks, dashes and spaces as a keyboard types them."""
    return text.translate(_TYPED)
