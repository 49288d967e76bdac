"""The protocol as JSON Schema: what `hermitcrab schema` prints and clients' types are made from."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from hermitcrab.wire.base import PROTOCOL_VERSION, WireModel
from hermitcrab.wire.methods import METHODS
from hermitcrab.wire.updates import known_kinds


def protocol_schema() -> dict[str, Any]:
    """Return version, methods (sender, params, result) and the definitions they refer to."""
    models = {model for method in METHODS for model in (method.params, method.result) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "serialization") for model in ordered], by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hermitcrab protocol",
        "version": PROTOCOL_VERSION,
        "methods": [
            {
                "method": method.name,
                "sender": method.sender,
                "params": {"$ref": f"#/$defs/{method.params.__name__}"},
                **({"result": {"$ref": f"#/$defs/{method.result.__name__}"}} if method.result else {}),
            }
            for method in METHODS
        ],
        "$defs": definitions.get("$defs", {}),
    }


def protocol_page() -> str:
    """Return `docs/protocol.md`."""
    lines = [
        "# The protocol",
        "",
        "Made from the models in `server/hermitcrab/wire` by `make docs`; do not edit. Beside standard LSP these methods are",
        'spoken, to clients that say `capabilities.experimental.hermitcrab = {"version": 1, …}` (keys: `permission`, `save`,',
        "`diagnostics`, each true where the client answers that request). Bodies and update kinds are those of the Agent",
        "Client Protocol v1 plus `state_update`; unknown keys and `_meta` survive a round trip.",
        "",
        f"Protocol version {PROTOCOL_VERSION}; changes only add. JSON Schema: `hermitcrab schema`.",
        "",
    ]
    for method in METHODS:
        arrow = "client → server" if method.sender == "client" else "server → client"
        what = "request" if method.result else "notification"
        lines += [f"## `{method.name}`", "", f"{arrow}, {what}. {_said(method.params)}", ""]
        lines += _table("params", method.params)
        if method.result:
            lines += [f"Result: {_said(method.result)}", "", *_table("result", method.result)]
    lines += ["## Updates", "", "`update` of `hermitcrab/session/update` is one of:", ""]
    for kind, model in known_kinds().items():
        lines += [f"### `{kind}`", "", _said(model), "", *_table("update", model)]
    return "\n".join(lines).rstrip() + "\n"


def _said(model: type[WireModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(what: str, model: type[WireModel]) -> list[str]:
    fields = [(field.alias or name, field) for name, field in model.model_fields.items() if name != "meta"]
    if not fields:
        return []
    schema = model.model_json_schema(by_alias=True)
    rows = [f"| {what} | type | needed |", "|---|---|---|"]
    for alias, field in fields:
        needed = "yes" if field.is_required() else ""
        rows.append(f"| `{alias}` | {_type(schema['properties'].get(alias, {}))} | {needed} |")
    return [*rows, ""]


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type(option) for option in schema[key] if option.get("type") != "null")
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))
