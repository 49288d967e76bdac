"""How long things take, and when to begin."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_PART = re.compile(r"(\d+)\s*(h|hours?|min|minutes?)\b")


def parse_duration(text: str) -> int:
    """Return the minutes named in a sentence, all of them together."""
    minutes = 0
    for number, unit in _PART.findall(text):
        factor = 60 if unit.startswith("h") else 1
        minutes += int(number) * factor
    return minutes


def format_duration(minutes: int) -> str:
    """Return minutes as hours and minutes."""
    hours, rest = divmod(minutes, 60)
    parts: list[str] = []
    if hours:
        parts.append(f"{hours} h")
    if rest or not hours:
        parts.append(f"{rest} min")
    return " ".join(parts)


def start_time(dinner: str, minutes: int) -> str:
    """Return when to begin so that all is ready at `dinner`, a time such as `19:30`."""
    ready = datetime.strptime(dinner, "%H:%M")
    begin = ready - timedelta(minutes=minutes)
    return begin.strftime("%H:%M")
