"""What every tool is made of."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from hermitcrab.core.errors import ToolError
from hermitcrab.core.events import Event, ToolKind
from hermitcrab.core.messages import JsonObject, ToolSpec
from hermitcrab.permissions.access import Access

if TYPE_CHECKING:
    from hermitcrab.diagnostics.collect import Collector
    from hermitcrab.store.blobs import BlobStore
    from hermitcrab.workspace.view import View


class ToolInput(BaseModel):
    """The arguments of a tool; keys are public (SURFACE), an unknown one is an error told to the model."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=False)


InputT = TypeVar("InputT", bound=ToolInput)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call came to. `text` is what the model reads; `notes` are said to the user beside it."""

    text: str
    is_error: bool = False
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class SessionMemory:
    """What tools remember from call to call within one session."""

    read_hashes: dict[Path, str] = field(default_factory=dict[Path, str])  # text hash of each file as last shown
    todos: tuple[tuple[str, str], ...] = ()
    changed: dict[Path, None] = field(default_factory=dict[Path, None])  # files the session changed, latest last
    promised: dict[str, tuple[Path, ...]] = field(  # by call: the paths the gate was shown
        default_factory=dict[str, tuple[Path, ...]]
    )


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a running tool may touch."""

    session: str
    turn: str
    call: str
    view: View
    diagnostics: Collector
    memory: SessionMemory
    environment: Mapping[str, str]
    is_trusted: bool
    texts: BlobStore  # texts as edits left them, by hash
    spill_directory: Path  # private to the session: output too long for a result goes here whole


class Tool(ABC, Generic[InputT]):
    """One thing a model can do.

    `is_effectful` is False for tools that only look: their calls may start while the reply still streams, run side by
    side, and need no synced intent. The description stands in a Markdown file beside the module.
    """

    name: ClassVar[str]
    kind: ClassVar[ToolKind]
    is_effectful: ClassVar[bool]
    input: type[InputT]

    @functools.cached_property
    def spec(self) -> ToolSpec:
        """Return the tool as a model sees it."""
        text = resources.files("hermitcrab.tools").joinpath(f"{type(self).__module__.rsplit('.', 1)[1]}.md")
        schema = self.input.model_json_schema(by_alias=True)
        return ToolSpec(self.name, text.read_text("utf-8").strip(), _lean(schema))

    def parse(self, arguments: JsonObject) -> InputT:
        """Check a model's arguments; raise ToolError that names each wrong key and what would be right."""
        try:
            return self.input.model_validate(arguments)
        except ValidationError as error:
            keys = ", ".join(
                f"`{field.alias or name}`" + ("" if field.is_required() else "?")
                for name, field in self.input.model_fields.items()
            )
            problems = "; ".join(
                f"`{'.'.join(map(str, item['loc'])) or self.name}`: {item['msg']}" for item in error.errors()
            )
            raise ToolError(f"{self.name}: {problems}. Keys: {keys}") from None

    @abstractmethod
    async def access(self, args: InputT, context: ToolContext) -> Access:
        """Say what the call will touch, before it does; raise ToolError when that is already clear to fail."""

    @abstractmethod
    def run(self, args: InputT, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """Do it: yield events as they happen, and one ToolResult at the end; raise ToolError when it cannot be done."""


def _lean(schema: Any) -> Any:
    """Drop what pydantic adds and no model needs (titles, null defaults): the first request is small by design."""
    if isinstance(schema, dict):
        properties = _without_null(cast("dict[str, Any]", schema))
        return {
            key: {name: _lean(inner) for name, inner in value.items()} if key == "properties" else _lean(value)
            for key, value in properties.items()
            if key not in {"title", "additionalProperties"}
            and not (key == "default" and value is None)
            and not (key == "description" and "properties" in properties)  # a class's docstring, written for us
        }
    if isinstance(schema, list):
        return [_lean(item) for item in cast("list[Any]", schema)]
    return schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Show an optional value as the value alone: leaving a key out is how a model says null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}
