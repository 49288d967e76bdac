"""One source of settings as it is written, checked at the door. Imported late: it needs pydantic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Written(BaseModel):
    """The keys of one file, command line or client; None where it does not speak of one."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x20]+$")] | None = None
    mode: Literal["default", "acceptEdits", "plan", "bypass"] | None = None
    edits: Literal["review", "ask"] | None = None
    rules: list[str] | None = None
    max_turns: Annotated[int, Field(ge=1, le=10_000)] | None = None
    max_cost: Annotated[float, Field(ge=0)] | None = None
    command_timeout: Annotated[int, Field(ge=1, le=86_400)] | None = None
