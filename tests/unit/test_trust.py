"""Trust: of exactly one real folder, in one private file."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from hermitcrab.core.errors import SettingsError
from hermitcrab.permissions.trust import TrustStore
from hermitcrab.store.paths import Paths


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    return TrustStore.in_paths(Paths.under(tmp_path / "home"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "config" / "trust.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / "sub").mkdir(parents=True)
    return made


def test_nothing_is_trusted_before_a_person_says_so(store: TrustStore, folder: Path, file: Path) -> None:
    assert not store.is_trusted(folder)
    assert not file.exists()


def test_trust_and_revoke(store: TrustStore, folder: Path) -> None:
    store.trust(folder)
    assert store.is_trusted(folder)
    assert store.folders() == (folder,)
    store.revoke(folder)
    assert not store.is_trusted(folder)


def test_it_covers_neither_children_nor_parents_nor_siblings(store: TrustStore, folder: Path) -> None:
    store.trust(folder)
    for other in (folder / "sub", folder.parent, Path(f"{folder}2"), Path("/")):
        assert not store.is_trusted(other)


def test_it_is_the_real_folder_that_counts(store: TrustStore, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    store.trust(link)
    assert store.is_trusted(folder)
    link.unlink()
    other = tmp_path / "other"
    other.mkdir()
    link.symlink_to(other)
    assert not store.is_trusted(link)


def test_it_outlives_the_process_and_reaches_others_at_once(store: TrustStore, folder: Path, tmp_path: Path) -> None:
    other = TrustStore.in_paths(Paths.under(tmp_path / "home"))
    assert not other.is_trusted(folder)
    store.trust(folder)
    assert other.is_trusted(folder)
    store.revoke(folder)
    assert not other.is_trusted(folder)


def test_the_file_is_private(store: TrustStore, folder: Path, file: Path) -> None:
    store.trust(folder)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_only_a_folder_can_be_trusted(store: TrustStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(SettingsError, match="not a folder"):
            store.trust(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"folders": []}', "\x00", "[" * 100_000])
def test_a_damaged_list_trusts_nothing_and_is_not_overwritten(
    text: str, store: TrustStore, folder: Path, file: Path
) -> None:
    store.trust(folder)
    file.write_text(text)
    assert not store.is_trusted(folder)
    with pytest.raises(SettingsError, match=r"trust\.json"):
        store.trust(folder)
    assert file.read_text() == text


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_list_others_can_write_is_not_believed(mode: int, store: TrustStore, folder: Path, file: Path) -> None:
    store.trust(folder)
    file.chmod(mode)
    os.utime(file, (1, 1))
    assert not store.is_trusted(folder)


def test_a_list_that_belongs_to_somebody_else_is_not_believed(store: TrustStore, folder: Path, file: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to give a file away")
    store.trust(folder)
    os.chown(file, 65534, 65534)
    os.utime(file, (1, 1))
    assert not store.is_trusted(folder)


def test_a_fifo_in_its_place_does_not_hang(store: TrustStore, folder: Path, file: Path) -> None:
    file.parent.mkdir(parents=True)
    os.mkfifo(file, 0o600)
    assert not store.is_trusted(folder)


def test_a_name_no_encoding_knows(store: TrustStore, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff"))
    odd.mkdir()
    store.trust(odd)
    assert store.is_trusted(odd)
    assert TrustStore.in_paths(Paths.under(tmp_path / "home")).is_trusted(odd)


async def test_changes_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    folders = [tmp_path / f"p{n}" for n in range(12)]
    for one in folders:
        one.mkdir()
    stores = [TrustStore.in_paths(Paths.under(tmp_path / "home")) for _ in folders]
    await asyncio.gather(*(asyncio.to_thread(s.trust, f) for s, f in zip(stores, folders, strict=True)))
    assert all(stores[0].is_trusted(one) for one in folders)


def test_other_keys_in_the_file_do_not_matter(store: TrustStore, folder: Path, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"v": 9, "folders": {str(folder): {"new": "key"}}, "later": 1}))
    file.chmod(0o600)
    assert store.is_trusted(folder)


def test_asking_is_quick(store: TrustStore, folder: Path) -> None:
    store.trust(folder)
    began = time.process_time()
    for _ in range(1000):
        store.is_trusted(folder)
    assert time.process_time() - began < 1.0
