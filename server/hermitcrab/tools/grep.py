"""Searches the text of files, unsaved buffers included."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import Field

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import Event
from hermitcrab.permissions.access import Access
from hermitcrab.procs.run import Finished, run
from hermitcrab.tools import changing
from hermitcrab.tools.base import Tool, ToolContext, ToolInput, ToolResult
from hermitcrab.tools.escape import one_line, visible
from hermitcrab.tools.excerpt import fitting
from hermitcrab.tools.globs import compile_glob
from hermitcrab.tools.listing import Listing, list_files

DEFAULT_ROWS = 250
MOST_CHARACTERS = 40_000
SECONDS = 30.0
_WORKER = Path(__file__).with_name("grep_worker.py")

Context = Annotated[int, Field(ge=0, le=100)]

TYPES = {
    "c": "*.{c,h}",
    "cpp": "*.{cc,cpp,cxx,c++,h,hh,hpp,hxx,inl}",
    "cs": "*.cs",
    "css": "*.{css,scss,less}",
    "go": "*.go",
    "html": "*.{html,htm}",
    "java": "*.java",
    "js": "*.{js,jsx,mjs,cjs,vue}",
    "json": "*.json",
    "kotlin": "*.{kt,kts}",
    "lua": "*.lua",
    "md": "*.{md,markdown,mdx}",
    "php": "*.php",
    "py": "*.{py,pyi}",
    "ruby": "*.{rb,rake,gemspec}",
    "rust": "*.rs",
    "sh": "*.{sh,bash,zsh}",
    "sql": "*.sql",
    "swift": "*.swift",
    "toml": "*.toml",
    "ts": "*.{ts,tsx,mts,cts}",
    "xml": "*.{xml,xsd,xsl,svg}",
    "yaml": "*.{yaml,yml}",
}
"""What `type` may be, with the names it stands for."""

_ALSO = {"python": "py", "javascript": "js", "typescript": "ts", "golang": "go", "rs": "rust", "rb": "ruby",
         "bash": "sh", "shell": "sh", "markdown": "md", "csharp": "cs", "yml": "yaml", "tsx": "ts", "jsx": "js"}  # fmt: skip


class GrepInput(ToolInput):
    """What to look for, where, and how to show it."""

    pattern: str
    path: str | None = None
    glob: str | None = None
    type: str | None = None
    output_mode: Literal["content", "files_with_matches", "count"] = "files_with_matches"
    ignore_case: Annotated[bool, Field(alias="-i")] = False
    after: Annotated[Context | None, Field(alias="-A")] = None
    before: Annotated[Context | None, Field(alias="-B")] = None
    around: Annotated[Context | None, Field(alias="-C")] = None
    head_limit: Annotated[int, Field(ge=0)] | None = None
    multiline: bool = False


class Grep(Tool[GrepInput]):
    """Lists lines or files a regular expression matches."""

    name = "Grep"
    kind = "search"
    is_effectful = False
    input = GrepInput

    async def access(self, args: GrepInput, context: ToolContext) -> Access:
        """Name the place."""
        base = context.view.resolve(args.path or ".")
        changing.promise(context, base)
        detail = visible(f"{args.pattern} in {base}")
        return Access(self.name, "read", f"Search {one_line(args.pattern)}", detail, (base,))

    async def run(self, args: GrepInput, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """List the files, and let a worker process search them."""
        base = changing.keep_promise(context, context.view.resolve(args.path or "."))
        if not args.pattern:
            raise ToolError("`pattern` is empty; to list files use Glob")
        listing = await list_files(context.view, base)
        names = await asyncio.to_thread(_chosen, args, listing, context.view.root)
        found = await _search(args, listing, names)
        yield ToolResult(_answer(args, context, found, _Scope(listing, len(names), args.head_limit or DEFAULT_ROWS)))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the worker told; `end` is missing when it had to be stopped."""

    files: list[dict[str, Any]]
    end: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Scope:
    listing: Listing
    files: int
    most: int


def _chosen(args: GrepInput, listing: Listing, root: Path) -> list[str]:
    """Return the names that fit `glob`, as seen from `path` or from the root, and `type`."""
    filters = [compile_glob(pattern) for pattern in (args.glob, _type_pattern(args.type)) if pattern is not None]
    is_below = listing.base != root and listing.base.is_relative_to(root)
    above = f"{listing.base.relative_to(root).as_posix()}/" if is_below else ""
    return [name for name in listing.files if all(one.matches(name) or one.matches(above + name) for one in filters)]


