"""The exceptions of Hermitcrab; each class says who should hear it."""

from __future__ import annotations


class HermitcrabError(Exception):
    """The root: something we foresaw, with a message fit for a person."""


class ToolError(HermitcrabError):
    """A tool could not do what was asked: the model hears it, and the turn goes on."""


class StaleEditError(ToolError):
    """An edit was computed on text that has since changed in the same place."""


class UnconfirmedEditError(ToolError):
    """An edit was sent and the client's echo did not show it in time; the text as it is now is in the message."""


class PermissionDeniedError(HermitcrabError):
    """A rule or the user said no: the model hears it; the user knows already."""


class ProviderError(HermitcrabError):
    """The model cannot be used as asked: the user hears it, and the turn ends."""


class ProviderBusyError(ProviderError):
    """The model is busy or the line broke: nobody hears it; we wait and retry."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SettingsError(HermitcrabError):
    """A setting is wrong: the user hears it, with file and line."""
