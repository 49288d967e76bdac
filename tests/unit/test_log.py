"""The session log: whatever happens to the file, everything that is whole loads, and the rest is named."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.store import records
from hermitcrab.store.blobs import BlobStore
from hermitcrab.store.locks import Holder
from hermitcrab.store.log import LogContent, LogReadOnlyError, SessionLog, read_log
from hermitcrab.store.paths import Paths
from hermitcrab.store.sessions import SessionStore, project_key

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(Paths.under(tmp_path / "home"))


def again(tmp_path: Path) -> SessionStore:
    """Return a store as another process would have it."""
    return SessionStore(Paths.under(tmp_path / "home"))


def plain(content: LogContent) -> list[dict[str, Any]]:
    """Return the records without what differs from run to run."""
    return [
        {key: value for key, value in record.items() if key not in {"t", "m", "crc", "v"}} for record in content.records
    ]


def filled(store: SessionStore, root: Path, count: int) -> SessionLog:
    log = store.create(root)
    for number in range(count):
        log.append_now("note", {"text": f"number {number}"})
    return log


# The format.


async def test_a_record_is_a_line_of_json_whose_last_member_is_the_checksum_of_the_rest(
    store: SessionStore, tmp_path: Path
) -> None:
    log = store.create(tmp_path, model="m")
    seq = await log.append("user", {"turn": "t1", "text": "héllo\n"})
    first, second = log.path.read_bytes().splitlines()
    record = json.loads(second)
    assert list(record) == ["v", "seq", "t", "m", "kind", "turn", "text", "crc"]
    assert (record["v"], record["seq"], seq, record["kind"], record["text"]) == (1, 2, 2, "user", "héllo\n")
    without = second[: second.rindex(b',"crc":')] + b"}"
    assert record["crc"] == zlib.crc32(without)
    assert abs(record["t"] - time.time()) < 60
    assert json.loads(first)["root"] == os.path.realpath(tmp_path)


@pytest.mark.parametrize("key", ["v", "seq", "t", "m", "kind", "crc"])
async def test_a_payload_cannot_speak_for_the_record(key: str, store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    with pytest.raises(ValueError, match=key):
        await log.append("x", {key: 1})
    assert await log.append("x", {}) == 2


async def test_nothing_is_there_for_others_to_read(store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ODD = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["\0", "\ud800", "\r\n\u2028", '"crc":1}', ',"crc":12}\n', "\x1b[2J", "é" * 40_000, "x" * 70_000, "\udfff" * 30_000]
)
PAYLOADS = st.dictionaries(
    st.text().filter(lambda key: key not in records.RESERVED),
    JSON | ODD | st.fixed_dictionaries({"$blob": ODD}) | st.lists(ODD, max_size=4),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PAYLOADS, min_size=1, max_size=4))
def test_whatever_is_logged_comes_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    store = again(folder)
    log = store.create(folder)
    for payload in payloads:
        log.append_now("x", payload)
    log.close()
    content = store.read(log.id)
    assert content.problems == ()
    assert [{**record, "seq": 0} for record in plain(content)[1:]] == [
        {"seq": 0, "kind": "x", **one} for one in payloads
    ]


# Large values.


async def test_a_large_value_lives_in_the_blob_store(store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    text, items = "x" * 200_000, ["é" * 1000] * 100
    await log.append("tool_result", {"text": text, "items": items, "small": "y"}, sync=True)
    line = json.loads(log.path.read_bytes().splitlines()[1])
    assert line["text"] == {"$blob": line["text"]["$blob"], "size": 200_000}
    assert line["items"]["json"] is True
    assert log.path.stat().st_size < 2000
    record = store.read(log.id).records[1]
    assert (record["text"], record["items"], record["small"]) == (text, items, "y")


async def test_arguments_that_look_like_a_reference_are_not_one(store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    await log.append("tool_intent", {"arguments": {"$blob": "a" * 64, "size": 1}})
    assert store.read(log.id).records[1]["arguments"] == {"$blob": "a" * 64, "size": 1}


async def test_a_lost_blob_costs_its_own_value_and_is_named(store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    await log.append("a", {"text": "x" * 200_000})
    await log.append("b", {"items": ["y" * 200_000]})
    await log.append("c", {"text": "fine"})
    for path in (tmp_path / "home" / "data" / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    content = store.read(log.id)
    assert [record["kind"] for record in content.records] == ["session", "a", "c"]
    assert content.records[1]["text"].startswith("[lost: the blob")
    assert [problem[:24] for problem in content.problems] == ["record 2 lost a part: th", "record 3 was skipped: th"]


# Order and cancellation.


async def test_appends_keep_the_order_in_which_they_were_called(store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    numbers = await asyncio.gather(*(log.append("n", {"n": n}, sync=n % 10 == 0) for n in range(60)))
    assert numbers == list(range(2, 62))
    assert [record["n"] for record in store.read(log.id).records[1:]] == list(range(60))


async def test_a_cancelled_append_leaves_a_whole_record(store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    for number in range(20):
        task = asyncio.create_task(log.append("n", {"n": number, "text": "x" * 5000}))
        for _ in range(number % 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    last = await log.append("last", {})
    content = store.read(log.id)
    assert content.problems == ()
    assert [record["seq"] for record in content.records] == list(range(1, last + 1))


async def test_what_was_to_be_logged_is_logged_even_when_the_caller_is_cancelled_in_the_queue(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = store.create(tmp_path)
    monkeypatch.setattr("os.fdatasync", lambda handle: time.sleep(0.1))
    first = asyncio.create_task(log.append("first", {}, sync=True))
    second = asyncio.create_task(log.append("second", {}))
    await asyncio.sleep(0.02)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await log.append("third", {})
    assert [record["kind"] for record in store.read(log.id).records[1:]] == ["first", "second", "third"]


async def test_the_loop_stays_free_while_the_disk_is_slow(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = store.create(tmp_path)
    monkeypatch.setattr("os.fdatasync", lambda handle: time.sleep(0.3))
    task = asyncio.create_task(log.append("user", {}, sync=True))
    worst = 0.0
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        worst = max(worst, time.perf_counter() - before)
    assert worst < 0.2


async def test_sync_reaches_the_disk_and_its_absence_does_not_wait_for_it(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = store.create(tmp_path)
    synced: list[int] = []
    monkeypatch.setattr("os.fdatasync", synced.append)
    await log.append("delta", {})
    assert synced == []
    await log.append("tool_intent", {}, sync=True)
    assert len(synced) == 1


# A disk that is full.


async def test_short_writes_are_completed(store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = store.create(tmp_path)
    real = os.write
    monkeypatch.setattr("os.write", lambda handle, data: real(handle, data[:7]))
    await log.append("user", {"text": "a longer text"})
    assert store.read(log.id).records[1]["text"] == "a longer text"


async def test_a_full_disk_raises_and_leaves_the_log_as_it_was(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = store.create(tmp_path)
    before = log.path.read_bytes()
    real, room = os.write, [40]

    def nearly_full(handle: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(handle, data[: room[0]])
        room[0] -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr("os.write", nearly_full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                await log.append("tool_intent", {"text": "x" * 100}, sync=True)
    assert log.path.read_bytes() == before
    assert await log.append("tool_intent", {"text": "there is room again"}) == 2
    assert store.read(log.id).problems == ()


async def test_a_sync_that_fails_takes_the_record_back(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = store.create(tmp_path)

    def broken(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", broken)
        with pytest.raises(OSError, match="Input/output"):
            await log.append("tool_intent", {}, sync=True)
    assert len(store.read(log.id).records) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    path = tmp_path / "ses_1.jsonl"
    log = SessionLog("ses_1", path, BlobStore(tmp_path / "blobs"))
    log.open()
    handle = os.open("/dev/full", os.O_WRONLY)
    os.dup2(handle, log._handle)
    os.close(handle)
    with pytest.raises(OSError, match="No space"):
        log.append_now("x", {})
    log.close()


# Damage.


def test_a_torn_tail_is_cut_back_and_set_aside(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 3)
    log.close()
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b'{"v":1,"seq":5,"t":1.0,"m"')
    reopened, content = again(tmp_path).open(log.id)
    assert len(content.records) == 4
    assert content.problems == ("the last 26 bytes are no whole record",)
    assert log.path.read_bytes() == whole
    assert log.path.with_suffix(".torn-1").read_bytes() == b'{"v":1,"seq":5,"t":1.0,"m"'
    assert reopened.append_now("x", {}) == 5


def test_every_place_a_tail_can_be_torn_at(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 2)
    log.close()
    whole = log.path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    for size in range(len(whole)):
        log.path.write_bytes(whole[:size])
        content = read_log(log.path, BlobStore(tmp_path))
        assert len(content.records) == sum(end <= size for end in ends)
        assert bool(content.problems) is (size not in {0, *ends})


def test_a_bad_record_in_the_middle_is_skipped_and_named(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 4)
    log.close()
    log.path.write_bytes(log.path.read_bytes().replace(b"number 1", b"number 7"))
    reopened, content = again(tmp_path).open(log.id)
    assert [record.get("text") for record in content.records] == [None, "number 0", "number 2", "number 3"]
    assert content.problems == ("record 3 was skipped: its checksum is wrong",)
    assert reopened.append_now("x", {}) == 6


def test_zeros_after_a_power_cut_are_cut_off(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 2)
    log.close()
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b"\0" * 4096 + b"\n" + b"\0" * 10)
    _, content = again(tmp_path).open(log.id)
    assert len(content.records) == 3
    assert content.problems == ("the last 4107 bytes with 1 unreadable lines are no whole record",)
    assert log.path.read_bytes() == whole


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.floats(0, 1, exclude_max=True), st.integers(1, 255), min_size=1, max_size=4))
def test_damage_at_any_byte_costs_only_the_records_it_hits(
    tmp_path_factory: pytest.TempPathFactory, damage: dict[float, int]
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    log = filled(again(folder), folder, 8)
    log.close()
    whole = log.path.read_bytes()
    damaged = bytearray(whole)
    for place, flip in damage.items():
        damaged[int(place * len(whole))] ^= flip
    hit: set[int] = set()
    for at, (before, after) in enumerate(zip(whole, damaged, strict=True)):
        if before != after:
            line = whole[:at].count(b"\n")
            hit |= {line, line + 1} if before == 10 else {line}
    log.path.write_bytes(bytes(damaged))

    reopened, content = again(folder).open(log.id)
    assert {record["seq"] - 1 for record in content.records} == set(range(9)) - hit
    assert bool(content.problems) is bool(hit)
    seq = reopened.append_now("after", {})
    reopened.close()
    later = read_log(log.path, BlobStore(folder))
    assert later.records == (*content.records, later.records[-1])
    assert later.records[-1]["seq"] == seq


@pytest.mark.parametrize(
    "text", [b"", b"\n\n\n", b"\0" * 100, b"hello", b"[]\n", b"{}\n", b"\xff\xfe\n", b"[" * 200_000 + b"\n"]
)
def test_a_file_that_is_no_log_loads_as_an_empty_one(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ses_1.jsonl"
    path.write_bytes(text)
    content = read_log(path, BlobStore(tmp_path))
    assert content.records == ()
    assert bool(content.problems) is bool(text)


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"v":1}', b'{"v":1,"seq":true,"kind":"x"}', b'{"v":1,"seq":1,"kind":2}', b'{"v":0,"seq":1,"kind":"x"}'],
)
def test_a_right_checksum_does_not_make_a_record(body: bytes) -> None:
    line = records.sealed(body).rstrip(b"\n") if body != b"{}" else b'{"a":1,"crc":%d}' % zlib.crc32(b'{"a":1}')
    assert records.decode(line) == records.Bad("it is not a record")


def test_deep_nesting_is_a_bad_record_not_a_crash() -> None:
    line = records.sealed(b'{"v":1,"seq":1,"kind":"x","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}").rstrip(b"\n")
    assert records.decode(line) == records.Bad("it is not JSON")


def test_a_number_that_came_before_is_not_taken_twice(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 2)
    log.close()
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join([*lines[:2], lines[1], *lines[2:]]))
    content = store.read(log.id)
    assert [record["seq"] for record in content.records] == [1, 2, 3]
    assert content.problems == ("record 3 was skipped: its number 2 is not above that of the record before",)


def test_unknown_kinds_and_keys_are_kept(store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    log.append_now("from_the_future", {"new": {"key": [1]}})
    assert store.read(log.id).records[1]["new"] == {"key": [1]}


def test_a_log_of_a_newer_version_is_read_only_and_untouched(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 1)
    log.close()
    newer = records.sealed(b'{"v":2,"seq":3,"t":1,"m":1,"kind":"note","text":"later"}')
    log.path.write_bytes(log.path.read_bytes() + newer + b'{"torn')
    before = log.path.read_bytes()
    reopened, content = again(tmp_path).open(log.id)
    assert [record.get("text") for record in content.records] == [None, "number 0", "later"]
    assert any("a newer version wrote this session (format 2)" in problem for problem in content.problems)
    with pytest.raises(LogReadOnlyError, match="newer version"):
        reopened.append_now("x", {})
    assert log.path.read_bytes() == before


# Two engines.


def test_a_second_opener_reads_and_cannot_write(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 1)
    second, content = again(tmp_path).open(log.id)
    assert len(content.records) == 2
    assert f"in use by process {os.getpid()}" in second.read_only
    with pytest.raises(LogReadOnlyError, match="in use"):
        second.append_now("x", {})
    second.close()
    assert log.append_now("x", {}) == 3  # the first is not disturbed
    log.close()
    third, _ = again(tmp_path).open(log.id)
    assert third.read_only == ""


CHILD = """
import sys, pathlib
from hermitcrab.store.paths import Paths
from hermitcrab.store.sessions import SessionStore
store = SessionStore(Paths.under(pathlib.Path(sys.argv[1])))
log = store.open(sys.argv[2])[0] if len(sys.argv) > 2 else store.create(pathlib.Path("/"))
print(log.id, log.read_only, flush=True)
n = 0
while True:
    n += 1
    log.append_now("note", {"n": n, "text": "x" * (n % 700)}, sync=n % 50 == 0)
    print(n, flush=True)
