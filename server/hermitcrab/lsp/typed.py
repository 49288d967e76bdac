"""lsprotocol's types from and to JSON: the params of standard methods in, results and notifications out."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import cattrs
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from hermitcrab.lsp.jsonrpc import field_of

if TYPE_CHECKING:
    from hermitcrab.core.messages import JsonObject

_NEEDED_AT_ONCE: Final = {
    "general": ("positionEncodings",),
    "textDocument": ("synchronization", "rename"),
    "notebookDocument": ("synchronization",),
    "workspace": ("fileOperations",),
}
"""What pygls looks at in a client's capabilities when it says what the server can do."""

_METHODS: dict[str, tuple[Any, Any, Any, Any]] = types.METHOD_TO_TYPES


def lean_initialize(params: Any) -> Any:
    """Return `initialize` params with no more capabilities than are needed at once: typing all takes 60 ms, once."""
    capabilities = field_of(params, "capabilities")
    if not isinstance(capabilities, dict):
        return params
    lean: JsonObject = {}
    for group, names in _NEEDED_AT_ONCE.items():
        values = field_of(capabilities, group)
        lean[group] = {name: field_of(values, name) for name in names} if isinstance(values, dict) else values
    return {**params, "capabilities": {name: value for name, value in lean.items() if value is not None}}


class Typed:
    """Reads and writes lsprotocol's types with one converter."""

    def __init__(self, converter: cattrs.Converter) -> None:
        self._converter = converter
        self._json = json.JSONEncoder(default=self.plain, allow_nan=False, separators=(",", ":"))

    def params(self, method: str, raw: Any) -> Any:
        """Return the params of a standard method; raise JsonRpcInvalidParams that names what is wrong, not its value."""
        expected = _METHODS[method][2] if method in _METHODS else None
        if expected is None:
            return raw
        try:
            return self._converter.structure({} if raw is None else raw, expected)
        except cattrs.BaseValidationError as error:
            problems = "; ".join(cattrs.transform_error(error)[:3])
            raise JsonRpcInvalidParams(f"Invalid params of `{method}`: {problems}") from None
        except Exception:  # noqa: BLE001 - some hooks of lsprotocol fail in their own ways on a value they did not expect
            raise JsonRpcInvalidParams(f"Invalid params of `{method}`") from None

    def capabilities(self, raw: JsonObject) -> types.ClientCapabilities:
        """Return all of a client's capabilities; raise a validation error for what does not fit."""
        return self._converter.structure(raw, types.ClientCapabilities)

    def result_reader(self, method: str) -> Callable[[Any], Any]:
        """Return the function that reads a client's answer to a standard request."""
        expected = _METHODS[method][1] if method in _METHODS else None
        if expected is None:
            return lambda raw: raw
        return lambda raw: self._converter.structure({"id": 0, "jsonrpc": "2.0", "result": raw}, expected).result

    def plain(self, value: Any) -> Any:
        """Return a value as JSON has it, nested ones excepted."""
        if hasattr(value, "__attrs_attrs__"):
            return self._converter.unstructure(value)
        if isinstance(value, enum.Enum):
            return value.value
        raise TypeError(f"`{type(value).__name__}` has no place in JSON")

    def encode(self, data: Any) -> bytes:
        """Return JSON in ASCII, safe for lone surrogates; raise TypeError or ValueError for what JSON cannot carry."""
        return self._json.encode(data).encode("ascii")
