r"""One line of a session log: a JSON object whose last member is the checksum of the rest.

A record is a line `{"v":1,"seq":N,"t":T,"m":M,"kind":K,…,"crc":C}` in UTF-8, ended by `\n`. `C` is the CRC-32 (as in
zlib, unsigned, decimal) of the line's bytes without the newline and without the member `,"crc":C`: of `{…}` as it
would be had the member never been written. `v` is the format, `seq` grows along the log, `t` is the wall clock in
seconds since 1970 and `m` the monotonic clock of that start of the machine.

A member that takes more than 64 kB lives in the blob store, and `{"$blob": sha256, "size": bytes}` stands in its place:
a text as its UTF-8 bytes, anything else as JSON with `"json": true` beside. Only the record's own members are looked
at, never what is inside them.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from dataclasses import dataclass
from typing import Any, cast

from hermitcrab.core.messages import JsonObject
from hermitcrab.store.blobs import BlobError, BlobStore

VERSION = 1
LARGE = 64 * 1024
RESERVED = frozenset({"v", "seq", "t", "m", "kind", "crc"})

_LINE = re.compile(rb'(\{.*),"crc":(\d{1,10})\}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that is no record, and why."""

    reason: str


def encode(seq: int, kind: str, payload: JsonObject, blobs: BlobStore, *, sync: bool) -> bytes:
    """Return the line of one record, newline included; large members go to `blobs`."""
    if taken := RESERVED & payload.keys():
        raise ValueError(f"a record has its own `{min(taken)}`")
    record: JsonObject = {"v": VERSION, "seq": seq, "t": time.time(), "m": time.monotonic(), "kind": kind}
    record |= {key: _stored(value, blobs, sync=sync) for key, value in payload.items()}
    return sealed(_dump(record))


def sealed(body: bytes) -> bytes:
    """Return a JSON object's bytes with their checksum as last member and the newline."""
    return b'%s,"crc":%d}\n' % (body[:-1], zlib.crc32(body))


def decode(line: bytes) -> JsonObject | Bad:
    """Return the record of a line without its newline, or what is wrong with it; blobs are not looked up."""
    match = _LINE.fullmatch(line)
    if match is None:
        return Bad("it has no checksum")
    if zlib.crc32(match[1] + b"}") != int(match[2]):
        return Bad("its checksum is wrong")
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return Bad("it is not JSON")
    if not isinstance(record, dict) or not _is_envelope(cast("JsonObject", record)):
        return Bad("it is not a record")
    return cast("JsonObject", record)


def restore(record: JsonObject, blobs: BlobStore) -> tuple[JsonObject | None, str]:
    """Return the record with its large members back, and what could not be had; None when it is no use without."""
    problem = ""
    whole: JsonObject = {}
    for key, value in record.items():
        if not _is_reference(value):
            whole[key] = value
            continue
        try:
            whole[key] = _fetched(value, blobs)
        except (BlobError, ValueError, RecursionError) as error:
            problem = str(error)
            if value.get("json"):
                return None, problem
            whole[key] = f"[lost: {error}]"
    return whole, problem


def _is_envelope(record: JsonObject) -> bool:
    numbers: list[Any] = [record.get("v"), record.get("seq")]
    return all(type(number) is int and number > 0 for number in numbers) and isinstance(record.get("kind"), str)


def _dump(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair, as some models send them: only an escape can hold it
        return json.dumps(value, separators=(",", ":")).encode()


def _stored(value: Any, blobs: BlobStore, *, sync: bool) -> Any:
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass") if len(value) * 4 > LARGE else b""
        return {"$blob": blobs.put(data, sync=sync), "size": len(data)} if len(data) > LARGE else value
    if not isinstance(value, (list, dict)):
        return value
    data = _dump(value)
    if len(data) <= LARGE and not (isinstance(value, dict) and "$blob" in value):
        return cast("Any", value)
    return {"$blob": blobs.put(data, sync=sync), "size": len(data), "json": True}


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and "$blob" in value


def _fetched(value: JsonObject, blobs: BlobStore) -> Any:
    data = blobs.get(str(value["$blob"]))
    return json.loads(data) if value.get("json") else data.decode("utf-8", "surrogatepass")
