"""Files byte for byte: what is read goes back unchanged, and a write happens whole or not at all."""

from __future__ import annotations

import codecs
import errno
import os
import resource
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermitcrab.core.errors import StaleEditError, ToolError
from hermitcrab.workspace import files
from hermitcrab.workspace.files import FILE_LIMIT, read_file, remove_file, write_file

LATIN = "# -*- coding: latin-1 -*-\nname = 'é'\n"
CORPUS = {
    "plain": b"a\nb\n",
    "crlf": b"a\r\nb\r\n",
    "mixed line ends": b"a\r\nb\nc\rd",
    "lone CR": b"a\rb\r",
    "no final newline": b"a\nb",
    "empty": b"",
    "other separators": "a\fb\vc\x85d\u2028e\n".encode(),
    "UTF-8": "é漢😀\n".encode(),
    "UTF-8 with BOM": codecs.BOM_UTF8 + "é\r\n".encode(),
    "UTF-16 LE": codecs.BOM_UTF16_LE + "é😀\n".encode("utf-16-le"),
    "UTF-16 BE": codecs.BOM_UTF16_BE + "é😀\r\n".encode("utf-16-be"),
    "two BOMs": codecs.BOM_UTF8 * 2 + b"x\n",
    "declared Latin-1": LATIN.encode("latin-1"),
    "declared in the second line": b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n",
    "declared for Emacs": b"; -*- mode: lisp; coding: koi8-r -*-\n\xc1\n",
    "declared in XML": b"<?xml version='1.0' encoding='ISO-8859-1'?>\n<a>\xe9</a>\n",
    "declared in CSS": b'@charset "iso-8859-15";\n/* \xa4 */\n',
}


@pytest.mark.parametrize("name", CORPUS)
def test_every_byte_outside_the_change_stays(tmp_path: Path, name: str) -> None:
    path = tmp_path / ("file.py" if "declared" in name else "file.txt")
    path.write_bytes(CORPUS[name])
    path.chmod(0o754)
    file = read_file(path)
    write_file(path, file.text, file)
    assert path.read_bytes() == CORPUS[name]
    added = "é" if name != "declared for Emacs" else "ж"
    write_file(path, file.text + added, read_file(path))
    assert path.read_bytes() == CORPUS[name] + added.encode(file.encoding)
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(alphabet=st.sampled_from("ab\r\n\té漢😀\f\u2028"), max_size=40),
    st.sampled_from([("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE),
                     ("utf-16-be", codecs.BOM_UTF16_BE)]),
    st.integers(0, 40),
    st.sampled_from("x\n\r😀"),
)  # fmt: skip
def test_one_inserted_character_is_the_only_difference(tmp_path: Path, text, kind, place, new) -> None:
    encoding, bom = kind
    path = tmp_path / "file"
    path.write_bytes(bom + text.encode(encoding))
    file = read_file(path)
    assert (file.text, file.encoding, file.bom) == (text, encoding, bom)
    write_file(path, text[:place] + new + text[place:], file)
    before, after = text[:place].encode(encoding), text[place:].encode(encoding)
    assert path.read_bytes() == bom + before + new.encode(encoding) + after


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"caf\xe9\n", "not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary"),
        (b"a\0b", "binary"),
        (codecs.BOM_UTF16_LE + b"a", "not text"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8", "not text"),
        (codecs.BOM_UTF32_LE + b"a\0\0\0", "UTF-32"),
        (codecs.BOM_UTF8 + b"\xff", "not text"),
        (b"# coding: utf-7\n+AOk-\xff\n", "not text"),
        (b"# coding: unicode_escape\n\xff\n", "not text"),
        (b"# coding: nonsense\n\xff\n", "not text"),
        (b"x = 1\n\n# coding: latin-1\n\xe9\n", "not text"),
        (b"# coding: cp1252\n\x81\n", "not text"),  # a byte that code page leaves out
    ],
)
def test_what_could_not_be_written_back_is_refused(tmp_path: Path, raw: bytes, reason: str) -> None:
    path = tmp_path / "file.py"
    path.write_bytes(raw)
    with pytest.raises(ToolError, match=reason):
        read_file(path)
    assert path.read_bytes() == raw


