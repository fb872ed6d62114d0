"""``Prepared``: batches that were begun before the epoch that will ask for them."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastload.loader.run_ahead import Job

if TYPE_CHECKING:
    from fastload.engine import EngineOwner
    from fastload.engine.lane import PillowLane
    from fastload.loader.budget import Budget
    from fastload.loader.choice import EngineWork

__all__ = ["Prepared"]

_BACKGROUND = 1


class Prepared:
    """The first batches of a coming epoch, in an engine's background lane.

    They are a guess: the epoch asks its sampler as ever, and takes a batch from here where it is
    the very one that it would have begun itself. The rest of the epoch runs on the same engine,
    whose memory for such batches is given back when the epoch is over.

    Args:
        work: what the engine does; fixed, so that the epoch's seed does not matter.
        owner: of the engine, which may be another loader's.
        budget: of the loader whose epoch it is.
        trims: whether the engine's unused memory is given back when this is closed; False where
            this has no more batches than an epoch has under way at any time.
    """

    def __init__(
        self, work: EngineWork, owner: EngineOwner, budget: Budget, *, trims: bool = True
    ) -> None:
        self.work = work
        self._trims = trims
        self._owner = owner
        self._engine, self._lane = owner.get()
        self._budget = budget
        self._jobs: deque[Job] = deque()
        self._samples = 0
        self._process = os.getpid()
        self._entered = work.rows.pictures.needs_pillow
        if self._entered:
            self._lane.enter(work.source, work.rows.pictures.open)
        budget.join(self)

    @property
    def lane(self) -> PillowLane:
        """Of the engine that the epoch runs on."""
        return self._lane

    @property
    def flying_bytes(self) -> int:
        """Memory of the batches that nobody has taken yet."""
        return sum([len(job.rows) for job in list(self._jobs)]) * self.work.sample_bytes

    @property
    def done(self) -> bool:
        """Whether all that was begun is ready."""
        return all(job.batch.done for job in list(self._jobs))

    def pass_over(self) -> int:
        """Let go of the first batches as far as they are ready; returns how many are left."""
        while self._jobs and self._jobs[0].batch.done:
            self._jobs.popleft()
        return len(self._jobs)

    def fill(self) -> None:
        """Nothing: who prepares decides how much at a time."""

    def begin(self, rows: NDArray[np.int64]) -> bool:
        """Begin the next batch; False where the budget does not hold it."""
        if not self._budget.has_room(len(rows) * self.work.sample_bytes):
            return False
        job = Job(rows, self._samples)
        job.batch = self.submit(rows, job.position, 0)
        self._jobs.append(job)
        self._samples += len(rows)
        return True

    def submit(self, rows: NDArray[np.int64], position: int, seed: int) -> Any:
        """Have a batch made, behind all that training has asked for."""
        return self.work.submit(self._engine, rows, position, seed, lane=_BACKGROUND)

    def take(self, rows: NDArray[np.int64]) -> Any:
        """The core's batch of these rows, where it is the next one; None, and all are dropped,
        where the epoch asks for something else.
        """
        if self._jobs and np.array_equal(self._jobs[0].rows, rows):
            return self._jobs.popleft().batch
        self.drop()
        return None

    def drop(self) -> None:
        """Forget what nobody has taken."""
        while self._jobs:
            self._jobs.popleft().batch.cancel()

    def close(self) -> None:
        """The epoch is over, or will not come. Idempotent."""
        if os.getpid() != self._process:
            return
        self.drop()
        if self._entered:
            self._entered = False
            self._lane.leave(self.work.source)
        if self._trims:
            with suppress(RuntimeError):  # closed
                self._engine.trim()

    def __del__(self) -> None:
        if hasattr(self, "_entered"):
            self.close()
