"""Every change that saving makes to the disk goes through here; tests have each of them fail."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from fastload.checkpoint.held_files import close_held, open_held
from fastload.disk import fsync_folder

#: ``ioctl`` that shares a file's blocks with another (btrfs, xfs, bcachefs, overlays of them).
_FICLONE = 0x40049409


class FileOps:
    """Calls of the operating system, one method each.

    Raises:
        OSError: from every method, as the system says it.
    """

    def create(self, path: Path) -> int:
        """A descriptor of a new file; permissions follow the umask, as those of ``open`` do."""
        return open_held(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def open(self, path: Path) -> int:
        """A descriptor for reading a file or a folder, which may be locked."""
        return open_held(path, os.O_RDONLY)

    def lock(self, descriptor: int) -> None:
        """Take the lock of a file of ``create`` or ``open``, until ``close``; none without locks.

        A file system without locks (some NFS) leaves it to the process id in the name to say
        whether the writer lives.
        """
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        """All of the data, at the descriptor's position."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Wait until the file's bytes and size are on the disk."""
        os.fsync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        fsync_folder(folder)

    def close(self, descriptor: int) -> None:
        """Give a descriptor of ``create`` or ``open`` back, unlocked."""
        close_held(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Put a file in place of another in one step."""
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        """A second name of the same file."""
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Take a name away."""
        os.unlink(path)

    def clone(self, source: int, target: int) -> bool:
        """Share the source's blocks, copied when written to; False where that cannot be had."""
        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError:
            return False
        return True

    def copy(self, source: int, target: int) -> None:
        """All bytes from one file to another, inside the kernel."""
        size = os.fstat(source).st_size
        done = 0
        while done < size:
            sent = os.sendfile(target, source, done, min(size - done, 16 << 20))
            if sent == 0:
                raise OSError(errno.EIO, "the file became shorter while it was copied")
            done += sent

    def forget(self, descriptor: int) -> None:
        """Let go of the file's cached pages: photos are worth more there than a checkpoint."""
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
