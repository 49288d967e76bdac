"""Text files, byte for byte: what is read can be written back unchanged, and a write happens whole or not at all."""

from __future__ import annotations

import codecs
import errno
import os
import re
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hermitcrab.core.errors import StaleEditError, ToolError

FILE_LIMIT = 32 * 1024 * 1024
"""Bytes of the largest file that is read; larger ones are refused."""

_SYSTEM = ("/proc", "/sys", "/dev")
_MEMORY = "/dev/shm"  # noqa: S108 - a place for files like any other
_PLAIN = {"ascii", "utf-8"}
_PYTHON = {".py", ".pyi", ".pyw"}
_DECLARABLE = re.compile(
    r"iso8859-\d+|cp125\d|cp437|cp85\d|cp866|koi8-[rut]|mac-\w+|gb2312|gbk|gb18030|big5|euc_\w+|shift_jis"
)
_DECLARATIONS = (
    re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)"),  # PEP 263
    re.compile(rb"-\*-.*?coding:[ \t]*([-\w.]+).*?-\*-"),
    re.compile(rb"""^<\?xml[^>]*?encoding=["']([-\w.]+)["']"""),
    re.compile(rb'^@charset "([-\w.]+)";'),
)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

Stamp = tuple[int, int, int, int]
"""Device, inode, size and time of the last change of a file as it was read."""


@dataclass(frozen=True, slots=True)
class FileText:
    """A file's text, with everything needed to write it back as it was; line ends stand in the text as they are."""

    path: Path  # links resolved
    text: str
    encoding: str
    bom: bytes
    mode: int | None
    stamp: Stamp | None = None


def read_file(path: Path, *, limit: int = FILE_LIMIT) -> FileText:
    """Read a text file; raise ToolError that names what is in the way. Pipes and devices are refused, never waited for."""
    target = real_path(path)
    with _refusals(path, "read"), _open_directory(target.parent) as directory:
        raw, status = _read_bytes(path, target.name, directory, limit)
    encoding, bom = _encoding(path, raw)
    return FileText(
        target, raw[len(bom) :].decode(encoding), encoding, bom, stat.S_IMODE(status.st_mode), _stamp(status)
    )


def write_file(path: Path, text: str, like: FileText | None) -> None:
    """Write a whole file or leave the old one as it is: temporary file beside it, synced, renamed, directory synced.

    Encoding, BOM and mode are those of `like`, and a file that changed since `like` was read is not overwritten
    (StaleEditError). Without `like` the file must be new. Links are followed to their target.
    """
    target = real_path(path)
    data = encode(path, text, like)
    with _refusals(path, "written"), _open_directory(target.parent) as directory:
        _check_target(path, target.name, directory, like)
        _replace(path, target.name, directory, data, like)


def remove_file(path: Path, like: FileText) -> None:
    """Delete a file that has not changed since `like` was read (StaleEditError); a read-only one stays."""
    target = real_path(path)
    with _refusals(path, "deleted"), _open_directory(target.parent) as directory:
        _check_target(path, target.name, directory, like)
        os.unlink(target.name, dir_fd=directory)
        os.fsync(directory)


def encode(path: Path, text: str, like: FileText | None) -> bytes:
    """Return the bytes of a text in the encoding of `like`, or the one the text itself declares; ToolError when it has none."""
    encoding, bom = (like.encoding, like.bom) if like else ("utf-8", b"")
    if not bom and (path.suffix in _PYTHON or encoding != "utf-8"):
        encoding = _declared(text[:1000].encode("utf-8", "replace")) or "utf-8"
    try:
        return bom + text.encode(encoding)
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        hint = "it is half of a surrogate pair" if "\ud800" <= character <= "\udfff" else f"the file is in {encoding}"
        raise ToolError(f"`{path}` cannot hold the character {character!a}: {hint}") from None


def real_path(path: Path) -> Path:
    """Return the path with links followed, also for a name that does not exist yet; raise ToolError in a loop of links."""
    try:
        return Path(os.path.realpath(path, strict=True))
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    except ValueError:
        raise ToolError(f"`{str(path)!a}` is not a path: it holds a null character") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ToolError(f"`{path}` is a link that leads back to itself") from None
        return Path(os.path.realpath(path))


@contextmanager
def _refusals(path: Path, verb: str) -> Generator[None]:
    """Turn what the system says into what would help."""
    try:
        yield
    except OSError as error:
        raise ToolError(f"`{path}` cannot be {verb}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    known = {
        errno.ENOENT: "no such file or directory",
        errno.ENOTDIR: "a part of the path is a file, not a directory",
        errno.EISDIR: "it is a directory",
        errno.EACCES: "permission denied",
        errno.EPERM: "permission denied",
        errno.EROFS: "the file system is read-only",
        errno.ENOSPC: "no space left on the device; the file is as it was",
        errno.EDQUOT: "the disk quota is used up; the file is as it was",
        errno.EFBIG: "it would become too large for this system; the file is as it was",
        errno.ELOOP: "it became a link meanwhile",
        errno.ENAMETOOLONG: "the name is too long",
    }
    return known.get(error.errno or 0, error.strerror or str(error))


