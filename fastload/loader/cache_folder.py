"""A folder of cache files, which processes share.

A file carries its key in its name and its first page, and is locked (shared, advisory) by whoever
uses it. Opening takes the folder's own lock, so that processes that start together make one file
between them. A file that is not what its name says is replaced by a new one, never cut short: a
process may be using it.

The folder does not grow for ever: whoever opens a file in it removes others that nobody uses, the
least recently used first, as far as all together exceed its budget, and any that was not used for
a month. What somebody uses stays, and counts.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastload import _core

__all__ = ["SUFFIX", "allocated_bytes", "caches_bytes", "make_room", "open_file"]

SUFFIX = ".fastload-cache"
_PARTIAL = ".partial"
_MAGIC = b"FLCACHE1"
_UNUSED_SECONDS = 30 * 86400.0
_PARTIAL_SECONDS = 3600.0
_LOCK_SECONDS = 5.0
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # no link, and no waiting for a FIFO


def open_file(folder: Path, key: bytes, file_bytes: int, most_bytes: int) -> tuple[int, bool]:
    """The file of a key, made where there is none.

    Args:
        folder: made where there is none.
        key: 32 bytes.
        file_bytes: its size, holes included; the space is not taken.
        most_bytes: a file that nobody uses and that takes more is begun anew.

    Returns:
        a descriptor of the caller's own, and whether it can be written to.

    Raises:
        OSError: no file can be had there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (key.hex()[:32] + SUFFIX)
    with _locked(folder):
        found = _existing(path, key)
        if found is not None and allocated_bytes(found[0]) > most_bytes and _unused(found[0]):
            os.close(found[0])
            found = None
        descriptor, writable = found or (_new(path, key, file_bytes), True)
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with suppress(OSError):
            os.utime(descriptor)  # used now
    return descriptor, writable


def make_room(folder: Path, key: bytes, left_bytes: int) -> None:
    """Remove files of other keys; see the module.

    Args:
        folder: of the caches.
        key: of the caller's own.
        left_bytes: that others may take.
    """
    own = key.hex()[:32] + SUFFIX
    now = time.time()
    with _locked(folder):
        for age, path, size in sorted(_caches(folder, now)):  # the youngest first
            if path.name == own:
                continue
            left_bytes -= size
            if (left_bytes < 0 or age > _UNUSED_SECONDS) and _remove_unused(path):
                left_bytes += size
        for path in folder.glob(f".*{SUFFIX}.*{_PARTIAL}"):  # of processes that died
            with suppress(OSError):
                if now - path.lstat().st_mtime > _PARTIAL_SECONDS:
                    path.unlink()


def caches_bytes(folder: Path) -> int:
    """What all caches in a folder take."""
    return sum(size for _, _, size in _caches(folder, 0.0))


def allocated_bytes(file: int | Path) -> int:
    """What a file takes on the disk; 0 where there is none."""
    with suppress(OSError):
        return os.stat(file).st_blocks * 512
    return 0


def _caches(folder: Path, now: float) -> Iterator[tuple[float, Path, int]]:
    """(seconds since its use, file, bytes that it takes) of each cache."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield now - status.st_mtime, Path(entry.path), status.st_blocks * 512


def _header(key: bytes) -> bytes:
    return (_MAGIC + key).ljust(_core.SampleCache.file_header_bytes, b"\0")


def _existing(path: Path, key: bytes) -> tuple[int, bool] | None:
    """A descriptor, and whether it can be written to; None where the file is not of this key."""
    try:
        descriptor, writable = os.open(path, os.O_RDWR | _OPEN), True
    except PermissionError:
        descriptor, writable = os.open(path, os.O_RDONLY | _OPEN), False
    except OSError:
        try:
            descriptor, writable = os.open(path, os.O_RDONLY | _OPEN), False  # a read-only disk
        except OSError:
            return None
    with suppress(OSError):
        header = _header(key)
        if (
            stat.S_ISREG(os.fstat(descriptor).st_mode)
            and os.pread(descriptor, len(header), 0) == header
        ):
            return descriptor, writable
    os.close(descriptor)
    return None


def _new(path: Path, key: bytes, file_bytes: int) -> int:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_PARTIAL}")
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN, 0o666)
    try:
        header = _header(key)
        if os.pwrite(descriptor, header, 0) != len(header):
            raise OSError(f"{partial}: no space for a header of {len(header)} bytes")
        # Writing inside a file, and not at its end, keeps file systems from reserving in advance.
        # It may be too large for a limit of the process, and still have room for some.
        with suppress(OSError):
            os.ftruncate(descriptor, file_bytes)
        if allocated_bytes(descriptor) > max(file_bytes // 2, 1 << 20):
            raise OSError(f"{path.parent}: its file system keeps no sparse files")
        os.replace(partial, path)
    except BaseException:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(partial)
        raise
    return descriptor


def _unused(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_unused(path: Path) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | _OPEN)
        try:
            if _unused(descriptor):
                path.unlink()
                return True
        finally:
            os.close(descriptor)
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder's own lock, or none after a while: it keeps order, nothing depends on it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        ends = time.monotonic() + _LOCK_SECONDS
        while not _unused(descriptor) and time.monotonic() < ends:
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)
