"""What all who write to a disk need."""

from __future__ import annotations

import errno
import os

__all__ = ["NO_SPACE", "fsync_folder"]

#: The system's errors where a disk, a quota or a limit on file sizes is full.
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def fsync_folder(folder: str | os.PathLike[str]) -> None:
    """Make names that were made or renamed in ``folder`` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