@contextmanager
def _open_directory(directory: Path) -> Generator[int]:
    """Hold a directory open, so that nothing can be put in its place while we work in it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read_bytes(path: Path, name: str, directory: int, limit: int) -> tuple[bytes, os.stat_result]:
    _check_kind(path, os.stat(name, dir_fd=directory, follow_symlinks=False))
    # Between the look and the opening a pipe may take the file's place: never wait for a writer.
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_kind(path, status)
        raw = file.read(limit + 1) if status.st_size <= limit else b""
    if len(raw) > limit or status.st_size > limit:
        size = max(status.st_size, len(raw))
        raise ToolError(f"`{path}` is too large: {size:,} bytes, the limit is {limit:,}")
    return raw, status


def _check_kind(path: Path, status: os.stat_result) -> None:
    target = real_path(path)
    if any(target.is_relative_to(system) for system in _SYSTEM) and not target.is_relative_to(_MEMORY):
        raise ToolError(f"`{path}` belongs to the system, not to a project")
    if stat.S_ISDIR(status.st_mode):
        raise ToolError(f"`{path}` is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise ToolError(f"`{path}` is not a regular file")


def _encoding(path: Path, raw: bytes) -> tuple[str, bytes]:
    """Return encoding and BOM of a text; raise ToolError unless it can be read and written back to the same bytes."""
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise ToolError(f"`{path}` is in UTF-32, which is not supported")
    encoding, bom = next(((name, bom) for bom, name in _BOMS if raw.startswith(bom)), ("", b""))
    if not encoding.startswith("utf-16") and b"\0" in raw:
        raise ToolError(f"`{path}` is a binary file")
    for candidate in (encoding,) if encoding else _candidates(path, raw):
        with suppress(UnicodeError):
            body = raw[len(bom) :]
            if body.decode(candidate).encode(candidate) == body:
                return candidate, bom
    raise ToolError(f"`{path}` is not text in UTF-8 and declares no other encoding; convert it to UTF-8")


def _candidates(path: Path, raw: bytes) -> tuple[str, ...]:
    """Return the encodings to try: Python reads its files as they declare; elsewhere UTF-8 goes before a declaration."""
    declared = _declared(raw) or "utf-8"
    return (declared,) if path.suffix in _PYTHON else ("utf-8", declared)


def _declared(raw: bytes) -> str | None:
    """Return the encoding a file names in its first two lines."""
    for line in re.split(rb"\r\n|\n|\r", raw[:1000])[:2]:
        for declaration in _DECLARATIONS:
            if match := declaration.search(line):
                with suppress(LookupError):
                    name = codecs.lookup(match[1].decode("ascii", "replace")).name
                    if name in _PLAIN or _DECLARABLE.fullmatch(name):
                        return "utf-8" if name in _PLAIN else name
    return None


def _check_target(path: Path, name: str, directory: int, like: FileText | None) -> None:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        if like is None:
            return
        raise StaleEditError(f"`{path}` was deleted meanwhile") from None
    _check_kind(path, status)
    if like is None:
        raise ToolError(f"`{path}` exists already")
    if like.stamp is not None and like.stamp != _stamp(status):
        raise StaleEditError(f"`{path}` was changed meanwhile; read it again")
    if not status.st_mode & 0o222 or not os.access(name, os.W_OK, dir_fd=directory):
        raise ToolError(f"`{path}` is read-only; it is left as it is")


def _replace(path: Path, name: str, directory: int, data: bytes, like: FileText | None) -> None:
    temporary = f".{name[:80]}.{secrets.token_hex(6)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600 if like else 0o666, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if like is not None:
                _keep_owner_and_mode(descriptor, name, directory, like)
            os.fsync(descriptor)
        _move(path, temporary, name, directory, like)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    os.fsync(directory)


def _move(path: Path, temporary: str, name: str, directory: int, like: FileText | None) -> None:
    """Give the temporary file its name; a new one never takes the place of another."""
    if like is not None:
        _check_target(path, name, directory, like)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        return
    try:
        os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        raise ToolError(f"`{path}` exists already") from None
    except OSError:  # a file system without hard links
        _check_target(path, name, directory, None)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        return
    os.unlink(temporary, dir_fd=directory)


def _keep_owner_and_mode(descriptor: int, name: str, directory: int, like: FileText) -> None:
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    with suppress(PermissionError):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    if like.mode is not None:
        os.fchmod(descriptor, like.mode)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
