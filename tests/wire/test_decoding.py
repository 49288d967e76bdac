"""Long documents are read in slices: the same values, the same refusals, and no long hold on the loop."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.lsp.decoding import SLICED_FROM, decode, decode_in_slices, slices

WINDOW = 48  # small enough that everything is cut everywhere; a number has to fit


def in_slices(body: bytes, window: int = WINDOW) -> Any:
    steps = slices(body, window)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


TEXT = st.text(st.sampled_from('a"\\/\n\u00e9\u4e2d\U0001f600\ud800\udc00u0'), max_size=80)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXT, inner, max_size=6),
    max_leaves=40,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_slices_read_what_json_reads(value: Any, is_ascii: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "replace")
    assert in_slices(body) == json.loads(body)


@given(VALUES, st.data())
def test_slices_refuse_what_json_refuses(value: Any, data: st.DataObject) -> None:
    body = bytearray(json.dumps(value).encode())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place : place + 1] = data.draw(st.sampled_from([b"", b"\x00", b"{", b"}", b'"', b"\\", b",", b"\xff", b"N"]))
    try:
        expected = decode(bytes(body))
    except ValueError:
        with pytest.raises(ValueError):
            in_slices(bytes(body))
    else:
        assert in_slices(bytes(body)) == expected


@pytest.mark.parametrize(
    "text", ["\\" * 3000, "\\ud83d" * 700, "\ud83d\ude00" * 700, '"' * 3000, "\\ud83d\\ude00" * 300]
)
def test_no_escape_and_no_surrogate_pair_is_cut(text: str) -> None:
    body = json.dumps([text, {text: text}]).encode()
    for window in range(48, 64):
        assert in_slices(body, window) == json.loads(body)


@pytest.mark.parametrize(
    "body", [b"", b" ", b"[1", b"[1,]", b"{1:2}", b'{"a"}', b"[] []", b"NaN", b"[-Infinity]", b"\xff", b'"\x01"']
)
def test_what_is_not_json_is_refused_at_any_size(body: bytes) -> None:
    with pytest.raises(ValueError):
        decode(body)
    with pytest.raises(ValueError):
        in_slices(body)
    with pytest.raises(ValueError):
        in_slices(b" " * 2 * SLICED_FROM + body, SLICED_FROM)


@pytest.mark.parametrize("depth", [100_000, 2_000_000])
def test_deep_nesting_is_refused_not_followed(depth: int) -> None:
    with pytest.raises(ValueError):
        decode(b"[" * depth)
    with pytest.raises(ValueError):
        in_slices(b"[" * depth, SLICED_FROM)


def longest_hold(body: bytes) -> tuple[float, Any]:
    """Return the longest time in seconds (of the processor) between two turns of the loop while `body` is read."""

    async def run() -> tuple[float, Any]:
        reading = asyncio.create_task(decode_in_slices(body))
        longest, last = 0.0, time.thread_time()
        while not reading.done():
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now
        return longest, reading.result()

    return asyncio.run(run())


def diagnostics(count: int) -> bytes:
    item = {
        "range": {"start": {"line": 1, "character": 2}, "end": {"line": 1, "character": 20}},
        "severity": 1, "source": "pyright", "message": 'a message with "quotes" and some length to it',
    }  # fmt: skip
    return json.dumps({"jsonrpc": "2.0", "params": {"context": {"diagnostics": [item] * count}}}).encode()


@pytest.mark.parametrize(
    "body",
    [
        diagnostics(10_000),
        json.dumps({"params": {"text": 'def f():\n    return "x"\n' * 200_000}}).encode(),
        json.dumps({"params": {"text": "中文\n" * 300_000}}).encode(),
    ],
    ids=["10 000 diagnostics", "a text of 5 MB", "an escaped text of 4 MB"],
)
def test_a_long_document_gives_way(body: bytes) -> None:
    at_once = time.thread_time()
    expected = json.loads(body)
    at_once = time.thread_time() - at_once
    best = 1.0
    for _ in range(3):
        held, value = longest_hold(body)
        assert value == expected
        best = min(best, held)
    assert best < max(0.012, at_once / 4), f"held {best * 1000:.1f} ms; json.loads takes {at_once * 1000:.1f} ms"
