"""Blobs: named by their content, verified on reading."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.edits import text_hash
from hermitcrab.store.blobs import BlobError, BlobStore
from hermitcrab.store.files import write_whole


def place(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:]


@given(st.binary(max_size=300))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = BlobStore(tmp_path_factory.getbasetemp() / "shared-blobs")
    name = store.put(data)
    assert name == hashlib.sha256(data).hexdigest()
    assert store.get(name) == data


def test_a_text_has_the_name_its_hash_has(tmp_path: Path) -> None:
    text = "héllo \ud800"
    assert BlobStore(tmp_path).put(text.encode("utf-8", "surrogatepass")) == text_hash(text)


def test_files_and_folders_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    name = BlobStore(folder).put(b"x", sync=True)
    assert place(folder, name).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [name[2:]]


def test_a_missing_blob_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlobError, match="a" * 64):
        BlobStore(tmp_path).get("a" * 64)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_what_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BlobError, match="not the name"):
        BlobStore(tmp_path).get(name)


@pytest.mark.parametrize("damage", [b"", b"hellp", b"hello!"])
def test_a_damaged_blob_is_never_handed_out_and_mended_by_the_next_put(damage: bytes, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    name = store.put(b"hello")
    place(tmp_path, name).write_bytes(damage)
    with pytest.raises(BlobError, match="damaged"):
        store.get(name)
    store.put(b"hello")
    assert store.get(name) == b"hello"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "f"
    write_whole(target, b"old")

    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
