"""Writing files below a folder, and nowhere else, whatever their names are."""

from __future__ import annotations

import errno
import os
import stat
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain

from fastload import _core
from fastload.convert.findings import RefusedError
from fastload.convert.names import unsafe_reason
from fastload.disk import NO_SPACE
from fastload.errors import NoSpaceError

__all__ = ["Data", "SafeFolder"]

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCKS = 64


#: A file's bytes, or what gives them piece by piece, as often as it is called.
Data = bytes | Callable[[], Iterator[bytes]]


class SafeFolder:
    """A folder to write into. Safe to use from many threads.

    Each step of a name is opened from the one before it, and never through a link, so a link that
    lies in the folder (or is put there meanwhile) leads nowhere.

    Args:
        root: the folder; it is made where it does not exist, and may itself be a link.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(os.fsdecode(root))
        os.makedirs(self.root, exist_ok=True)
        # Two threads with the same name, as of a photo in two splits, take turns.
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def write(
        self, name: str, data: Data, *, mtime_ns: int, mode: int, overwrite: bool = False
    ) -> bool:
        """Make the file ``name`` whole or not at all, with its time and permission bits.

        ``data`` is its bytes, or what gives them piece by piece, as often as it is called.

        Returns:
            False where the file was there already, with the same bytes.

        Raises:
            RefusedError: the name leads elsewhere, or another file is there (and ``overwrite`` is
                False).
            NoSpaceError: the disk is full.
        """
        reason = unsafe_reason(name)
        if reason is not None:
            raise RefusedError("unsafe-name", reason)
        folder, _, base = name.rpartition("/")
        try:
            turn = self._locks[zlib.crc32(os.fsencode(name)) % _LOCKS]
            with turn, self._folder(folder) as descriptor:
                return _place(descriptor, base, data, mtime_ns, mode, overwrite)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise NoSpaceError(
                    f"{self.root}/{name}: no space left; make room, and run it "
                    "again: what is there already is kept"
                ) from error
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise RefusedError(
                    "in-the-way", "a link or a file lies where a folder of its path should be"
                ) from None
            raise RefusedError("unwritable", error.strerror or str(error)) from None

    @contextmanager
    def _folder(self, name: str) -> Iterator[int]:
        """A descriptor of the folder ``name``, which is made where it does not exist."""
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in filter(None, name.split("/")):
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
                below = os.open(part, _FOLDER_FLAGS, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)


def _pieces(data: Data) -> Iterator[bytes]:
    return filter(None, data() if callable(data) else (data,))


def _place(folder: int, base: str, data: Data, mtime_ns: int, mode: int, overwrite: bool) -> bool:
    if not overwrite and _exists(folder, base):
        return _same(folder, base, data)
    # Always the same name for a file, so that what a killed run left is replaced by the next.
    temporary = f".fastload-{_core.xxh3_64(os.fsencode(base)):016x}.partial"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    descriptor = os.open(temporary, _NEW_FILE_FLAGS, 0o600, dir_fd=folder)
    try:
        try:
            for piece in _pieces(data):
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, stat.S_IMODE(mode) & 0o777)  # no set-user-id bits from a store
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(descriptor)
        if overwrite:
            os.rename(temporary, base, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            _rename_new(folder, temporary, base)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise
    return True


def _rename_new(folder: int, temporary: str, base: str) -> None:
    """Rename without replacing what may have come into being meanwhile."""
    try:
        os.link(temporary, base, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise RefusedError("exists", "a file of this name came into being") from None
    except OSError:  # a file system without hard links
        if _exists(folder, base):
            raise RefusedError("exists", "a file of this name came into being") from None
        os.rename(temporary, base, src_dir_fd=folder, dst_dir_fd=folder)
        return
    os.unlink(temporary, dir_fd=folder)


def _exists(folder: int, base: str) -> bool:
    try:
        os.stat(base, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _same(folder: int, base: str, data: Data) -> bool:
    """False (nothing to do) where the file has these bytes already; refuses any other."""
    try:
        descriptor = os.open(
            base, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
        )
    except OSError:
        raise RefusedError(
            "exists", "something else has this name; --overwrite replaces it"
        ) from None
    with open(descriptor, "rb") as file:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        # A piece more than there is, so that a longer file shows.
        if regular and all(
            file.read(len(piece) or 1) == piece for piece in chain(_pieces(data), [b""])
        ):
            return False
    raise RefusedError("exists", "another file has this name; --overwrite replaces it")
