"""The protocol as JSON Schema: what `hermitcrab schema` prints and clients' types are made from."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from hermitcrab.wire.base import PROTOCOL_VERSION
from hermitcrab.wire.methods import METHODS


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
