"""A bound on the bytes that work in flight may hold."""

from __future__ import annotations

import os
import threading

__all__ = ["ByteBudget", "GivenUpError", "decode_limit_bytes"]


class GivenUpError(Exception):
    """The work was given up while it waited for its share of a budget."""


class ByteBudget:
    """Bytes that many threads share; who asks for too many waits.

    One holder is always let in, however much it asks for, or a large photo would wait for ever:
    where results are consumed in order, the one whose ``ticket`` is next; otherwise whoever comes
    while nothing is held. So at most ``limit_bytes`` and one photo are held.

    Args:
        limit_bytes: the bound.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._next_ticket = 0
        self._cancelled = False
        self._lock = threading.Lock()  # taken several times a photo: as such, in C
        self._changed = threading.Condition(self._lock)

    def acquire(self, count: int, ticket: int | None = None) -> None:
        """Take ``count`` bytes, waiting for them if need be.

        Raises:
            GivenUpError: ``cancel`` was called.
        """
        with self._lock:
            while not self._cancelled and not (
                self._held + count <= self._limit or not self._held or ticket == self._next_ticket
            ):
                self._changed.wait()
            if self._cancelled:
                raise GivenUpError
            self._held += count

    def release(self, count: int, next_ticket: int | None = None) -> None:
        """Give ``count`` bytes back; ``next_ticket``, where given, is let in next."""
        with self._lock:
            self._held -= count
            if next_ticket is not None:
                self._next_ticket = next_ticket
            self._changed.notify_all()

    def cancel(self) -> None:
        """Wake everyone who waits, with ``GivenUpError``."""
        with self._lock:
            self._cancelled = True
            self._changed.notify_all()


def decode_limit_bytes() -> int:
    """What decoding may hold at once: a quarter of the machine's memory, at least 1 GiB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1 << 30, total // 4)
