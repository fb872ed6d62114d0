"""Batches that are made before they are asked for, within a budget of bytes."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Job", "RunAhead"]

#: Batches in the user's hands that count: the one in use, and the one before it, which
#: ``for batch in loader`` lets go only after it has the next. Who keeps more knows of it.
_LENT_BATCHES = 2


class Job:
    """A batch that was asked of the sampler.

    Attributes:
        rows: int64 [n]: rows of the data set.
        position: place of its first sample in the epoch's order.
        batch: the core's batch; None before it was submitted.
    """

    __slots__ = ("batch", "position", "rows")

    def __init__(self, rows: NDArray[np.int64], position: int) -> None:
        self.rows = rows
        self.position = position
        self.batch: Any = None


class _Lent:
    """A batch's memory in the user's hands; says when it came back.

    NumPy and torch keep this object as the owner of the memory. It lets go of the real owner
    *before* it says so, so that the memory is back in the pool when the next batch asks for some;
    a weak reference to the array would speak too early.
    """

    def __init__(self, array: NDArray[Any], returned: Callable[[], None]) -> None:
        self._array: NDArray[Any] | None = array
        self._returned = returned
        self.__array_interface__ = array.__array_interface__

    def __del__(self) -> None:
        self._array = None
        self._returned()


class RunAhead:
    """A queue of jobs; the first few are with the engine.

    A job is submitted where it, those under way and those in the user's hands fit into the budget;
    and the first in any case, when it is waited for.

    Args:
        submit: hands rows and their position to the engine, returns the core's batch.
        sample_bytes: of one sample in a batch.
        budget_bytes: for all batches.
    """

    def __init__(
        self,
        submit: Callable[[NDArray[np.int64], int], Any],
        sample_bytes: int,
        budget_bytes: int,
    ) -> None:
        self._submit = submit
        self._sample_bytes = sample_bytes
        self._budget_bytes = budget_bytes
        self._waiting: deque[Job] = deque()
        self._flying: deque[Job] = deque()
        self._lent: deque[tuple[int]] = deque(maxlen=_LENT_BATCHES)  # bytes; told apart by identity
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flying)

    @property
    def flying(self) -> int:
        """Jobs that are with the engine."""
        return len(self._flying)

    def add(self, job: Job) -> None:
        """Queue a job; ``fill`` submits it."""
        self._waiting.append(job)

    def fill(self, *, force: bool = False) -> None:
        """Submit what fits.

        Args:
            force: submit the first job even where it does not fit.
        """
        # Memory may come back at any moment, in any thread, also while this very function runs:
        # who finds the lock taken leaves the filling to whom has it, or to the next batch.
        if not self._lock.acquire(blocking=force):
            return
        try:
            while self._waiting and (self._fits() or (force and not self._flying)):
                job = self._waiting[0]
                job.batch = self._submit(job.rows, job.position)
                self._flying.append(self._waiting.popleft())
        finally:
            self._lock.release()

    def _fits(self) -> bool:
        under_way = sum(len(job.rows) for job in self._flying) * self._sample_bytes
        asked = len(self._waiting[0].rows) * self._sample_bytes
        return under_way + sum(count for (count,) in self._lent) + asked <= self._budget_bytes

    def first(self) -> Job | None:
        """The next job, submitted; None where there is none."""
        if not self._flying:
            self.fill(force=True)
        return self._flying[0] if self._flying else None

    def pop(self) -> None:
        """The first job is done with."""
        self._flying.popleft()

    def lend(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same memory, counted until its last user lets it go."""
        entry = (array.nbytes,)
        self._lent.append(entry)
        itself = weakref.ref(self)

        def returned() -> None:
            queue = itself()
            if queue is not None:
                queue._came_back(entry)

        return np.asarray(_Lent(array, returned))

    def _came_back(self, entry: tuple[int]) -> None:
        kept = [other for other in self._lent if other is not entry]
        self._lent = deque(kept, _LENT_BATCHES)
        try:
            self.fill()
        except RuntimeError:  # the engine was closed, or this is a forked child
            return

    def cancel(self) -> None:
        """Forget all jobs; the engine stops those under way."""
        self._waiting.clear()
        while self._flying:
            self._flying.popleft().batch.cancel()
