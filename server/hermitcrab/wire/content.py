"""Content, tool calls and permission options: the bodies of ACP v1 (schema 1.19)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hermitcrab.wire.base import WireModel


class TextContent(WireModel):
    """Words."""

    type: Literal["text"] = "text"
    text: str


class ResourceLink(WireModel):
    """A file the user mentions; the agent reads it with its own eyes."""

    type: Literal["resource_link"] = "resource_link"
    uri: str
    name: str = ""


class OtherContent(WireModel):
    """A kind of content this version does not read (image, audio, resource)."""

    type: str


PromptContent = Annotated[TextContent | ResourceLink | OtherContent, Field(union_mode="left_to_right")]


class ToolText(WireModel):
    """What a tool printed."""

    type: Literal["content"] = "content"
    content: TextContent


class ToolDiff(WireModel):
    """Whole lines that changed: `oldText` stood there, `newText` stands there now, from `line` on (counted from 1)."""

    type: Literal["diff"] = "diff"
    path: str
    old_text: str
    new_text: str
    line: int | None = None


ToolContent = Annotated[ToolText | ToolDiff, Field(discriminator="type")]
ToolStatus = Literal["pending", "in_progress", "completed", "failed"]


class ToolLocation(WireModel):
    """A file a tool call touches; `line` is 1-based."""

    path: str
    line: int | None = None


class PermissionOption(WireModel):
    """One answer the user may give."""

    option_id: str
    name: str
    kind: Literal["allow_once", "allow_always", "reject_once", "reject_always"]


class ToolCallView(WireModel):
    """A tool call as shown, whole or in part."""

    tool_call_id: str
    title: str | None = None
    kind: str | None = None
    status: ToolStatus | None = None
    content: list[ToolContent] | None = None
    locations: list[ToolLocation] | None = None
    raw_input: dict[str, Any] | None = None
    raw_output: dict[str, Any] | None = None
