"""``Pace``: when preparing has to begin so that it is done just in time."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Pace"]

#: What is not known before it was done once begins with so much of training still to come.
_UNKNOWN_SHARE = 0.5
#: Preparing may take so much longer than it did before.
_MARGIN = 1.5
_SPARE_STEPS = 3
#: Where it was not ready in time, preparing is taken to need so many times what it had.
_AFTER_MISS = 2.0
#: How much of a mean the latest value makes.
_LATEST = 0.2


class Pace:
    """Knows how long training's steps take and how long preparing took.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._latest: float | None = None
        self._began = 0.0
        self._done = 0
        self.step_seconds = 0.0
        self.prepare_seconds: float | None = None

    def step(self, batches: int) -> None:
        """Training has had so many batches of its epoch; 0 when it begins."""
        now = self._clock()
        if batches > 1 and self._latest is not None:
            taken = now - self._latest
            weight = 1.0 if batches == 2 and self.step_seconds == 0 else _LATEST
            self.step_seconds += weight * (taken - self.step_seconds)
        self._latest = now if batches else None
        self._done = batches

    def is_time(self, left: int) -> bool:
        """Whether to begin preparing, with so many of training's batches left."""
        if self.prepare_seconds is None:
            return left <= max(_SPARE_STEPS, _UNKNOWN_SHARE * (left + self._done))
        wanted = _MARGIN * self.prepare_seconds + _SPARE_STEPS * self.step_seconds
        return left <= _SPARE_STEPS or left * self.step_seconds <= wanted

    def begin(self) -> None:
        """Preparing begins."""
        self._began = self._clock()

    def end(self) -> None:
        """All that could be prepared is ready."""
        self.prepare_seconds = self._clock() - self._began

    def miss(self) -> None:
        """Validation came before all was ready."""
        latest = self._began if self._latest is None else self._latest
        known = self.prepare_seconds or 0.0
        self.prepare_seconds = max(known, _AFTER_MISS * (latest - self._began + self.step_seconds))
