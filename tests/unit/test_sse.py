from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.providers.sse import SseDecoder, SseError, SseEvent


def decode(*chunks: bytes, limit: int = 1000) -> list[tuple[str, str]]:
    decoder = SseDecoder(limit=limit)
    return [(event.name, event.data) for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"event: a\ndata: 1\n\n", [("a", "1")]),
        (b"event: a\rdata: 1\r\r", [("a", "1")]),
        (b"event: a\r\ndata: 1\r\n\r\n", [("a", "1")]),
        (b"data: one\ndata: two\ndata:\n\n", [("", "one\ntwo\n")]),
        (b": a comment\n\ndata:no space\n\n", [("", "no space")]),
        (b"data:  two spaces\n\n", [("", " two spaces")]),
        (b"\xef\xbb\xbfdata: bom\n\n", [("", "bom")]),
        (b"event: nothing\n\ndata: next\n\n", [("", "next")]),
        (b"data\n\n", [("", "")]),
        (b"id: 7\nretry: 3\nwhatever: x\ndata: y\n\n", [("", "y")]),
        (b"data: \xe2\x80\xa8 is no line end\n\n", [("", "\u2028 is no line end")]),
        (b"data: never ended\n", []),
        (b"data: never ended", []),
        (b"", []),
    ],
)
def test_what_a_stream_says(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert decode(stream) == events
    assert decode(*(bytes([byte]) for byte in stream)) == events  # in pieces of one byte, it says the same


LINE = st.sampled_from(["data: é😀", "data:", "event: x", ": c", "", "id: 1", "dat", "data: a:b"])
END = st.sampled_from(["\n", "\r", "\r\n"])


@given(st.lists(st.tuples(LINE, END)), st.lists(st.integers(0, 400)))
def test_pieces_do_not_matter(lines: list[tuple[str, str]], cuts: list[int]) -> None:
    stream = "".join(line + end for line, end in lines).encode()
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert decode(*chunks) == decode(stream)


def test_damaged_bytes_are_an_error_and_not_replaced() -> None:
    decoder = SseDecoder()
    arriving = decoder.feed(b"data: whole\n\ndata: \xff\n\n")
    assert next(arriving) == SseEvent("", "whole")  # what came before the damage counts
    with pytest.raises(SseError, match="not UTF-8"):
        next(arriving)


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(SseError, match="larger than 1000"):
        decode(*[b"x" * 100] * 11)
    with pytest.raises(SseError, match="larger than 1000"):
        decode(b"data: " + b"x" * 500 + b"\ndata: " + b"x" * 501 + b"\n\n")
    assert len(decode(*[b": " + b"x" * 100 + b"\n", b"data: 1\n\n"] * 50)) == 50  # comments do not add up
