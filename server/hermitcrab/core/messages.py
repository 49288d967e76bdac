"""What is said between us and a model, in no vendor's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

JsonObject = dict[str, Any]
"""A JSON object as `json.loads` makes it."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model's request to run a tool; `arguments` are complete, valid JSON."""

    id: str
    name: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True)
class BrokenCall:
    """A tool call whose JSON was closed by the model but cannot be read; it never runs, the model is told why."""

    id: str
    name: str
    raw: str
    problem: str


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingBlock:
    """A model's reasoning, shown but never acted on."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBlock:
    """A tool call inside a reply."""

    call: ToolCall | BrokenCall


@dataclass(frozen=True, slots=True)
class ResultBlock:
    """The one result of one tool call."""

    call_id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply exactly as the provider sent it: content blocks in the dialect named by `wire`, replayed verbatim."""

    wire: str
    model: str
    blocks: tuple[JsonObject, ...]


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What we say to the model: the user's words, or the results of the calls in the reply before."""

    blocks: tuple[TextBlock | ResultBlock, ...]


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said; `raw` is sent back verbatim to a provider of the same wire, `blocks` to any other."""

    blocks: tuple[TextBlock | ThinkingBlock | CallBlock, ...]
    raw: RawReply | None = None

    @property
    def calls(self) -> tuple[ToolCall | BrokenCall, ...]:
        """Return the tool calls of this reply, in order."""
        return tuple(block.call for block in self.blocks if isinstance(block, CallBlock))

    @property
    def text(self) -> str:
        """Return the words of this reply without thinking and calls."""
        return "".join(block.text for block in self.blocks if isinstance(block, TextBlock))


Message = UserMessage | AssistantMessage


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it; `schema` is the JSON Schema of its input."""

    name: str
    description: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to a model. Append-only: every request of a session starts with the bytes of the one before."""

    model: str
    system: str
    tools: tuple[ToolSpec, ...]
    messages: tuple[Message, ...]
    max_tokens: int = 8192


StopReason = Literal["end_turn", "max_tokens", "refusal", "cancelled", "max_turn_requests", "error"]
"""How a turn ended, in the Agent Client Protocol's words; `error` is ours."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; None where the provider did not say."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None


# What a provider yields while a reply streams, in order.


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingPart:
    """A piece of reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStartPart:
    """A tool call begins; its arguments are not yet known."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArgumentsPart:
    """A piece of a tool call's JSON, for display only."""

    id: str
    piece: str


@dataclass(frozen=True, slots=True)
class BlockPart:
    """A block is whole, by the rules of SURFACE (*when a tool call is complete*): a call in it may run.

    `raw` is the block as the provider will want it back.
    """

    block: TextBlock | ThinkingBlock | CallBlock
    raw: JsonObject = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class UsagePart:
    """What the request cost so far; the last one counts."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class StopPart:
    """The reply is over. `reason` is `tool_use`, `end_turn`, `max_tokens` or `refusal`."""

    reason: Literal["tool_use", "end_turn", "max_tokens", "refusal"]


@dataclass(frozen=True, slots=True)
class RetryPart:
    """The provider is about to wait and try again; shown to the user, never to the model."""

    reason: str
    wait: float
    attempt: int


@dataclass(frozen=True, slots=True)
class NoticePart:
    """Something the user should know while the provider waits, such as a silence; never shown to the model."""

    text: str


StreamPart = (
    TextPart
    | ThinkingPart
    | CallStartPart
    | CallArgumentsPart
    | BlockPart
    | UsagePart
    | StopPart
    | RetryPart
    | NoticePart
)
