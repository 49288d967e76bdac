"""Questions of ours that a client has not answered yet, in a table of their own: their ids mean nothing elsewhere."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from pygls.exceptions import JsonRpcException

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.lsp.jsonrpc import INTERNAL_ERROR, Response
from hermitcrab.lsp.outbox import Letter


class ClientGoneError(HermitcrabError):
    """The client left before it answered."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One question on its way: who waits, and how its answer is read."""

    id: str
    future: asyncio.Future[Any] | Future[Any]
    read: Callable[[Any], Any]
    letter: Letter


class Questions:
    """The table of open questions."""

    def __init__(self) -> None:
        self._open: dict[str | int, Question] = {}
        self._numbers = itertools.count(1)
        self._is_closed = False

    def new_id(self) -> str:
        """Return an id no question has had; a string, so that it is told apart from most clients' ids in a trace."""
        return f"hermitcrab-{next(self._numbers)}"

    def add(self, question: Question) -> None:
        """Wait for an answer."""
        if self._is_closed:
            question.future.set_exception(ClientGoneError("the client is gone"))
        else:
            self._open[question.id] = question

    def settle(self, response: Response) -> bool:
        """Give an answer to who waits for it; False when nobody does (any more)."""
        question = self._open.pop(response.id, None)
        if question is None:
            return False
        if not question.future.done():
            _resolve(question, response)
        return True

    def forget(self, question: Question) -> bool:
        """Wait no longer; False when it was answered."""
        return self._open.pop(question.id, None) is not None

    def close(self) -> None:
        """Tell everyone who waits that the client is gone."""
        self._is_closed = True
        waiting, self._open = list(self._open.values()), {}
        for question in waiting:
            if not question.future.done():
                question.future.set_exception(ClientGoneError("the client left before it answered"))


def _resolve(question: Question, response: Response) -> None:
    future = question.future
    if response.error is not None:
        future.set_exception(client_error(response.error))
        return
    try:
        future.set_result(question.read(response.result))
    except Exception:  # noqa: BLE001 - whatever cannot be read is the client's fault and must reach who waits
        future.set_exception(JsonRpcException("the client's answer cannot be read", INTERNAL_ERROR))


def client_error(error: dict[str, Any]) -> JsonRpcException:
    """Return a client's error as an exception."""
    code, message = error.get("code"), error.get("message")
    return JsonRpcException(
        message if isinstance(message, str) else "the client answered with an error",
        code if isinstance(code, int) else INTERNAL_ERROR,
        error.get("data"),
    )
