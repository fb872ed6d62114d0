"""Copying memory with a few threads that never wait for each other.

torch copies each tensor with all its threads and waits for the slowest after each. Where other
processes need the cores, as loaders' workers do, that wait is a time slice: 300 MB in 800 tensors
took 24 ms on an idle machine of two cores and up to 2,400 ms on a busy one. Here, threads take the
next piece when they are ready for it, and what helpers do not get to, the caller does.
"""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

#: Target address, source address, bytes.
Piece = tuple[int, int, int]

PIECE_BYTES = 4 << 20
#: Below this, waking a thread costs more than it helps.
SMALL_BYTES = 16 << 20
MOST_THREADS = 4


class MemoryCopier:
    """Copies lists of pieces; its helping threads start with the first large one."""

    def __init__(self) -> None:
        self._helpers: ThreadPoolExecutor | None = None

    def copy(self, pieces: Iterable[Piece], total_bytes: int, threads: int) -> None:
        """Copy all; the pieces must be valid memory until this returns.

        Args:
            threads: at most so many, the calling one included.
        """
        threads = min(threads, MOST_THREADS, len(os.sched_getaffinity(0)))
        if threads < 2 or total_bytes < SMALL_BYTES:
            for target, source, size in pieces:
                ctypes.memmove(target, source, size)
            return
        work: deque[Piece] = deque()
        for target, source, size in pieces:
            if size <= PIECE_BYTES:
                work.append((target, source, size))
                continue
            for start in range(0, size, PIECE_BYTES):
                part = min(PIECE_BYTES, size - start)
                work.append((target + start, source + start, part))
        if self._helpers is None:
            self._helpers = ThreadPoolExecutor(MOST_THREADS - 1, "fastload-copy")
        helpers = [self._helpers.submit(_take_all, work) for _ in range(threads - 1)]
        try:
            _take_all(work)
        finally:
            work.clear()
            for helper in helpers:  # those that have not begun have nothing to do any more
                if not helper.cancel():
                    helper.result()

    def close(self) -> None:
        """End the helping threads."""
        if self._helpers is not None:
            self._helpers.shutdown()
            self._helpers = None


def _take_all(work: deque[Piece]) -> None:
    while True:
        try:
            target, source, size = work.popleft()
        except IndexError:
            return
        ctypes.memmove(target, source, size)  # without the GIL
