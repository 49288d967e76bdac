"""Keeps the model's task list, which the user sees."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from pydantic import StringConstraints

from hermitcrab.core.events import Event, TodosChanged
from hermitcrab.permissions.access import Access
from hermitcrab.tools.base import Tool, ToolContext, ToolInput, ToolResult
from hermitcrab.tools.escape import visible

_MARKS = {"pending": "[ ]", "in_progress": "[~]", "completed": "[x]"}


class TodoItem(ToolInput):
    """One task."""

    content: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    status: Literal["pending", "in_progress", "completed"]


class TodoInput(ToolInput):
    """The whole list, in order."""

    todos: list[TodoItem]


class Todo(Tool[TodoInput]):
    """Replaces the task list."""

    name = "Todo"
    kind = "think"
    is_effectful = False
    input = TodoInput

    async def access(self, args: TodoInput, context: ToolContext) -> Access:
        """Touch nothing outside the session."""
        del context
        return Access(self.name, "none", f"Update {len(args.todos)} tasks", visible(_listed(args)))

    async def run(self, args: TodoInput, context: ToolContext) -> AsyncGenerator[Event | ToolResult]:
        """Remember the list and show it."""
        todos = tuple((item.content, item.status) for item in args.todos)
        context.memory.todos = todos
        yield TodosChanged(todos=todos)
        yield ToolResult(_listed(args) or "The task list is empty.")


def _listed(args: TodoInput) -> str:
    return "\n".join(f"{_MARKS[item.status]} {item.content}" for item in args.todos)
