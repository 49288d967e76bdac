"""What lower rooms need from above, named as protocols; the caller brings the answer along."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from hermitcrab.core.edits import Hunk

if TYPE_CHECKING:
    from hermitcrab.core.events import PermissionOutcome
    from hermitcrab.core.messages import Prompt, StreamPart


class Provider(Protocol):
    """A model behind one vendor's wire (rules, scripts and recordings are providers too)."""

    @property
    def wire(self) -> str:
        """Return the dialect of the raw blocks this provider makes and takes."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[StreamPart]:
        """Yield one reply; raise ProviderError when it cannot be had. Closing the iterator closes the connection."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """How one client treats what we send: data, never code (facts come from the client's sources and from runs)."""

    name: str
    checks_versions: bool = True  # refuses an edit whose version is not its own
    tells_refusal: bool = True  # answers `applied: false` then; False: says applied and drops it
    saves_on_request: bool = False  # answers hermitcrab/editor/save
    echo_seconds: float = 2.0  # how long an edit's echo may take
    reviews: bool = True  # a person can see the edit and undo it
    edits_after_command_only: bool = False  # takes an edit only right after a command the user ran: park it, offer it


@dataclass(frozen=True, slots=True)
class BufferEdit:
    """An edit for one open document, to be sent once. Hunks are offsets into `text`, the client's text at `version`."""

    path: Path
    uri: str
    version: int
    text: str
    hunks: tuple[Hunk, ...]
    label: str


@dataclass(frozen=True, slots=True)
class ApplyReply:
    """What the client said of an edit. Not a proof: only the echo is."""

    applied: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A problem somebody reports in a file; lines and columns are 0-based code points of the text it was computed on.

    `version` is that document version, None for text on disk or when the reporter did not say.
    """

    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    severity: Literal["error", "warning", "information", "hint"]
    message: str
    source: str
    code: str = ""
    version: int | None = None
    fix: SuggestedFix | None = None


@dataclass(frozen=True, slots=True)
class SuggestedFix:
    """The checker's own fix: replacements as (line, column, end line, end column, text), 0-based code points."""

    title: str
    edits: tuple[tuple[int, int, int, int, str], ...]
    is_safe: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """What an editor shows for one document, and the version it belongs to as far as the editor says."""

    version: int | None
    items: tuple[Diagnostic, ...]


class Editor(Protocol):
    """One attached client, as the rooms below see it."""

    @property
    def profile(self) -> ClientProfile:
        """Return this client's manners."""
        ...

    async def apply_edit(self, edit: BufferEdit) -> ApplyReply:
        """Send `workspace/applyEdit` once and return the client's answer."""
        ...

    async def save(self, path: Path) -> bool:
        """Ask the client to save a document; False when it cannot or did not."""
        ...

    async def diagnostics(self, path: Path) -> Shown | None:
        """Return what the editor shows for `path`; None when the client cannot say."""
        ...


@dataclass(frozen=True, slots=True)
class PermissionQuestion:
    """A question for the user. `detail` is exactly what will run or change, byte for byte, escaped for display."""

    id: str
    session: str
    call: str
    tool: str
    title: str
    detail: str
    offers_session: bool = True  # *this session* may be answered
    offers_trust: bool = False  # the folder is not trusted: only *trust this folder and run*, or no
    reason: str = ""  # why it is asked: the rule, mode or protected name
    is_protected: bool = False  # a protected name: only a person may say yes, and each time anew
    is_consent: bool = False  # about sending to an endpoint, not about a tool call: *session* means from now on


class Asker(Protocol):
    """Asks the user; whoever sits in front of any connection of the session may answer."""

    async def ask(self, question: PermissionQuestion) -> PermissionOutcome:
        """Return the answer; `reject` when nobody is there to give one. Cancellation withdraws the question."""
        ...
