"""Framing: whole bodies out of bytes in any chopping, and nothing that brings it down."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.frames import BODY_LIMIT, HEADER_LIMIT, Frame, FrameDecoder, FrameError, encode_frame


def decode(*pieces: bytes, body_limit: int = BODY_LIMIT) -> list[bytes | str]:
    """Return bodies as bytes and errors by their kind."""
    decoder = FrameDecoder(body_limit=body_limit)
    found = [item for piece in pieces for item in decoder.feed(piece)]
    return [bytes(item.body) if isinstance(item, Frame) else item.kind for item in found]


def test_a_frame_is_a_header_an_empty_line_and_a_body() -> None:
    assert encode_frame(b"{}") == b"Content-Length: 2\r\n\r\n{}"
    assert decode(b"Content-Length: 2\r\n\r\n{}") == [b"{}"]


@pytest.mark.parametrize(
    "header",
    [
        b"content-length:2\r\n\r\n",
        b"CONTENT-LENGTH: 2  \r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 2\r\nContent-Type: x\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 2\n\n",
        b"\r\n\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_headers_as_clients_write_them(header: bytes) -> None:
    assert decode(header + b"{}") == [b"{}"]


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: five\r\n\r\n",
        b"Content-Length:\r\n\r\n",
        b"Content-Length: 2x\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"Content-Length: 999999999999999\r\n\r\n",
        b"Content-Length: 2\r\nno colon here\r\n\r\n",
        b"Content-Type: text/plain\r\n\r\n",
        b"hello\r\n\r\n",
        b"\x00\xff\r\n\r\n",
    ],
)
def test_a_bad_header_is_told_and_the_next_frame_is_found(header: bytes) -> None:
    assert decode(header + encode_frame(b"{}")) == ["malformed", b"{}"]


def test_garbage_before_a_header_is_dropped() -> None:
    assert decode(b"Warning: x\noops" + encode_frame(b"{}")) == ["garbage", b"{}"]
    assert decode(b"oops\n" + encode_frame(b"{}") + encode_frame(b"[]")) == ["garbage", b"{}", b"[]"]


def test_a_body_shorter_than_said_costs_its_neighbour_only() -> None:
    stream = b"Content-Length: 30\r\n\r\n{}" + encode_frame(b"[1]") + encode_frame(b"[2]") + encode_frame(b"[3]")
    found = decode(stream)
    assert found[-1] == b"[3]"
    assert len(found[0]) == 30


def test_an_endless_header_is_not_kept() -> None:
    decoder = FrameDecoder()
    for _ in range(1000):
        found = decoder.feed(b"x" * 1000)
    assert found == []
    assert len(decoder._header) <= HEADER_LIMIT
    assert [type(item) for item in decoder.feed(encode_frame(b"{}"))] == [Frame]


def test_being_lost_is_told_once_each_time() -> None:
    lost = b"x" * 5 * HEADER_LIMIT
    assert decode(lost + encode_frame(b"{}") + lost + encode_frame(b"[]")) == ["malformed", b"{}", "malformed", b"[]"]


def test_a_body_over_the_limit_is_refused_and_skipped_without_being_kept() -> None:
    decoder = FrameDecoder(body_limit=1000)
    (error,) = decoder.feed(b"Content-Length: 1001\r\n\r\n")
    assert error == FrameError("oversized", "a message of 1001 bytes; 1000 is the limit")
    assert decoder.feed(b"x" * 1000) == []
    assert decoder._body is None
    assert decoder.feed(b"x" + encode_frame(b"{}")) == [Frame(b"{}")]
    assert decode(encode_frame(b"y" * 1000), body_limit=1000) == [b"y" * 1000]


def test_a_stream_that_ends_inside_a_frame_says_so() -> None:
    for cut in range(1, 22):
        decoder = FrameDecoder()
        assert decoder.feed(b"Content-Length: 2\r\n\r\n{}"[:cut]) == []
        assert (problem := decoder.close()) is not None
        assert problem.kind == "truncated"
    assert FrameDecoder().close() is None


BODIES = st.lists(st.binary(max_size=300), max_size=8)
NOISE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"\r\n", b"\r\n\r\n", b"\n\n", b"Content-Length: ", b"content-length:7\r\n", b"12\r\n\r\n", b": "]
    ),
)


def chop(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(BODIES, st.lists(st.integers(0, 10_000), max_size=30))
def test_any_chopping_gives_the_same_messages(bodies: list[bytes], cuts: list[int]) -> None:
    assert decode(*chop(b"".join(map(encode_frame, bodies)), cuts)) == bodies


@given(st.lists(NOISE, max_size=30), st.lists(st.integers(0, 10_000), max_size=30))
def test_any_chopping_of_garbage_gives_the_same_errors(noise: list[bytes], cuts: list[int]) -> None:
    data = b"".join(noise)
    assert decode(*chop(data, cuts)) == decode(data) == decode(*[data[i : i + 1] for i in range(len(data))])


def test_chopping_makes_no_difference_around_the_header_limit() -> None:
    for length in range(HEADER_LIMIT - 20, HEADER_LIMIT + 20):
        data = b"x" * length + encode_frame(b"{}") * 2
        assert decode(data) == decode(*[data[i : i + 7] for i in range(0, len(data), 7)])
        assert decode(data)[-1] == b"{}"


def test_ten_thousand_mangled_frames_leave_it_standing() -> None:
    chance = random.Random(20261122)
    decoder = FrameDecoder(body_limit=4096)
    for _ in range(10_000):
        frame = bytearray(encode_frame(chance.randbytes(chance.randrange(200))))
        for _ in range(chance.randrange(4)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        if chance.random() < 0.3:
            del frame[chance.randrange(len(frame)) :]
        decoder.feed(bytes(frame))
    # Whatever it thinks it is in the middle of ends at last, and it hears again.
    found = [item for _ in range(9000) for item in decoder.feed(encode_frame(b"{}") * 10)]
    assert Frame(b"{}") in found[-10:]


@pytest.mark.parametrize("piece", [1, 100, 65_536])
def test_the_work_grows_with_the_bytes(piece: int) -> None:
    def seconds(size: int) -> float:
        stream = encode_frame(b"x" * size)
        decoder = FrameDecoder()
        start = time.process_time()
        for place in range(0, len(stream), piece):
            found = decoder.feed(stream[place : place + piece])
        assert len(found) == 1
        return time.process_time() - start

    size = 40_000 * piece if piece < 1000 else 20_000_000
    small = min(seconds(size // 8) for _ in range(3))
    large = min(seconds(size) for _ in range(3))
    assert large < small * 8 * 4 + 0.01  # quadratic would be 64 times
