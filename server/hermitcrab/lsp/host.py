"""What all clients of this process share: the open documents, and the engine, built when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hermitcrab.workspace.documents import Documents

if TYPE_CHECKING:
    from hermitcrab.engine.engine import Engine

BuildEngine = Callable[[Documents], "Engine"]


class Host:
    """Builds the engine off the event loop: its imports (pydantic, tools) are not worth an editor's start-up time."""

    def __init__(self, build: BuildEngine, command_line: Mapping[str, Any]) -> None:
        self.documents = Documents()
        self.command_line = command_line
        self._build = build
        self._building: asyncio.Task[Engine] | None = None

    async def engine(self) -> Engine:
        """Return the engine."""
        if self._building is None:
            self._building = asyncio.create_task(asyncio.to_thread(self._build, self.documents))
        return await asyncio.shield(self._building)

    @property
    def is_built(self) -> bool:
        """Tell whether the engine is there or on its way."""
        return self._building is not None

    @property
    def built(self) -> Engine | None:
        """Return the engine if it is there already."""
        task = self._building
        return (
            task.result()
            if task is not None and task.done() and not task.cancelled() and not task.exception()
            else None
        )

    async def close(self) -> None:
        """Stop everything."""
        if self._building is not None:
            await (await self.engine()).close()