def _type_pattern(kind: str | None) -> str | None:
    if kind is None:
        return None
    pattern = TYPES.get(_ALSO.get(kind, kind))
    if pattern is None:
        raise ToolError(f"`type` `{kind}` is not known; use `glob`, or one of: {', '.join(TYPES)}")
    return pattern


async def _search(args: GrepInput, listing: Listing, names: list[str]) -> _Found:
    request = await asyncio.to_thread(_request, args, listing, names)
    finished = await run(
        [sys.executable, "-I", "-S", _WORKER],
        cwd=listing.base,
        env={},
        stdin=request,
        timeout=SECONDS + 10,
        output_limit=16_000_000,
        separate=True,
    )
    found = await asyncio.to_thread(_records, finished)
    if found.end is None and not finished.timed_out:
        raise ToolError(f"the search broke off: {finished.errors.strip()[-300:] or f'exit {finished.exit_code}'}")
    if found.end is not None and found.end["error"]:
        raise ToolError(f"`pattern` is not a regular expression of Python's `re`: {found.end['error']}")
    return found


def _request(args: GrepInput, listing: Listing, names: list[str]) -> bytes:
    wanted = set(names)
    search = {
        "pattern": args.pattern,
        "root": str(listing.base),
        "files": names,
        "buffers": {name: text for name, text in listing.buffers.items() if name in wanted},
        "ignore_case": args.ignore_case,
        "multiline": args.multiline,
        "lines": args.output_mode == "content",
        "first_only": args.output_mode == "files_with_matches",
        "before": args.around or 0 if args.before is None else args.before,
        "after": args.around or 0 if args.after is None else args.after,
        "most": args.head_limit or DEFAULT_ROWS,
        "seconds": SECONDS,
    }
    return json.dumps(search).encode()


def _records(finished: Finished) -> _Found:
    records = list(_parsed(finished.output.splitlines()))
    end = records[-1]["end"] if records and "end" in records[-1] else None
    return _Found([record for record in records if "path" in record], end)


def _parsed(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:  # the last line of a worker that was stopped
            continue
        if _is_record(value):
            yield value


def _is_record(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _answer(args: GrepInput, context: ToolContext, found: _Found, scope: _Scope) -> str:
    rows: list[str] = []
    for file in found.files:
        path = visible(context.view.show(scope.listing.base / file["path"]))
        if args.output_mode == "content":
            rows += _content(path, file["rows"], grouped=bool(args.before or args.after or args.around))
        else:
            rows.append(f"{path}:{file['hits']}" if args.output_mode == "count" else path)
    shown = fitting(rows[: scope.most], MOST_CHARACTERS)
    is_full = len(shown) < len(rows) or (found.end or {}).get("stopped") == "full"
    return "\n".join([*(shown or ["[nothing found]"]), *_remarks(found, scope, is_full=is_full)])


def _content(path: str, rows: list[tuple[int, bool, str]], *, grouped: bool) -> list[str]:
    lines: list[str] = []
    last = None
    for number, is_hit, text in rows:
        if grouped and (last is None or number != last + 1):
            lines.append("--")
        lines.append(f"{path}{':' if is_hit else '-'}{number}{':' if is_hit else '-'}{text}")
        last = number
    return lines


def _remarks(found: _Found, scope: _Scope, *, is_full: bool) -> list[str]:
    remarks: list[str] = []
    if is_full:
        remarks.append("there is more: narrow the search, or raise `head_limit`")
    if found.end is None:
        remarks.append(
            f"stopped after {SECONDS + 10:.0f} s: the pattern is too slow; the files behind were not searched"
        )
        return [f"[{remark}]" for remark in remarks]
    end = found.end
    if end["slow"]:
        slow = ", ".join(visible(name) for name in end["slow"])
        remarks.append(f"the pattern takes too long on {slow} (nested repetition?): not searched")
    if end["stopped"] in {"time", "slow"}:
        remarks.append(
            f"stopped after {end['searched']} of {scope.files} files: use a simpler pattern or a smaller `path`"
        )
    skipped = [f"{end[kind]} {kind}" for kind in ("binary", "large", "unreadable") if end[kind]]
    if skipped:
        remarks.append(f"files passed over: {', '.join(skipped)}")
    if not scope.listing.is_whole:
        remarks.append("the folder is too large to be listed whole; name a smaller one in `path`")
    return [f"[{remark}]" for remark in remarks]
