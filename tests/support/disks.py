"""Disks that are slow or broken, as far as a checkpointer can tell; and one that is memory."""

from __future__ import annotations

import errno
import os
import threading

from fastload.checkpoint.file_ops import FileOps

#: Room to ask for: containers often have 64 MB.
_MEMORY_BYTES = 1 << 30


class HeldDisk(FileOps):
    """Syncing a file waits until it is let through.

    Attributes:
        reached: set once something waits, or has waited.
    """

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._gate = threading.Semaphore(0)

    def let_through(self, count: int) -> None:
        """So many files more."""
        self._gate.release(count)

    def sync(self, descriptor: int) -> None:
        self.reached.set()
        assert self._gate.acquire(timeout=60)
        super().sync(descriptor)


class BrokenDisk(FileOps):
    """Full, while told to be."""

    broken = False

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        if self.broken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, data)