"""


def child(tmp_path: Path, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "home"), *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("pause", [0.0, 0.013, 0.05])
def test_kill_9_while_appending_loses_nothing_that_was_acknowledged(pause: float, tmp_path: Path) -> None:
    with child(tmp_path) as process:
        assert process.stdout is not None
        session = process.stdout.readline().split()[0]
        seen = [process.stdout.readline() for _ in range(100)]
        second, _ = again(tmp_path).open(session)
        assert f"process {process.pid}" in second.read_only  # the lock is seen from outside too
        second.close()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        acknowledged = int((seen[-1] + process.stdout.read()).split()[-1])
    log, content = again(tmp_path).open(session)  # a stale lock does not stop anybody
    assert log.read_only == ""
    numbers = [record["n"] for record in content.records if record["kind"] == "note"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= acknowledged
    assert log.append_now("x", {}) == len(numbers) + 2
    log.close()


def test_a_holder_is_known_by_more_than_its_number() -> None:
    mine = Holder.current()
    assert mine.is_alive()
    assert Holder.parse(mine.as_bytes()) == mine
    assert not Holder(mine.pid, "another boot", mine.start).is_alive()
    assert not Holder(mine.pid, mine.boot, "12345").is_alive()
    assert Holder.parse(b"rubbish") is None
    assert Holder.parse(b"[1]") is None


def test_where_the_kernel_keeps_no_locks_the_file_says_who_holds_it(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = filled(store, tmp_path, 1)
    log.close()
    lock = log.path.with_suffix(".lock")

    def unsupported(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    lock.write_bytes(Holder(1, Holder.current().boot, Holder.current().start).as_bytes())
    stale, _ = again(tmp_path).open(log.id)
    assert stale.read_only == ""  # process 1 lives, but it is not the one that started then
    stale.close()
    with child(tmp_path) as other:
        pid = other.pid
        start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        lock.write_bytes(Holder(pid, Holder.current().boot, start).as_bytes())
        held, _ = again(tmp_path).open(log.id)
        assert f"in use by process {pid}" in held.read_only
        other.kill()
        other.communicate()
    free, _ = again(tmp_path).open(log.id)
    assert free.read_only == ""


# Sessions.


def test_sessions_are_listed_with_what_one_needs_to_choose(store: SessionStore, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first = store.create(one)
    first.append_now("user", {"turn": "t1", "text": "\n  Fix the   bug\x1b[2J\nin a.py"})
    first.append_now("tool_intent", {"turn": "t1", "arguments": {"kind": "user", "text": '{"kind":"user"}'}})
    first.append_now("user", {"turn": "t2", "text": "more"})
    os.utime(first.path, (time.time() + 60, time.time() + 60))
    second = store.create(two)
    summaries = again(tmp_path).list()
    assert [summary.id for summary in summaries] == [first.id, second.id]
    assert (summaries[0].title, summaries[0].turns, summaries[0].root) == ("Fix the bug[2J", 2, one)
    assert (summaries[1].title, summaries[1].turns) == ("", 0)
    assert summaries[0].created <= summaries[1].created <= time.time()
    assert [summary.id for summary in store.list(two)] == [second.id]
    assert store.list(tmp_path / "nowhere") == []


def test_an_unchanged_log_is_not_read_again(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = filled(store, tmp_path, 1)
    before = store.list()
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("read again"))
    assert store.list() == before
    monkeypatch.undo()
    log.append_now("user", {"text": "new"})
    assert store.list()[0].title == "new"


def test_many_sessions_are_listed_quickly(store: SessionStore, tmp_path: Path) -> None:
    log = store.create(tmp_path)
    for number in range(200):
        log.append_now("user", {"text": f"prompt {number}"})
        log.append_now("tool_result", {"text": "x" * 20_000})
    began = time.process_time()
    assert store.list()[0].turns == 200
    assert time.process_time() - began < 1.0  # 4 MB


@pytest.mark.parametrize("session", ["", "ses_none", "../../etc/passwd", "ses_*", "ses_1/../x", "SES_1", "ses_1\n"])
def test_a_session_that_is_not_there(session: str, store: SessionStore, tmp_path: Path) -> None:
    store.create(tmp_path)
    with pytest.raises(HermitcrabError, match="there is no session"):
        store.open(session)
    with pytest.raises(HermitcrabError, match="there is no session"):
        store.read(session)


def test_a_session_whose_first_record_is_damaged_still_knows_its_root(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 2)
    log.close()
    data = bytearray(log.path.read_bytes())
    data[20] ^= 1
    log.path.write_bytes(bytes(data))
    reopened, content = again(tmp_path).open(log.id)
    assert (content.root, len(content.records)) == (os.path.realpath(tmp_path), 2)
    assert again(tmp_path).list()[0].root == Path(os.path.realpath(tmp_path))
    reopened.close()


def test_projects_are_told_apart_by_their_real_path(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a b")
    assert project_key(tmp_path / "a b") == project_key(tmp_path / "link")
    assert project_key(tmp_path / "a b") != project_key(tmp_path / "a-b")
    assert project_key(tmp_path / "a b").startswith("a-b-")
    assert project_key(Path("/")).startswith("root-")


def test_closing_gives_everything_back(store: SessionStore, tmp_path: Path) -> None:
    log = filled(store, tmp_path, 1)
    store.close()
    store.close()
    with pytest.raises(LogReadOnlyError, match="closed"):
        log.append_now("x", {})
    assert again(tmp_path).open(log.id)[0].read_only == ""


# Logs that were written by earlier versions must load for ever.


def shortened(value: Any) -> Any:
    """Replace what is too long for a page by its hash."""
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shortened(inner) for inner in value]
    text = json.dumps(value)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if len(text) > 1000 else value


@pytest.mark.parametrize("path", sorted((GOLDEN / "logs").glob("*.jsonl")), ids=lambda path: path.stem)
def test_golden_logs(path: Path) -> None:
    content = read_log(path, BlobStore(GOLDEN / "blobs"))
    expected = json.loads(path.with_suffix(".expected.json").read_text("utf-8"))
    assert list(content.problems) == expected["problems"]
    assert content.root == expected["root"]
    assert shortened(list(content.records)) == expected["records"]


def test_there_are_golden_logs() -> None:
    assert {path.stem for path in (GOLDEN / "logs").glob("*.jsonl")} >= {"first_light", "damaged"}


def test_a_record_written_today_is_byte_for_byte_what_the_golden_log_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1790000000.25)
    monkeypatch.setattr("time.monotonic", lambda: 12.5)
    line = records.encode(2, "user", {"turn": "turn_1", "text": "naïve → ok\n"}, BlobStore(tmp_path), sync=False)
    assert line in (GOLDEN / "logs" / "first_light.jsonl").read_bytes()
