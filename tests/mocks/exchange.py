"""Exchanges without a network: an answer that is already here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from hermitcrab.core.errors import ProviderError
from hermitcrab.net.http import Head


class FakeExchange:
    """An answer that is already here, in the given chunks, with an error behind them when there is one."""

    def __init__(self, chunks: Iterable[bytes], error: ProviderError | None = None) -> None:
        self.chunks = list(chunks)
        self.error = error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def ready(self, wait: float) -> bool:
        return True

    def head(self) -> Head:
        return Head(200, {"content-type": "text/event-stream"})

    def read(self) -> bytes:
        if self.chunks:
            return self.chunks.pop(0)
        if self.error:
            raise self.error
        return b""

    def expect_end(self) -> None: ...


class FakeDialler:
    def __init__(self, *exchanges: FakeExchange) -> None:
        self.exchanges = list(exchanges)

    def post(self, *_: object) -> Self:
        return self.exchanges.pop(0)
