"""``CacheFiller``: a loader's samples, decoded into its cache while another loader trains."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

from fastload.engine import sampled_rows
from fastload.loader.prepared import Prepared

if TYPE_CHECKING:
    from fastload.engine import EngineOwner
    from fastload.loader.budget import Budget
    from fastload.loader.choice import EngineWork

__all__ = ["CacheFiller"]

#: Samples are decoded in portions of so many bytes; their batches are thrown away.
_PORTION_BYTES = 8 << 20
#: Portions under way for each thread at first; doubled whenever all were done too soon.
_PORTIONS_A_THREAD = 2


class CacheFiller:
    """Puts samples into a cache, in an engine's background lane.

    Each step of training begins as many portions as have become ready since the step before, so
    that a few portions' memory, used again and again, is all that this takes.

    Args:
        work: what the engine does; with a cache.
        owner: of the engine, which may be another loader's.
        budget: of the loader whose cache it is.
        indices: of the samples, in the order in which they will be asked for.

    Attributes:
        cache: which one it is.
        done: whether all were decoded.
    """

    def __init__(
        self, work: EngineWork, owner: EngineOwner, budget: Budget, indices: Iterator[int]
    ) -> None:
        self._portions = Prepared(work, owner, budget)
        self.cache = None if work.cache is None else work.cache.identity
        self._indices = indices
        self._samples = min(64, max(1, _PORTION_BYTES // work.sample_bytes))
        self._most = _PORTIONS_A_THREAD * max(1, owner.threads)
        self._begun = False
        self.done = False

    def go_on(self) -> None:
        """A step of training is over: let go of what is ready, begin as much again."""
        left = self._portions.pass_over()
        if not left and self._begun:
            self._most *= 2
        while left < self._most:
            portion = list(islice(self._indices, self._samples))
            if not portion:
                self.done = not left
                break
            if not self._portions.begin(sampled_rows(portion, len(self._portions.work.rows))):
                self._indices = chain(portion, self._indices)  # no room now
                break
            self._begun = True
            left += 1

    def close(self) -> None:
        """Stop; what has been kept stays in the cache. Idempotent."""
        self._portions.close()