def test_utf_8_goes_before_a_chance_word_in_prose(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Encoding: latin-1 is é\n", encoding="utf-8")
    assert read_file(path).text == "# Encoding: latin-1 is é\n"


def test_a_character_the_encoding_has_not_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(LATIN.encode("latin-1"))
    file = read_file(path)
    with pytest.raises(ToolError, match=r"u20ac.*iso8859-1"):
        write_file(path, file.text + "€", file)
    with pytest.raises(ToolError, match="surrogate"):
        write_file(tmp_path / "new", "\ud83d", None)
    assert list(tmp_path.iterdir()) == [path]


def test_an_edit_of_the_declaration_changes_the_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(LATIN.encode("latin-1"))
    write_file(path, LATIN.replace("latin-1", "utf-8"), read_file(path))
    assert path.read_bytes() == LATIN.replace("latin-1", "utf-8").encode("utf-8")


def test_large_files_are_refused_by_their_size(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(FILE_LIMIT + 1)
    with pytest.raises(ToolError, match="33,554,433 bytes, the limit is 33,554,432"):
        read_file(path)
    path.write_bytes(b"x" * 11)
    with pytest.raises(ToolError, match="too large"):
        read_file(path, limit=10)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


@pytest.mark.parametrize(
    ("make", "reason"),
    [(_pipe, "regular"), (_socket, "regular"), (Path.mkdir, "directory"), (lambda _: None, "no such")],
)
def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    path = tmp_path / "x"
    make(path)
    with pytest.raises(ToolError, match=reason):
        read_file(path)
    if path.exists():
        with pytest.raises(ToolError):
            write_file(path, "", None)


@pytest.mark.parametrize(
    "name", ["/proc/self/environ", "/proc/version", "/dev/zero", "/dev/stdin", "/sys/kernel/notes"]
)
def test_the_systems_own_files_are_refused(name: str) -> None:
    with pytest.raises(ToolError):
        read_file(Path(name))


def test_a_link_to_the_systems_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc/version")
    with pytest.raises(ToolError, match="system"):
        read_file(tmp_path / "link")


def test_a_write_goes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real/a.txt"
    target.write_text("old")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("real/a.txt")
    write_file(tmp_path / "one", "new", read_file(tmp_path / "one"))
    assert (tmp_path / "one").is_symlink()
    assert target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "one", "real", "two"]


def test_a_new_file_behind_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("later")
    write_file(tmp_path / "link", "x", None)
    assert (tmp_path / "later").read_text() == "x"


def test_a_link_put_in_the_files_place_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, secret = tmp_path / "a", tmp_path / "secret"
    path.write_text("a")
    secret.write_text("secret")
    real = files.real_path

    def swapped(asked: Path) -> Path:
        resolved = real(asked)
        if asked == path and not path.is_symlink():
            path.unlink()
            path.symlink_to(secret)
        return resolved

    monkeypatch.setattr(files, "real_path", swapped)
    with pytest.raises(ToolError):
        read_file(path)


def test_a_read_only_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    path.chmod(0o444)
    with pytest.raises(ToolError, match="read-only"):
        write_file(path, "b", read_file(path))
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("a", 0o444)
    with pytest.raises(ToolError, match="read-only"):
        remove_file(path, read_file(path))


def test_a_file_changed_since_it_was_read_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    file = read_file(path)
    path.write_text("theirs")
    with pytest.raises(StaleEditError):
        write_file(path, "ours", file)
    path.unlink()
    with pytest.raises(StaleEditError, match="deleted"):
        write_file(path, "ours", file)
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_never_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        path.write_text("theirs")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    with pytest.raises(ToolError, match="exists already"):
        write_file(path, "ours", None)
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_everything_is_synced_before_and_after_the_renaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_sync(descriptor: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_rename(*args: object, **kwargs: object) -> None:
        steps.append("rename")
        rename(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "rename", note_rename)
    write_file(path, "b", read_file(path))
    assert steps == ["file", "rename", "directory"]


@pytest.mark.parametrize("call", ["fsync", "rename", "fchmod"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call, code) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    file = read_file(path)

    def fails(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(ToolError, match=r"`.*a` cannot be written"):
        write_file(path, "b", file)
    assert path.read_text() == "a"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    """The system itself refuses the bytes: a limit on the size of files stands for the full disk."""
    path = tmp_path / "a"
    path.write_text("a")
    code = """
        import resource, signal, sys
        from pathlib import Path
        from hermitcrab.core.errors import ToolError
        from hermitcrab.workspace.files import read_file, write_file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        path = Path(sys.argv[1])
        file = read_file(path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        try:
            write_file(path, "b" * (1 << 20), file)
        except ToolError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path)],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(Path(files.__file__).parents[2])},
    )  # fmt: skip
    assert "too large for this system; the file is as it was" in done.stdout
    assert path.read_text() == "a"
    assert list(tmp_path.iterdir()) == [path]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1 << 16


def test_a_folder_that_may_not_be_written_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "missing" / "a"
    with pytest.raises(ToolError, match="no such file or directory"):
        write_file(path, "x", None)


def test_a_name_with_a_null_character_is_refused() -> None:
    with pytest.raises(ToolError, match="null"):
        read_file(Path("a\0b"))
