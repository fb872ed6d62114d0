"""What all who write to a disk need."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastload.errors import NoSpaceError, PackError

__all__ = ["NO_SPACE", "disk_errors", "fsync_folder", "replace_file"]

#: The system's errors where a disk, a quota or a limit on file sizes is full.
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def fsync_folder(folder: str | os.PathLike[str]) -> None:
    """Make names that were made or renamed in ``folder`` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Make a file, or put another in its place: wholly or not at all, also where power is lost.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    fsync_folder(path.parent)


@contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the system become those of packing, which name what is packed.

    Raises:
        NoSpaceError: the disk, the quota or the limit on file sizes is full.
        PackError: the disk failed in another way.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "what was committed is intact"
        if error.errno in NO_SPACE:
            raise NoSpaceError(
                f"{path}: no space left ({reason}); {remedy}: make room and run the same command "
                "again"
            ) from error
        raise PackError(
            f"{path}: cannot be written: {reason}; {remedy}: check the disk and run the same "
            "command again"
        ) from error
