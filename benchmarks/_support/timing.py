"""Interleaved runs: each row once a round, so that what the machine does hits all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds of each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of the rounds took longer."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """(slowest - fastest) / median."""
        return (max(self.seconds) - min(self.seconds)) / self.median

    def to_json(self, scale: float) -> dict[str, Any]:
        """Median, extremes and every round, each times ``scale``."""
        return {
            "median": self.median * scale,
            "min": min(self.seconds) * scale,
            "max": max(self.seconds) * scale,
            "rounds": [second * scale for second in self.seconds],
        }


def ratio(first: Measurement, second: Measurement) -> float:
    """Median over rounds of first / second in the same round."""
    return statistics.median(a / b for a, b in zip(first.seconds, second.seconds, strict=True))


def interleave(
    rows: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Measurement]:
    """Time each row once a round, after one round of warming up that does not count.

    The order turns by one each round, so that no row always runs behind the same other one.
    A row may return its own seconds (a float) where only a part of it counts. ``clock`` is
    time.process_time where a row's CPU time is meant, which a busy machine disturbs less.
    """
    gc.collect()
    gc.freeze()  # or each collection goes through all modules
    names = list(rows)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            gc.collect()
            gc.disable()
            start = clock()
            own = rows[name]()
            taken = clock() - start
            gc.enable()
            if number >= 0:
                seconds[name].append(own if isinstance(own, float) else taken)
    gc.unfreeze()
    return {name: Measurement(tuple(values)) for name, values in seconds.items()}
