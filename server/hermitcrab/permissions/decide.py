"""The one pure function that says what may happen: allowed, asked about, or denied, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hermitcrab.permissions.access import Access
from hermitcrab.permissions.names import is_inside
from hermitcrab.permissions.protected import protected_by
from hermitcrab.permissions.rules import Rule, Verdict

Mode = Literal["default", "acceptEdits", "plan", "bypass"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A yes the user gave for this session: to a tool inside the root, or to exactly one command."""

    tool: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything a decision depends on."""

    mode: Mode
    root: Path
    rules: tuple[Rule, ...] = ()
    trusted: bool = False
    has_reviewer: bool = False  # an editor is attached in which the user can review edits and undo them
    asks_edits: bool = False  # the user wants to be asked about edits all the same
    grants: frozenset[Grant] = frozenset()
    own: tuple[Path, ...] = ()  # our own folders and `links.protected_places`: no mode writes there unasked
    readable: tuple[Path, ...] = ()  # folders outside the root that may be read, such as the session's spilt output
    folds_case: bool = False  # the root's file system takes two cases of a name for one


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict and the rule behind it.

    `needs_trust`: only trusting the folder can allow it. `is_protected`: only a person can allow it, each time anew.
    """

    verdict: Verdict
    reason: str
    needs_trust: bool = False
    is_protected: bool = False


def decide(access: Access, policy: Policy) -> Decision:
    """Judge one tool call: deny, then trust, protected names, the session's grants, ask, allow, and at last the mode."""
    return (
        _by_rule("deny", access, policy)
        or _by_plan(access, policy)
        or _by_trust(access, policy)
        or _by_protection(access, policy)
        or _by_grant(access, policy)
        or _by_rule("ask", access, policy)
        or _by_rule("allow", access, policy)
        or _by_mode(access, policy)
    )


def _by_rule(verdict: Verdict, access: Access, policy: Policy) -> Decision | None:
    for rule in policy.rules:
        if rule.verdict == verdict and rule.is_in_force and rule.covers(access.tool):
            return Decision(verdict, str(rule))
    return None


def _by_plan(access: Access, policy: Policy) -> Decision | None:
    if policy.mode == "plan" and access.kind in {"edit", "execute"}:
        what = "changes no files" if access.kind == "edit" else "runs no commands"
        return Decision("deny", f"the mode `plan` {what}: say what you would do instead")
    return None


def _by_trust(access: Access, policy: Policy) -> Decision | None:
    if access.kind == "execute" and not policy.trusted:
        return Decision("ask", f"the folder `{policy.root}` is not trusted, so nothing runs in it", needs_trust=True)
    return None


def _by_protection(access: Access, policy: Policy) -> Decision | None:
    reason = protected_by(access, policy.own)
    return Decision("ask", reason, is_protected=True) if reason else None


def _by_grant(access: Access, policy: Policy) -> Decision | None:
    """A session's yes reaches no further than what the user was shown: the root, or that very command."""
    if Grant(access.tool, access.command) in policy.grants and not _outside(access, policy):
        return Decision("allow", "you allowed it for this session")
    return None


def _by_mode(access: Access, policy: Policy) -> Decision:
    mode = f"the mode `{policy.mode}`"
    if access.kind == "none":
        return Decision("allow", "it touches nothing")
    if policy.mode == "bypass":
        return Decision("allow", f"{mode} allows it")
    if outside := _outside(access, policy):
        return Decision("ask", f"`{outside}` is outside `{policy.root}`")
    if access.kind == "read":
        return Decision("allow", f"{mode} reads inside the folder")
    if access.kind == "edit" and access.paths:
        return _inside_edit(policy, mode)
    return Decision("ask", f"{mode} asks before {_ASKED[access.kind]}")


_ASKED = {"edit": "it changes files", "execute": "it runs a command", "network": "it uses the network"}


def _inside_edit(policy: Policy, mode: str) -> Decision:
    if policy.mode == "acceptEdits":
        return Decision("allow", f"{mode} edits inside the folder")
    if policy.asks_edits:
        return Decision("ask", '`edits = "ask"` in the settings')
    if policy.has_reviewer:
        return Decision("allow", f"{mode} makes edits that can be reviewed in the editor")
    return Decision("ask", f"{mode} asks before an edit that nobody can review")


def _outside(access: Access, policy: Policy) -> Path | None:
    """Return the first path outside the root; what may be read elsewhere is not outside for reading."""
    extra = policy.readable if access.kind == "read" else ()
    for path in access.paths:
        if not any(is_inside(path, folder, folds_case=policy.folds_case) for folder in (policy.root, *extra)):
            return path
    return None
