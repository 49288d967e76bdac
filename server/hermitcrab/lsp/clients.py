"""The manners of each client as data.

Columns: how its `clientInfo.name` begins (small letters), then the profile. Rows marked *run* were seen in the real
editor; the others were read in the client's source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from hermitcrab.core.ports import ClientProfile
from hermitcrab.lsp.jsonrpc import field_of

if TYPE_CHECKING:
    from hermitcrab.core.messages import JsonObject

UNKNOWN: Final = ClientProfile("unknown", checks_versions=False, tells_refusal=False, echo_seconds=3.0)
"""A stranger: it may apply a stale edit and may say applied without applying, so only the echo counts."""

_VSCODE: Final = ClientProfile("vscode")  # run; refuses stale edits before applying any of them
_NEOVIM: Final = ClientProfile("neovim", tells_refusal=False)  # run; drops a stale first change and says applied
_HELIX: Final = ClientProfile("helix")  # run; `failedChange` with the refusal
_EGLOT: Final = ClientProfile("eglot", echo_seconds=5.0)  # run; refusal is an error; it may first ask its user
_LSP_MODE: Final = ClientProfile("lsp-mode", checks_versions=False, echo_seconds=3.0)
_SUBLIME: Final = ClientProfile("sublime", tells_refusal=False)
_KATE: Final = ClientProfile("kate", checks_versions=False, edits_after_command_only=True)
_LSP4IJ: Final = ClientProfile("lsp4ij", checks_versions=False, tells_refusal=False, echo_seconds=3.0)
_ZED: Final = ClientProfile(
    "zed", checks_versions=False, tells_refusal=False, echo_seconds=3.0
)  # not verified: careful

_PROFILES: Final[tuple[tuple[tuple[str, ...], ClientProfile], ...]] = (
    (("visual studio code", "vscodium", "code - oss", "code-server", "cursor", "windsurf", "antigravity"), _VSCODE),
    (("neovim",), _NEOVIM),
    (("helix",), _HELIX),
    (("eglot",), _EGLOT),
    (("emacs",), _LSP_MODE),
    (("sublime text lsp",), _SUBLIME),
    (("kate", "kwrite", "kdevelop"), _KATE),
    (
        ("intellij", "pycharm", "webstorm", "goland", "clion", "rider", "rubymine", "phpstorm", "rustrover", "datagrip",
         "android studio", "lsp4ij"),
        _LSP4IJ,
    ),
    (("zed",), _ZED),
)  # fmt: skip


def profile_of(name: str, capabilities: Mapping[str, Any]) -> ClientProfile:
    """Return how a client treats what we send, by its name and by what it says it can do."""
    lowered = name.lower()
    found = next((profile for starts, profile in _PROFILES if lowered.startswith(starts)), UNKNOWN)
    takes_edits = field_of(capabilities.get("workspace"), "applyEdit") is True
    return replace(found, reviews=takes_edits, saves_on_request=experimental(capabilities).get("save") is True)


def experimental(capabilities: Mapping[str, Any]) -> JsonObject:
    """Return what the client says under `experimental.hermitcrab`; empty when it is no client of ours."""
    ours = field_of(capabilities.get("experimental"), "hermitcrab")
    return cast("JsonObject", ours) if isinstance(ours, dict) else {}
