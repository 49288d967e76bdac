"""A provider that is no model: it answers with the next step of a plan made of rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from hermitcrab.core.messages import (
    BlockPart,
    CallArgumentsPart,
    CallBlock,
    CallStartPart,
    Prompt,
    StopPart,
    StreamPart,
    TextBlock,
    TextPart,
    ToolCall,
    Usage,
    UsagePart,
)
from hermitcrab.providers.offline.conversation import Conversation, conversation
from hermitcrab.providers.offline.flow import Ask, advance
from hermitcrab.providers.offline.plan import plan


class OfflineProvider:
    """Answers from the prompt alone: nothing is kept between two requests, nothing leaves this process."""

    @property
    def wire(self) -> str:
        """Return the name of its own dialect."""
        return "offline"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        """Yield the next step: a tool call, or the last words."""
        talk = await asyncio.to_thread(conversation, prompt)
        step = await asyncio.to_thread(_next, talk)
        words = step.said if isinstance(step, Ask) else step
        if words:
            yield TextPart(words)
            yield BlockPart(TextBlock(words), {"type": "text", "text": words})
        if isinstance(step, Ask):
            call = ToolCall(f"offline_{talk.calls + 1}", step.tool, dict(step.arguments))
            yield CallStartPart(call.id, call.name)
            yield CallArgumentsPart(call.id, json.dumps(call.arguments))
            raw = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
            yield BlockPart(CallBlock(call), raw)
        yield UsagePart(Usage(0, 0))
        yield StopPart("tool_use" if isinstance(step, Ask) else "end_turn")

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def _next(talk: Conversation) -> Ask | str:
    return advance(lambda: plan(talk.request, talk.tools), talk.steps)
