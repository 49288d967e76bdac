"""What waits for a client: replies first, a session's news in order, and never more than a bounded heap."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hermitcrab.core.frames import Frame, FrameDecoder
from hermitcrab.lsp.jsonrpc import Notification
from hermitcrab.lsp.outbox import Outbox, Policy, Weight


class SlowWriter:
    """Takes one batch, and the next only when told that the client has read."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.read = asyncio.Event()
        if is_open:
            self.read.set()
        self.messages: list[Any] = []
        self._decoder = FrameDecoder()

    def write(self, data: bytes, /) -> None:
        for frame in self._decoder.feed(data):
            assert isinstance(frame, Frame)
            self.messages.append(json.loads(frame.body))

    async def drain(self) -> None:
        await self.read.wait()


def encode(news: Notification) -> bytes:
    return json.dumps([news.method, news.params]).encode()


def join(first: Notification, second: Notification) -> Notification | None:
    if first.method == second.method == "text":
        return Notification("text", {**first.params, "text": first.params["text"] + second.params["text"]})
    return None


def weigh(news: Notification) -> Weight:
    return {"text": "text", "usage": "spare"}.get(news.method, "keep")  # type: ignore[return-value]


def say(outbox: Outbox, method: str, text: str = "", session: str = "s") -> None:
    outbox.put_news(Notification(method, {"text": text, "s": session}), session)


async def written(outbox: Outbox, writer: SlowWriter) -> list[str]:
    outbox.close()
    await asyncio.wait_for(outbox.run(writer), 1)
    return [m if isinstance(m, str) else f"{m[0]} {m[1]['text']}".strip() for m in writer.messages]


async def test_replies_go_first_and_news_keeps_its_order() -> None:
    outbox = Outbox(Policy(), encode)
    say(outbox, "text", "1")
    say(outbox, "tool", "2")
    outbox.put_urgent(b'"reply"')
    say(outbox, "text", "3")
    outbox.put_in_order(b'"reply behind"', "s")
    outbox.put_urgent(b'"question"')
    assert await written(outbox, SlowWriter()) == ["reply", "question", "text 1", "tool 2", "text 3", "reply behind"]
    assert outbox.size == 0


async def test_neighbouring_text_of_a_session_is_merged_and_stays_in_its_place() -> None:
    outbox = Outbox(Policy(merge=join), encode)
    for text in "abc":
        say(outbox, "text", text)
        say(outbox, "text", text.upper(), session="other")
    say(outbox, "tool", "T")
    say(outbox, "text", "d")
    outbox.put_in_order(b'"r"', "s")
    say(outbox, "text", "e")
    assert await written(outbox, SlowWriter()) == ["text abc", "text ABC", "tool T", "text d", "r", "text e"]


async def test_what_is_written_is_never_merged_into() -> None:
    outbox, writer = Outbox(Policy(merge=join), encode), SlowWriter()
    running = asyncio.create_task(outbox.run(writer))
    for text in "abc":
        say(outbox, "text", text)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    running.cancel()
    assert [m[1]["text"] for m in writer.messages] == ["a", "b", "c"]


async def test_a_client_that_does_not_read_costs_a_bounded_heap() -> None:
    policy = Policy(merge=join, weigh=weigh, spare_bytes=2_000, text_bytes=10_000)
    outbox, writer = Outbox(policy, encode), SlowWriter(is_open=False)
    lost: list[frozenset[str]] = []
    outbox.on_lost = lost.append
    running = asyncio.create_task(outbox.run(writer))
    for number in range(20_000):
        say(outbox, "text", "word ")
        say(outbox, "usage", str(number))
        if number % 100 == 0:
            say(outbox, "tool", str(number))
    assert outbox.size < 10_000 + 200 * 60
    assert lost == []
    writer.read.set()
    await asyncio.sleep(0.01)
    running.cancel()
    assert lost == [frozenset({"s"})]
    assert [m[1]["text"] for m in writer.messages if m[0] == "tool"] == [str(n) for n in range(0, 20_000, 100)]
    assert sum(m[0] == "usage" for m in writer.messages) < 100


async def test_a_long_text_is_merged_without_counting_it_twice() -> None:
    outbox, writer = Outbox(Policy(merge=join, weigh=weigh, text_bytes=200_000), encode), SlowWriter()
    for _ in range(20_000):
        say(outbox, "text", "word ")
    assert 100_000 < outbox.size < 200_000
    assert (await written(outbox, writer))[0].startswith("text word word")
    assert sum(len(m[1]["text"]) for m in writer.messages) == 100_000
    assert outbox.size == 0


