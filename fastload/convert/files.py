"""Reading one source file, once, without ever waiting for it or following what it should not."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastload.convert.findings import RefusedError
from fastload.convert.names import source_path

__all__ = [
    "DEFAULT_MAX_FILE_BYTES",
    "MAX_FILE_BYTES",
    "FileBytes",
    "file_status",
    "file_type",
    "open_regular",
    "read_file",
    "read_original",
    "read_part",
    "read_parts",
    "sniff_file",
]

DEFAULT_MAX_FILE_BYTES = 1 << 30
# A record holds less than 4 GiB, and tiles may take more bytes than the file they were made of.
MAX_FILE_BYTES = 3 << 30

# Opening a FIFO for reading waits for a writer, and opening a device may do anything: O_NONBLOCK
# and the check that follows make both harmless.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A file as it was read.

    Attributes:
        data: its bytes.
        mtime_ns: time of its last change, nanoseconds since 1970.
        mode: its permission bits.
        reread: whether it changed while it was read first, and was read again.
    """

    data: bytes
    mtime_ns: int
    mode: int
    reread: bool = False


def read_file(
    path: str,
    max_bytes: int = DEFAULT_MAX_FILE_BYTES,
    admit: Callable[[int], object] | None = None,
) -> FileBytes:
    """All bytes of the regular file at ``path``; it is read twice where it changes meanwhile.

    Args:
        path: the file.
        max_bytes: the largest size to accept.
        admit: called with the size before memory is taken; may wait.

    Raises:
        RefusedError: it is no regular file, is larger than ``max_bytes``, cannot be read, or
            changed during both readings.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        raise _unreadable(error) from None
    try:
        for attempt in range(2):
            before = os.fstat(descriptor)
            _check(before, max_bytes)
            if admit is not None and not attempt:
                admit(before.st_size)
            data = _read_all(descriptor, before.st_size)
            after = os.fstat(descriptor)
            if len(data) == before.st_size and _stamp(before) == _stamp(after):
                return FileBytes(data, after.st_mtime_ns, stat.S_IMODE(after.st_mode), attempt > 0)
    except OSError as error:
        raise _unreadable(error) from None
    finally:
        os.close(descriptor)
    raise RefusedError(
        "changed",
        "its size or time changed while it was read, twice; pack when nothing writes to it",
    )


def open_regular(path: str) -> int:
    """A descriptor of the regular file at ``path``.

    Raises:
        RefusedError: it is none, or cannot be opened.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        raise _unreadable(error) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise RefusedError("special-file", f"expected a regular file, found {file_type(mode)}")
    return descriptor


def read_part(path: str, stamp: tuple[int, int], offset: int, size: int) -> bytes:
    """``size`` bytes at ``offset`` of a file that must be as it was; see ``read_parts``."""
    return read_parts(path, stamp, [(offset, size)])[0]


def read_parts(path: str, stamp: tuple[int, int], parts: Iterable[tuple[int, int]]) -> list[bytes]:
    """Some stretches of bytes of a file that must be as it was.

    Args:
        path: the file.
        stamp: (size in bytes, mtime in ns) that it had.
        parts: (offset, size) of each; the file had them.

    Raises:
        RefusedError: it cannot be read, or has changed.
    """
    descriptor = open_regular(path)
    try:
        found = [_read_stretch(descriptor, offset, size) for offset, size in parts]
        if _stamp(os.fstat(descriptor)) == stamp and None not in found:
            return [part for part in found if part is not None]
    except OSError as error:
        raise _unreadable(error) from None
    finally:
        os.close(descriptor)
    raise RefusedError(
        "changed", f"{os.path.basename(path)!a} changed after it was listed; pack it again"
    )


def _read_stretch(descriptor: int, offset: int, size: int) -> bytes | None:
    """``size`` bytes at ``offset``; None where the file ends before."""
    data = os.pread(descriptor, size, offset)
    if len(data) == size:
        return data
    parts, count = [data], len(data)
    while count < size:
        part = os.pread(descriptor, size - count, offset + count)
        if not part:
            return None
        parts.append(part)
        count += len(part)
    return b"".join(parts)


def read_original(root: str, name: str, *, follow_links: bool) -> FileBytes:
    """The file of a data set that a store calls ``name``; ``read_file`` says what it raises."""
    return read_file(source_path(root, name, follow_links))


def file_status(path: str) -> tuple[int, int, int]:
    """(size in bytes, mtime in ns, ``st_mode``) of a regular file; (0, 0, 0) of anything else."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0, 0
    if not stat.S_ISREG(status.st_mode):
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_mode


def sniff_file(path: str, count: int) -> bytes:
    """The first ``count`` bytes of a regular file, or ``b""`` where they cannot be had."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.pread(descriptor, count, 0)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _check(status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise RefusedError(
            "special-file", f"expected a regular file, found {file_type(status.st_mode)}"
        )
    if status.st_size > max_bytes:
        raise RefusedError(
            "too-large",
            f"{status.st_size:,} bytes, limit {max_bytes:,} (--max-file-bytes raises it)",
        )


def _read_all(descriptor: int, size: int) -> bytes:
    """``size`` bytes from the start, fewer where the file ends, one more where it has grown."""
    data = os.pread(descriptor, size + 1, 0)
    if len(data) == size or not data:
        return data
    parts, count = [data], len(data)
    while count <= size:
        part = os.pread(descriptor, size + 1 - count, count)
        if not part:
            break
        parts.append(part)
        count += len(part)
    return b"".join(parts)


def _unreadable(error: OSError) -> RefusedError:
    if error.errno in (errno.ENOENT, errno.ESTALE):
        return RefusedError("vanished", "it was listed, but is not there any more")
    if error.errno in (errno.EACCES, errno.EPERM):
        return RefusedError("unreadable", "permission denied")
    if error.errno == errno.ENXIO:  # a socket, or a FIFO's far end
        return RefusedError("special-file", "expected a regular file, found a socket or a device")
    return RefusedError("unreadable", error.strerror or str(error))


def file_type(mode: int) -> str:
    """What ``mode`` says a file is, for messages."""
    names = {
        stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFLNK: "a link",
    }  # fmt: skip
    return names.get(stat.S_IFMT(mode), "something else")
