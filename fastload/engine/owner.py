"""Who keeps the native engine: made when first needed, gone with the last that uses it."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

from fastload import _core
from fastload.engine.lane import PillowLane

__all__ = ["EngineOwner"]

#: Pillow holds the GIL in much of its Python code: more threads would only stand in line.
_LANE_THREADS = 2


class EngineOwner:
    """A native engine and its lane for Pillow, shared by a loader and its iterators.

    The threads start with the first use, stay between epochs, and end with the last reference. In
    a forked child, which inherits no thread, the first use starts a new engine.

    Args:
        threads: decoding threads; 0: batches are made in the thread that waits for them.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._lock = threading.Lock()
        self._made: tuple[int, Any, PillowLane] | None = None
        self._finalizer: Any = None

    def get(self) -> tuple[Any, PillowLane]:
        """The engine of this process, and its lane."""
        made = self._made
        if made is not None and made[0] == os.getpid():
            return made[1], made[2]
        if made is not None:
            self._lock = threading.Lock()  # a thread may have held it during the fork
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                if self._finalizer is not None:
                    self._finalizer.detach()
                engine = _core.Engine(self.threads)
                lane = PillowLane(engine, min(_LANE_THREADS, self.threads))
                self._made = os.getpid(), engine, lane
                self._finalizer = weakref.finalize(self, _close, os.getpid(), engine, lane)
            return self._made[1], self._made[2]

    @property
    def statistics(self) -> dict[str, Any]:
        """The engine's own counters; empty before its first use and in a forked child."""
        made = self._made
        if made is None or made[0] != os.getpid():
            return {}
        counters: dict[str, Any] = made[1].stats()
        return counters

    def close(self) -> None:
        """End all threads; the next use starts new ones. Idempotent."""
        if self._finalizer is not None:
            self._finalizer()
        self._made = self._finalizer = None


def _close(process: int, engine: Any, lane: PillowLane) -> None:
    if process != os.getpid():
        return  # a child must not wait for threads that it has not
    lane.stop()
    engine.close()
