"""What waits to be written to one client: replies first, news in order, never more than a bounded heap of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from hermitcrab.core.frames import encode_frame
from hermitcrab.lsp.jsonrpc import Notification

Weight = Literal["keep", "text", "spare"]
"""`keep` is never dropped, `spare` may be; `text` is dropped over its bound, and its stream is shown anew later."""

_BATCH: Final = 64 * 1024
_MERGED: Final = 64 * 1024  # bytes beyond which a letter takes no more: joining text costs its length each time


class Writer(Protocol):
    """The part of asyncio.StreamWriter that an outbox needs."""

    def write(self, data: bytes, /) -> None:
        """Take bytes to be sent."""
        ...

    async def drain(self) -> None:
        """Return when there is room for more; raise OSError when the client is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """How news may be treated while it waits. `merge` makes one of two neighbours of one stream, or says None.

    The bounds are bytes waiting: spare news is dropped over the first, text over the second; over the third the client
    is taken for dead, for what may not be dropped alone has filled it.
    """

    merge: Callable[[Notification, Notification], Notification | None] = lambda _first, _second: None
    weigh: Callable[[Notification], Weight] = lambda _news: "keep"
    spare_bytes: int = 256 * 1024
    text_bytes: int = 4 * 1024 * 1024
    full_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Letter:
    """One message on its way; `body` is None when it was merged and has to be encoded anew."""

    body: bytes | None
    size: int
    stream: str
    news: Notification | None = None
    is_gone: bool = False


@dataclass(slots=True, eq=False)
class Hold:
    """Keeps a session's news back until a reply is out; without a session, the news of every one not yet named."""

    session: str


class Outbox:
    """The queue of one client and the loop that writes it; all of it lives on the event loop.

    A stream is what keeps its order: a session's id, else what the news is about (a document, a progress token).
    """

    def __init__(self, policy: Policy, encode: Callable[[Notification], bytes]) -> None:
        self._policy = policy
        self._encode = encode
        self._urgent: deque[Letter] = deque()
        self._news: deque[Letter] = deque()
        self._held: list[Letter] = []
        self._holds: list[Hold] = []
        self._named: set[str] = set()
        self._last: dict[str, Letter] = {}
        self._lost: set[str] = set()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._is_closing = False
        self._urgent_size = 0
        self.size = 0
        self.on_lost: Callable[[frozenset[str]], None] = lambda _streams: None
        self.on_full: Callable[[], None] = lambda: None

    def put_urgent(self, body: bytes, stream: str = "", *, may_wait: bool = False) -> Letter:
        """Queue a reply or a question; one that `may_wait` stays behind the reply that names its session."""
        return self._add_reply(body, stream, self._held if may_wait and self._is_held(stream) else self._urgent)

    def put_in_order(self, body: bytes, stream: str) -> None:
        """Queue a reply behind the news of its session."""
        self._last.pop(stream, None)
        self._add_reply(body, stream, self._news)

    def _add_reply(self, body: bytes, stream: str, lane: deque[Letter] | list[Letter]) -> Letter:
        letter = Letter(body, len(body), stream)
        self._urgent_size += letter.size
        if self._urgent_size > self._policy.text_bytes:
            self._room.clear()
        self._add(letter, lane)
        return letter

    def put_news(self, news: Notification, stream: str) -> None:
        """Queue a notification: merged into the last one of its stream when it can be, dropped when it must be."""
        weight: Weight = "keep"
        if self._lost or self.size > self._policy.spare_bytes:
            weight = self._policy.weigh(news)
            if weight == "text" and (self.size > self._policy.text_bytes or stream in self._lost):
                self._lost.add(stream)
                return
        body = self._encode(news)
        if self._merge(news, stream, len(body)):
            return
        if weight == "spare" and self.size > self._policy.spare_bytes:
            return
        letter = Letter(body, len(body), stream, news)
        self._last[stream] = letter
        self._add(letter, self._held if self._holds and self._is_held(stream) else self._news)

    def _merge(self, news: Notification, stream: str, size: int) -> bool:
        last = self._last.get(stream)
        if last is None or last.news is None or last.size > _MERGED:
            return False
        merged = self._policy.merge(last.news, news)
        if merged is None:
            return False
        last.news, last.body = merged, None
        if last.size + size > _MERGED:  # a guess so far, for only the text is added: see what it really is
            last.body = self._encode(merged)
            size = len(last.body) - last.size
        last.size += size
        self.size += size
        return True

    def _add(self, letter: Letter, lane: deque[Letter] | list[Letter]) -> None:
        lane.append(letter)
        self.size += letter.size
        self._wake.set()
        if self.size > self._policy.full_bytes:
            self.on_full()

    def hold(self, session: str) -> Hold:
        """Keep back the news of a session until the hold is released."""
        hold = Hold(session)
        self._holds.append(hold)
        return hold

    def release(self, hold: Hold, session: str) -> None:
        """Let the news go; `session` is the one that the reply named."""
        self._holds.remove(hold)
        self._named.update(filter(None, (hold.session, session)))
        waiting, self._held = self._held, []
        for letter in waiting:
            lane = self._urgent if letter.news is None else self._news
            (self._held if self._is_held(letter.stream) else lane).append(letter)
        self._wake.set()

    def _is_held(self, stream: str) -> bool:
        return bool(stream) and any(
            hold.session == stream if hold.session else stream not in self._named for hold in self._holds
        )

    def withdraw(self, letter: Letter) -> bool:
        """Take a letter back; False when it is already on its way."""
        if letter.is_gone:
            return False
        self._take(letter)
        return True

    def _take(self, letter: Letter) -> None:
        letter.is_gone = True
        self.size -= letter.size
        if letter.news is None:
            self._urgent_size -= letter.size
            if self._urgent_size <= self._policy.text_bytes // 2:
                self._room.set()
        elif self._last.get(letter.stream) is letter:
            del self._last[letter.stream]

    async def room(self) -> None:
        """Return when the client has read enough of its replies for more to be worth making."""
        await self._room.wait()

    def close(self) -> None:
        """Let the loop end once everything queued is written."""
        self._is_closing = True
        self._room.set()
        self._wake.set()

    async def run(self, writer: Writer) -> None:
        """Write until closed; raise OSError when the client is gone."""
        while True:
            if batch := self._batch():
                writer.write(batch)
                await writer.drain()
                self._tell_lost()
            elif self._is_closing:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    def _batch(self) -> bytes:
        """Take about as much as one write carries."""
        frames: list[bytes] = []
        size = 0
        while size < _BATCH and (lane := self._urgent or self._news):
            letter = lane.popleft()
            if letter.is_gone:
                continue
            self._take(letter)
            body = letter.body
            if body is None and letter.news is not None:
                body = self._encode(letter.news)
            frames.append(encode_frame(body or b""))
            size += len(frames[-1])
        return b"".join(frames)

    def _tell_lost(self) -> None:
        """Once there is room again, say which streams have to be shown anew."""
        if self._lost and self.size <= self._policy.spare_bytes:
            lost, self._lost = frozenset(self._lost), set()
            self.on_lost(lost)
