"""Rules a person writes: a verdict and the bare name of a tool, such as `ask Bash`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hermitcrab.core.errors import SettingsError

Verdict = Literal["allow", "ask", "deny"]

Scope = Literal["command line", "editor", "user", "local", "project", "workspace"]
"""Who wrote it: the first three are the user's own word, the others come with a folder and can only tighten."""

USER_SCOPES: frozenset[Scope] = frozenset({"command line", "editor", "user"})

_RULE = re.compile(r"(allow|ask|deny)\s+([A-Za-z][A-Za-z0-9_]*)")

# A rule for these speaks of every tool that does the same thing; otherwise `deny Edit` would leave `Write`.
FAMILIES: Mapping[str, frozenset[str]] = {
    "Edit": frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit", "Rename"}),
    "Read": frozenset({"Read", "Glob", "Grep", "CodeSearch", "Diagnostics"}),
}

TOOLS = frozenset(
    {
        "Read", "Write", "Edit", "MultiEdit", "Glob", "Grep", "CodeSearch", "Bash", "Git", "WebFetch", "WebSearch", "LSP",
        "Diagnostics", "Rename", "NotebookEdit", "Todo", "Agent", "Skill", "AskUser", "ToolSearch", "Monitor", "Schedule",
        "Notify", "Config", "Python", "StructuredOutput",
    }
)  # fmt: skip
"""The names a rule may speak of; a misspelt one would be a rule that is never consulted."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One written policy and where it stands."""

    verdict: Verdict
    tool: str
    scope: Scope = "user"
    origin: str = ""  # a file and line, for the reader

    def covers(self, tool: str) -> bool:
        """Say whether this rule speaks of `tool`."""
        return tool == self.tool or tool in FAMILIES.get(self.tool, ())

    @property
    def is_in_force(self) -> bool:
        """Say whether the rule counts: a folder cannot allow anything, trusted or not."""
        return self.verdict != "allow" or self.scope in USER_SCOPES

    def __str__(self) -> str:
        place = f" ({self.origin})" if self.origin else ""
        return f"`{self.verdict} {self.tool}` in {self.scope} settings{place}"


def parse_rule(text: str, scope: Scope, origin: str) -> Rule:
    """Return the rule of one line; raise SettingsError, which names `origin`, for what cannot be understood."""
    match = _RULE.fullmatch(text.strip())
    if match is None:
        more = "; rules for parts of a tool are not known yet" if "(" in text else ""
        raise SettingsError(f"{origin}: `{text}` is not a rule; write `allow`, `ask` or `deny` and a tool's name{more}")
    verdict, tool = match[1], match[2]
    if tool not in TOOLS and not tool.startswith("mcp__"):
        near = difflib.get_close_matches(tool, sorted(TOOLS), 1, 0.5)
        raise SettingsError(f"{origin}: there is no tool `{tool}`" + (f"; did you mean `{near[0]}`?" if near else ""))
    return Rule(_VERDICTS[verdict], tool, scope, origin)


_VERDICTS: Mapping[str, Verdict] = {"allow": "allow", "ask": "ask", "deny": "deny"}
