"""How the demo looks in a terminal: a few words a line, colours where they help, nothing that scrolls away unread."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Screen:
    """Prints; colours only where a terminal shows them."""

    def __init__(self, *, color: bool) -> None:
        self._color = color and sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def paint(self, text: str, *styles: str) -> str:
        """Return text in a style."""
        if not self._color or not styles:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def line(self, text: str = "", *styles: str) -> None:
        """Print one line."""
        print(self.paint(text, *styles), flush=True)

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.line()
        self.line(text, "bold")

    def update(self, update: dict[str, Any]) -> None:
        """Print what a session update means, if it means something to a newcomer."""
        match update["sessionUpdate"]:
            case "tool_call" if update.get("status") == "in_progress":
                self.line(f"     · {update['title']}", "dim")
            case "tool_call_update":
                for content in update.get("content", ()):
                    if content["type"] == "diff":
                        self.diff(content)
                if update.get("status") == "failed":
                    text = update["content"][0]["content"]["text"].splitlines()[0]
                    self.line(f"     ! {text}", "yellow")
            case _:
                pass

    def diff(self, content: dict[str, Any]) -> None:
        """Print whole lines that changed."""
        line = content.get("line", 0)
        for text in content["oldText"].splitlines():
            self.line(f"       {line:>4} - {text}", "red")
        for number, text in enumerate(content["newText"].splitlines(), line):
            self.line(f"       {number:>4} + {text}", "green")

    def question(self, params: dict[str, Any], answer: str) -> None:
        """Print a permission question and how it was answered."""
        name = next(option["name"] for option in params["options"] if option["optionId"] == answer)
        self.line(f"     ? {params['title']}", "yellow")
        for text in params["detail"].splitlines()[2:]:
            self.line(f"         {text}", "dim")
        self.line(f"       answered: {name}", "yellow")
