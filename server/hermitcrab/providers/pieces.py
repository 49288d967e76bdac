"""Characters that arrive in halves: JSON may carry the two surrogates of one character in two pieces."""

from __future__ import annotations


class Mender:
    """Hands out whole characters only; half of one waits for the next piece."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = ""

    def mend(self, piece: str) -> str:
        """Return `piece` with whole characters only."""
        if piece.isascii() and not self._half:
            return piece
        piece, self._half = self._half + piece, ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return join_surrogates(piece)


def join_surrogates(text: str, lone: str = "replace") -> str:
    """Return `text` with the two halves of each character joined; `lone` is the error handler for single halves."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", lone)
    return text
