"""The lane for what only Pillow reads: threads that are there only while there is work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PillowLane"]

#: A thread that was given nothing for so long ends; the next picture starts another.
_IDLE_SECONDS = 0.2

Opener = Callable[[int], NDArray[np.uint8]]


class PillowLane:
    """Serves the pictures that an engine leaves to Pillow.

    The threads are no daemons, which the interpreter would kill in the middle of Pillow's code at
    exit; they end by themselves when idle, stopped, or when the main thread has ended.

    Args:
        engine: the core's engine.
        threads: how many at most.
    """

    def __init__(self, engine: Any, threads: int) -> None:
        self._engine = engine
        self._limit = max(1, threads)
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    @property
    def running(self) -> bool:
        """Threads are serving."""
        return any(thread.is_alive() for thread in self._threads)

    def start(self, opener: Opener) -> None:
        """Have pending pictures served, by threads that end when there are no more.

        Args:
            opener: a picture's pixels by its index in the source, uint8 [height, width, 3].
        """
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        wanted = min(self._limit, self._engine.external_pending)
        while len(self._threads) < wanted and not self._stop.is_set():
            thread = threading.Thread(target=self._serve, args=(opener,), name="fastload-pillow")
            self._threads.append(thread)
            thread.start()

    def serve_one(self, opener: Opener, timeout_seconds: float = 0.0) -> bool:
        """Serve one picture in this thread; False where none came in time."""
        taken = self._engine.take_external(timeout_seconds)
        if taken is None:
            return False
        batch, slot, index, _ = taken
        try:
            pixels = opener(index)
            batch.fill_external(slot, np.ascontiguousarray(pixels))
        except Exception as error:  # Pillow's readers raise nearly anything on bad bytes
            batch.fail_external(slot, f"{type(error).__name__}: {error}")
        return True

    def _serve(self, opener: Opener) -> None:
        main = threading.main_thread()
        try:
            while not self._stop.is_set() and main.is_alive():
                if not self.serve_one(opener, _IDLE_SECONDS):
                    return
        except RuntimeError:  # the engine was closed meanwhile
            return

    def stop(self) -> None:
        """End the threads and wait for them. Idempotent."""
        self._stop.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._threads = []
