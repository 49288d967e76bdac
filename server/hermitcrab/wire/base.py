"""The root of all wire models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

PROTOCOL_VERSION = 1


class WireModel(BaseModel):
    """A JSON object on the wire: camelCase there, and whatever we do not know (`_meta` too) survives a round trip."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True, extra="allow"
    )

    meta: dict[str, Any] | None = Field(default=None, alias="_meta")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, without keys that are not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Empty(WireModel):
    """No params, or a result that says only *done*."""
