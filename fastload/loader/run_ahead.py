"""Batches that are made before they are asked for, within a budget of bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastload.loader.budget import Budget

__all__ = ["Job", "RunAhead", "Submit"]

#: Hands rows and their position to an engine; returns the core's batch.
Submit = Callable[[NDArray[np.int64], int], Any]


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


class RunAhead:
    """A queue of jobs; the first few are with the engine.

    A job is submitted where it, those under way and those in the user's hands fit into the budget;
    and the first in any case, when it is waited for.

    Args:
        submit: see `Submit`.
        sample_bytes: of one sample in a batch.
        budget: for all batches.
    """

    def __init__(
        self,
        submit: Submit,
        sample_bytes: int,
        budget: Budget,
    ) -> None:
        self._submit = submit
        self._sample_bytes = sample_bytes
        self._budget = budget
        self._waiting: deque[Job] = deque()
        self._flying: deque[Job] = deque()
        self._lock = threading.Lock()
        budget.join(self)

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
        return self._budget.has_room(len(self._waiting[0].rows) * self._sample_bytes)

    @property
    def flying_bytes(self) -> int:
        """Memory of the jobs that are with the engine."""
        return sum([len(job.rows) for job in list(self._flying)]) * self._sample_bytes

    def first(self) -> Job | None:
        """The next job, submitted; None where there is none."""
        if not self._flying:
            self.fill(force=True)
        return self._flying[0] if self._flying else None

    def pop(self) -> None:
        """The first job is done with."""
        self._flying.popleft()

    def cancel(self) -> None:
        """Forget all jobs; the engine stops those under way."""
        self._waiting.clear()
        while self._flying:
            self._flying.popleft().batch.cancel()