async def test_after_text_was_lost_none_follows_until_the_session_can_be_shown_anew() -> None:
    outbox, writer = Outbox(Policy(weigh=weigh, spare_bytes=100, text_bytes=1_000), encode), SlowWriter(is_open=False)
    lost: list[frozenset[str]] = []
    outbox.on_lost = lost.append
    running = asyncio.create_task(outbox.run(writer))
    await asyncio.sleep(0)
    say(outbox, "text", "shown")
    await asyncio.sleep(0)
    for number in range(100):
        say(outbox, "text", f"{number:02}")
    say(outbox, "text", "of another", session="other")
    shown = len(writer.messages)
    writer.read.set()
    await asyncio.sleep(0.01)
    numbers = [m[1]["text"] for m in writer.messages[shown:] if m[1]["s"] == "s"]
    assert numbers == [f"{number:02}" for number in range(len(numbers))], "a gap in the text"
    assert len(numbers) < 100
    assert lost == [frozenset({"s", "other"})]
    say(outbox, "text", "again")
    await asyncio.sleep(0.01)
    assert writer.messages[-1][1]["text"] == "again"
    running.cancel()


class StepWriter(SlowWriter):
    """Takes one batch a step."""

    async def drain(self) -> None:
        self.read.clear()
        await self.read.wait()


async def test_text_after_a_gap_waits_even_when_there_is_room_for_some() -> None:
    outbox, writer = Outbox(Policy(weigh=weigh, spare_bytes=1_000, text_bytes=200_000), encode), StepWriter()
    lost: list[frozenset[str]] = []
    outbox.on_lost = lost.append
    running = asyncio.create_task(outbox.run(writer))
    for number in range(300):
        say(outbox, "text", f"{number:03}" + "x" * 1000)
    while outbox.size:
        say(outbox, "text", "too early")
        writer.read.set()
        await asyncio.sleep(0.001)
    writer.read.set()
    await asyncio.sleep(0.001)
    running.cancel()
    assert lost == [frozenset({"s"})]
    texts = [m[1]["text"][:3] for m in writer.messages]
    assert texts == [f"{number:03}" for number in range(len(texts))]


async def test_a_client_is_given_up_when_what_may_not_be_dropped_fills_it() -> None:
    outbox = Outbox(Policy(full_bytes=10_000), encode)
    given_up: list[bool] = []
    outbox.on_full = lambda: given_up.append(True)
    for _ in range(80):
        say(outbox, "tool", "x" * 80)
    assert not given_up
    for _ in range(20):
        say(outbox, "tool", "x" * 80)
    assert given_up


@pytest.mark.parametrize("session", ["", "s"])
async def test_news_of_a_session_waits_for_the_reply_that_names_it(session: str) -> None:
    outbox = Outbox(Policy(merge=join), encode)
    hold = outbox.hold(session)
    say(outbox, "text", "early ")
    say(outbox, "text", "bird")
    outbox.put_urgent(b'"question"', "s", may_wait=True)
    say(outbox, "log", "of no session", session="")
    outbox.put_urgent(b'"reply"')
    outbox.release(hold, "s")
    assert await written(outbox, SlowWriter()) == ["reply", "question", "log of no session", "text early bird"]


async def test_a_new_session_does_not_keep_known_ones_waiting() -> None:
    outbox = Outbox(Policy(), encode)
    outbox.release(outbox.hold(""), "known")
    hold = outbox.hold("")
    say(outbox, "text", "old", session="known")
    say(outbox, "text", "new", session="fresh")
    outbox.put_urgent(b'"reply"')
    writer = SlowWriter()
    running = asyncio.create_task(outbox.run(writer))
    await asyncio.sleep(0.01)
    assert [m if isinstance(m, str) else m[1]["text"] for m in writer.messages] == ["reply", "old"]
    outbox.release(hold, "fresh")
    await asyncio.sleep(0.01)
    assert writer.messages[-1][1]["text"] == "new"
    running.cancel()


async def test_a_question_can_be_withdrawn_until_it_is_on_its_way() -> None:
    outbox, writer = Outbox(Policy(), encode), SlowWriter()
    first, second = outbox.put_urgent(b'"first"'), outbox.put_urgent(b'"second"')
    assert outbox.withdraw(first)
    assert not outbox.withdraw(first)
    assert await written(outbox, writer) == ["second"]
    assert not outbox.withdraw(second)
    assert outbox.size == 0


async def test_unread_replies_tell_us_to_take_no_more_requests() -> None:
    outbox, writer = Outbox(Policy(text_bytes=1000), encode), SlowWriter(is_open=False)
    running = asyncio.create_task(outbox.run(writer))
    await asyncio.wait_for(outbox.room(), 1)
    for _ in range(2000):  # more than one write carries
        outbox.put_urgent(json.dumps("x" * 100).encode())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(outbox.room(), 0.05)
    writer.read.set()
    await asyncio.wait_for(outbox.room(), 1)
    running.cancel()
