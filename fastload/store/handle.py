"""A file that is open as long as someone reads from it."""

from __future__ import annotations

import os
import stat

from fastload.errors import StoreFormatError

__all__ = ["FileHandle"]


class FileHandle:
    """A read-only descriptor, closed when the last reference goes.

    Who reads holds a reference meanwhile, so that a ``close()`` in another thread cannot hand the
    descriptor's number to another file in between. Positions are never used (``pread`` only), so
    children that inherit the descriptor share nothing.

    Raises:
        OSError: the file cannot be opened.
        StoreFormatError: it is no regular file.
    """

    __slots__ = ("descriptor", "status")

    def __init__(self, path: str) -> None:
        self.descriptor = -1
        # O_NONBLOCK: opening a FIFO would wait for its writer; regular files ignore it.
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self.status = os.fstat(self.descriptor)
        if not stat.S_ISREG(self.status.st_mode):
            kind = "a folder" if stat.S_ISDIR(self.status.st_mode) else "no regular file"
            raise StoreFormatError(f"{path}: expected a store, which is one file, found {kind}")

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
