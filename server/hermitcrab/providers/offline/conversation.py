"""What was asked, and what came of the calls since: all that a stateless provider goes by."""

from __future__ import annotations

from dataclasses import dataclass

from hermitcrab.core.messages import AssistantMessage, JsonObject, Prompt, ResultBlock, TextBlock, UserMessage


@dataclass(frozen=True, slots=True)
class Heard:
    """The result of a call."""

    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One call of this turn with its result."""

    tool: str
    arguments: JsonObject
    result: Heard


@dataclass(frozen=True, slots=True)
class Conversation:
    """The user's last words, the steps since, and how many calls the session has seen (ids count on from there)."""

    request: str
    steps: tuple[Step, ...]
    calls: int
    tools: frozenset[str]


def conversation(prompt: Prompt) -> Conversation:
    """Read a prompt from its end: the last user message without results opened this turn."""
    opening = _opening(prompt)
    results = {
        block.call_id: Heard(block.text, block.is_error)
        for message in prompt.messages[opening:]
        if isinstance(message, UserMessage)
        for block in message.blocks
        if isinstance(block, ResultBlock)
    }
    steps: list[Step] = []
    for message in prompt.messages[opening:]:
        for call in message.calls if isinstance(message, AssistantMessage) else ():
            arguments: JsonObject = getattr(call, "arguments", {})
            steps.append(Step(call.name, arguments, results.get(call.id, Heard("it did not finish", is_error=True))))
    calls = sum(len(message.calls) for message in prompt.messages if isinstance(message, AssistantMessage))
    return Conversation(_words(prompt, opening), tuple(steps), calls, frozenset(tool.name for tool in prompt.tools))


def _opening(prompt: Prompt) -> int:
    for index in range(len(prompt.messages) - 1, -1, -1):
        message = prompt.messages[index]
        if isinstance(message, UserMessage) and not any(isinstance(block, ResultBlock) for block in message.blocks):
            return index
    return len(prompt.messages)


def _words(prompt: Prompt, opening: int) -> str:
    if opening == len(prompt.messages):
        return ""
    return "\n".join(block.text for block in prompt.messages[opening].blocks if isinstance(block, TextBlock))
