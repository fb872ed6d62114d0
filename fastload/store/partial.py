"""The partial file: where a store grows until it is published under its own name."""

from __future__ import annotations

import errno
import fcntl
import os
import weakref
from pathlib import Path

from fastload.errors import NoSpaceError, PackError

__all__ = ["LockedFile", "partial_path"]

_open_locks: weakref.WeakSet[LockedFile] = weakref.WeakSet()
_fork_hooked = False


def partial_path(path: str | os.PathLike[str]) -> Path:
    """``OUT.lmdb.partial`` for ``OUT.lmdb``."""
    return Path(os.fspath(path) + ".partial")


class LockedFile:
    """A file that this process alone packs into; made where it does not exist.

    The lock is ``flock``'s on the file itself: it leaves nothing behind, goes with the process
    however that ends, and moves with the file when it is renamed.

    Attributes:
        path: the file.
        descriptor: open for reading and writing.

    Raises:
        PackError: another process packs here, or the file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = -1
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                kind = NoSpaceError if full else PackError
                raise kind(f"{path}: cannot be written: {error.strerror}") from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever held the lock may have renamed the file while this one opened it.
                if _is_file_at(descriptor, path):
                    break
            except BlockingIOError as error:
                os.close(descriptor)
                raise PackError(
                    f"{path}: another process is packing this store; wait for it, or stop it, "
                    "and run the same command again"
                ) from error
            except OSError as error:
                os.close(descriptor)
                raise PackError(
                    f"{path}: expected a file system with locks (flock): {error.strerror}; "
                    "pack on a local disk and copy the store"
                ) from error
            os.close(descriptor)
        self.descriptor = descriptor
        _forget_in_children(self)

    def size_bytes(self) -> int:
        return os.fstat(self.descriptor).st_size

    def truncate(self, length: int) -> None:
        os.ftruncate(self.descriptor, length)

    def sync(self) -> None:
        os.fsync(self.descriptor)

    def close(self) -> None:
        """Give the lock back. Idempotent."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _forget_in_children(lock: LockedFile) -> None:
    """Close the descriptor in forked children, which would keep the lock after this process."""
    global _fork_hooked
    _open_locks.add(lock)
    if not _fork_hooked:
        _fork_hooked = True
        os.register_at_fork(after_in_child=_close_all)


def _close_all() -> None:
    for lock in list(_open_locks):
        lock.close()
