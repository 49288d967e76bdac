"""One client as the rooms below see it: it applies edits, saves on request, and says what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from pygls.exceptions import JsonRpcException

from hermitcrab.core.ports import ApplyReply, BufferEdit, ClientProfile, Shown
from hermitcrab.lsp import from_lsp, to_lsp
from hermitcrab.lsp.jsonrpc import field_of
from hermitcrab.lsp.questions import ClientGoneError

if TYPE_CHECKING:
    from hermitcrab.lsp.connection import Connection
    from hermitcrab.workspace.documents import Documents

APPLY_SECONDS: Final = 10.0
_SAVE_SECONDS: Final = 10.0
_SHOW_SECONDS: Final = 2.0


class LspEditor:
    """The editor behind an LSP connection."""

    def __init__(self, client: Connection, documents: Documents, *, says_diagnostics: bool) -> None:
        self._client, self._documents, self._says_diagnostics = client, documents, says_diagnostics
        self._pushed: dict[str, tuple[int | None, list[dict[str, Any]]]] = {}

    @property
    def profile(self) -> ClientProfile:
        """Return this client's manners."""
        return self._client.profile

    async def apply_edit(self, edit: BufferEdit) -> ApplyReply:
        """Send the edit once; a client that answers with an error has not applied it, one that is gone cannot say."""
        params = to_lsp.apply_edit(edit, self._client.encoding)
        try:
            answer: Any = await self._client.request("workspace/applyEdit", params, timeout=APPLY_SECONDS)
        except JsonRpcException as error:
            return ApplyReply(applied=False, reason=str(error))
        except (TimeoutError, ClientGoneError) as error:
            return ApplyReply(applied=True, reason=f"no answer: {error}")
        result: Any = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
        return ApplyReply(applied=bool(result.get("applied")), reason=str(result.get("failureReason") or ""))

    async def save(self, path: Path) -> bool:
        """Ask the client to save; False when it cannot or did not."""
        uri = self._uri(path)
        if uri is None or not self.profile.saves_on_request:
            return False
        try:
            answer: Any = await self._client.request("hermitcrab/editor/save", {"uri": uri}, timeout=_SAVE_SECONDS)
        except (JsonRpcException, TimeoutError, ClientGoneError):
            return False
        return bool(field_of(answer, "saved"))

    async def diagnostics(self, path: Path) -> Shown | None:
        """Return what the editor shows from its other sources; None when the client cannot say."""
        uri = self._uri(path)
        if uri is None:
            return None
        if not self._says_diagnostics:
            return self.remembered(path)
        try:
            answer: Any = await self._client.request(
                "hermitcrab/editor/diagnostics", {"uri": uri}, timeout=_SHOW_SECONDS
            )
        except (JsonRpcException, TimeoutError, ClientGoneError):
            return None
        result: Any = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
        return self._read(path, result.get("version"), result.get("diagnostics") or [])

    def shown(self, uri: str, version: int | None, diagnostics: list[dict[str, Any]]) -> None:
        """Take note of what the client says it shows."""
        self._pushed[uri] = (version, diagnostics)

    def remembered(self, path: Path) -> Shown | None:
        """Return what the client last said it shows; None when it never did."""
        uri = self._uri(path)
        if uri is None or uri not in self._pushed:
            return None
        version, diagnostics = self._pushed[uri]
        return self._read(path, version, diagnostics)

    def forget(self, uri: str) -> None:
        """Drop what was said of a document that is closed."""
        self._pushed.pop(uri, None)

    def _read(self, path: Path, version: int | None, diagnostics: list[dict[str, Any]]) -> Shown | None:
        document = self._documents.get(self._client.id, path)
        if document is None:
            return None
        others = [item for item in diagnostics if not str(item.get("source", "")).startswith("hermitcrab")]
        found = (from_lsp.diagnostic(item, document, version, self._client.encoding) for item in others)
        return Shown(version, tuple(found))

    def _uri(self, path: Path) -> str | None:
        document = self._documents.get(self._client.id, path)
        return document.uri if document else None
