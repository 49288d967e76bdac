"""The methods, their params and their results, on one screen (the table at the end)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hermitcrab.wire.base import Empty, WireModel
from hermitcrab.wire.content import PermissionOption, PromptContent, ToolCallView
from hermitcrab.wire.updates import SessionNotification

ModeId = Literal["default", "acceptEdits", "plan", "bypass"]


class SessionMode(WireModel):
    """A permission mode one may choose."""

    id: str
    name: str
    description: str


class SessionModes(WireModel):
    """The permission modes, and the one in force."""

    current_mode_id: str
    available_modes: list[SessionMode]


class SessionNewParams(WireModel):
    """Begin a session in the folder `cwd`; `modeId` and `model` override the settings where a user may."""

    cwd: str | None = None
    mode_id: ModeId | None = None
    model: str | None = None


class SessionNewResult(WireModel):
    """The new session."""

    session_id: str
    modes: SessionModes
    model: str
    trusted: bool


class SessionLoadParams(WireModel):
    """Open a session again; its updates follow the reply, those after `afterSeq` only."""

    session_id: str
    cwd: str | None = None
    after_seq: int = 0


class SessionLoadResult(WireModel):
    """The session is open; updates up to `lastSeq` follow."""

    session_id: str
    modes: SessionModes
    model: str
    last_seq: int
    problems: list[str] | None = None


class SessionListParams(WireModel):
    """List the sessions of the folder `cwd`, or all."""

    cwd: str | None = None


class SessionInfo(WireModel):
    """One session in a list; times are ISO 8601 in UTC."""

    session_id: str
    cwd: str
    title: str
    created_at: str
    updated_at: str
    turns: int


class SessionListResult(WireModel):
    """Sessions, the newest first."""

    sessions: list[SessionInfo]


class SessionPromptParams(WireModel):
    """Say something: a turn begins. Acknowledged at once; progress and the end come as updates."""

    session_id: str
    prompt: list[PromptContent]


class SessionPromptResult(WireModel):
    """The turn that began."""

    turn_id: str


class SessionCancelParams(WireModel):
    """Stop the running turn; a request or a notification. No effect follows the answer."""

    session_id: str


class SessionCancelResult(WireModel):
    """Whether there was a turn to stop."""

    cancelled: bool


class SetModeParams(WireModel):
    """Choose a permission mode."""

    session_id: str
    mode_id: ModeId


class ReviewUndoParams(WireModel):
    """Take back the edits of a turn (the last one when no `turnId` is given)."""

    session_id: str
    turn_id: str | None = None


class KeptFile(WireModel):
    """A file left alone, and why."""

    path: str
    reason: str


class ReviewUndoResult(WireModel):
    """What was taken back, what was not, and what no undo reaches."""

    turn_id: str
    reverted: list[str]
    kept: list[KeptFile]
    not_covered: list[str]


class TrustGetParams(WireModel):
    """Ask whether the folder `cwd` is trusted."""

    cwd: str | None = None


class TrustSetParams(WireModel):
    """Trust the folder `cwd`, or no longer."""

    trusted: bool
    cwd: str | None = None


class TrustResult(WireModel):
    """A folder and whether a person said yes to running what it brings."""

    cwd: str
    trusted: bool


class StatusResult(WireModel):
    """How things stand; also the params of the notification of the same name."""

    version: str
    model: str
    mode: str
    trusted: bool
    running: int
    session_id: str | None = None
    context_used: int | None = None
    context_size: int | None = None


class DidFocusParams(WireModel):
    """The user looks at another document."""

    uri: str | None = None


class DidChangeDiagnosticsParams(WireModel):
    """What the editor shows for a document, with the version it belongs to; diagnostics are LSP's."""

    uri: str
    version: int | None = None
    diagnostics: list[dict[str, Any]]


class PermissionRequestParams(WireModel):
    """A question for the user: `detail` is exactly what will run or change, `reason` says why it is asked."""

    session_id: str
    request_id: str
    tool_call: ToolCallView
    title: str
    detail: str
    reason: str = ""
    options: list[PermissionOption]


class PermissionOutcomeModel(WireModel):
    """`selected` with the option, or `cancelled`."""

    outcome: Literal["selected", "cancelled"]
    option_id: str | None = None


class PermissionRequestResult(WireModel):
    """The user's answer."""

    outcome: PermissionOutcomeModel


class EditorSaveParams(WireModel):
    """Save this document, if it is open."""

    uri: str


class EditorSaveResult(WireModel):
    """Whether it was saved."""

    saved: bool


class EditorDiagnosticsParams(WireModel):
    """Say what you show for this document."""

    uri: str


class EditorDiagnosticsResult(WireModel):
    """The editor's diagnostics (LSP's) and the version they belong to."""

    version: int | None = None
    diagnostics: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: who sends it, whether it wants an answer, and its models."""

    name: str
    sender: Literal["client", "server"]
    params: type[WireModel]
    result: type[WireModel] | None = None


METHODS = (
    Method("hermitcrab/session/new", "client", SessionNewParams, SessionNewResult),
    Method("hermitcrab/session/load", "client", SessionLoadParams, SessionLoadResult),
    Method("hermitcrab/session/list", "client", SessionListParams, SessionListResult),
    Method("hermitcrab/session/prompt", "client", SessionPromptParams, SessionPromptResult),
    Method("hermitcrab/session/cancel", "client", SessionCancelParams, SessionCancelResult),
    Method("hermitcrab/session/setMode", "client", SetModeParams, Empty),
    Method("hermitcrab/review/undo", "client", ReviewUndoParams, ReviewUndoResult),
    Method("hermitcrab/trust/get", "client", TrustGetParams, TrustResult),
    Method("hermitcrab/trust/set", "client", TrustSetParams, TrustResult),
    Method("hermitcrab/status", "client", Empty, StatusResult),
    Method("hermitcrab/editor/didFocus", "client", DidFocusParams),
    Method("hermitcrab/editor/didChangeDiagnostics", "client", DidChangeDiagnosticsParams),
    Method("hermitcrab/session/update", "server", SessionNotification),
    Method("hermitcrab/status", "server", StatusResult),
    Method("hermitcrab/permission/request", "server", PermissionRequestParams, PermissionRequestResult),
    Method("hermitcrab/editor/save", "server", EditorSaveParams, EditorSaveResult),
    Method("hermitcrab/editor/diagnostics", "server", EditorDiagnosticsParams, EditorDiagnosticsResult),
)
