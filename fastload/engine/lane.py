"""The lane for what only Pillow reads: threads that are there only while there is work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PillowLane"]

#: So often a waiting thread looks whether it is still needed.
_LOOK_SECONDS = 0.1

Opener = Callable[[int], NDArray[np.uint8]]


class PillowLane:
    """Serves the pictures that an engine leaves to Pillow.

    The threads are there while someone is `inside`, and end by themselves soon after. They are no
    daemons, which the interpreter would kill in the middle of Pillow's code at exit; the end of
    the main thread ends them too.

    Args:
        engine: the core's engine.
        limit: of threads.
    """

    def __init__(self, engine: Any, limit: int) -> None:
        self._engine = engine
        self._limit = limit
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()  # of the threads' list
        self._stop = threading.Event()
        self._inside: list[tuple[Any, Opener]] = []

    def enter(self, source: Any, opener: Opener) -> None:
        """Pictures of a source may come from now on: one thread waits for them.

        Args:
            source: the core's.
            opener: a picture's pixels by its index in the source, uint8 [height, width, 3].
        """
        self._inside.append((source, opener))
        if self._limit > 0:
            self._start(1)

    def leave(self, source: Any) -> None:
        """No more come from who has entered; those of cancelled batches are dropped."""
        # In one step: another thread, or a finalizer in the midst of this, may leave as well.
        entered = next((one for one in tuple(self._inside) if one[0] is source), None)
        if entered is not None:
            with suppress(ValueError):
                self._inside.remove(entered)
        with suppress(RuntimeError):  # the engine was closed
            while self._engine.external_pending and self.serve_one():
                pass

    def hurry(self) -> None:
        """A batch is waited for: where there are no threads, this one serves."""
        if self._limit > 0 and threading.main_thread().is_alive():
            self._start(min(self._limit, self._engine.external_pending))
        else:
            while self.serve_one():
                pass

    def serve_one(
        self, timeout_seconds: float = 0.0, taken_one: Callable[[], None] | None = None
    ) -> bool:
        """Serve one picture in this thread; False where none came in time.

        Args:
            timeout_seconds: to wait for one.
            taken_one: called before it is served.
        """
        taken = self._engine.take_external(timeout_seconds)
        if taken is None:
            return False
        if taken_one is not None:
            taken_one()
        batch, slot, index, _ = taken
        source = batch.source
        opener = next((one[1] for one in tuple(self._inside) if one[0] is source), None)
        if batch.cancelled or opener is None:
            batch.fail_external(slot, "cancelled")
            return True
        try:
            batch.fill_external(slot, np.ascontiguousarray(opener(index)))
        except Exception as error:  # Pillow's readers raise nearly anything on bad bytes
            batch.fail_external(slot, f"{type(error).__name__}: {error}")
        return True

    def _grow(self) -> None:
        """As many threads as there are pictures waiting or in work."""
        pending = self._engine.external_pending
        if pending > len(self._threads):
            self._start(min(self._limit, pending))

    def _start(self, count: int) -> None:
        # Never waits: a collection may run while another thread starts some here, and end the lane.
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            while len(self._threads) < count and not self._stop.is_set():
                thread = threading.Thread(target=self._serve, name="fastload-pillow")
                thread.start()
                self._threads.append(thread)
        finally:
            self._lock.release()

    def _serve(self) -> None:
        main = threading.main_thread()
        with suppress(RuntimeError):  # the engine was closed
            while not self._stop.is_set() and main.is_alive():
                if not self.serve_one(_LOOK_SECONDS, self._grow) and not self._inside:
                    return

    def stop(self) -> None:
        """End the threads and wait for them. Idempotent."""
        self._stop.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._threads = []
