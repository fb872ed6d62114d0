"""One epoch on the engine, in the clothes of torch's iterators."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch.autograd import profiler
from torch.utils.data._utils import pin_memory as _torch_pinning
from torch.utils.data.dataloader import _BaseDataLoaderIter

from fastload.engine import sampled_rows
from fastload.loader.assembly import Assembly
from fastload.loader.memory import check_budget
from fastload.loader.resume import Snapshot, epoch_seed
from fastload.loader.run_ahead import Job, RunAhead, Submit

if TYPE_CHECKING:
    from fastload.engine.lane import PillowLane
    from fastload.loader.choice import EngineWork
    from fastload.loader.dataloader import DataLoader

__all__ = ["EngineIterator"]

_pin_memory: Any = _torch_pinning.pin_memory


def _profiling() -> bool:
    """Whether someone wants to see each ``next()`` in torch's profiler."""
    return bool(getattr(profiler, "_is_profiler_enabled", True))


#: While Pillow may be needed, the waiting thread looks so often whether its lane has lost its
#: threads, as it does when the main thread has ended.
_LOOK_SECONDS = 0.1


class EngineIterator(_BaseDataLoaderIter):
    """Batches from the engine, in order.

    torch's base class draws what torch draws from the generators, in its order, and the sampler is
    asked for batches when torch's iterators would ask: ``prefetch_factor * num_workers`` at the
    beginning and one after each batch; without workers, one before each.

    Args:
        loader: whose arguments count.
        work: what the engine has to do.
    """

    def __init__(self, loader: DataLoader[Any], work: EngineWork) -> None:
        before = Snapshot(loader) if loader._progress.as_reset else None
        super().__init__(loader)
        if before is not None:
            before.restore()
        if self._num_workers > 0:  # torch's iterator with workers asks for an order twice
            self._sampler_iter = iter(self._index_sampler)
        self._process = os.getpid()
        self._resets = 0
        self._in_lane = False
        self._begin(loader, work)

    def _reset(self, loader: DataLoader[Any], first_iter: bool = False) -> None:
        """A new epoch of a loader with ``persistent_workers``; torch draws no seed then."""
        self.close()
        super()._reset(loader, first_iter)
        self._resets += 1
        self._begin(loader, loader._engine_work())

    def _begin(self, loader: DataLoader[Any], work: EngineWork) -> None:
        self._work = work
        self._progress = loader._progress
        self._counters = loader._counters
        self._owner = loader._engine_owner()
        self._base_seed, self._resets = self._progress.begin(int(self._base_seed), self._resets)
        seed = epoch_seed(self._base_seed, self._resets)
        self._counters.begin()
        loader._cache_keeper.begin(work.cache)
        self._pulled_samples = 0
        self._assembly = Assembly(work, loader, seed)
        self._prepared = loader._take_prepared(work)
        submit, self._lane = self._machinery(work, seed)

        self._budget = loader._budget()
        self._budget_checked = False
        self._ahead = RunAhead(submit, work.sample_bytes, self._budget)
        self._enter_lane()
        self._skip(self._progress.batches)
        if self._num_workers > 0:
            for _ in range((loader.prefetch_factor or 0) * self._num_workers or 1):
                self._pull()
            self._ahead.fill()
        elif self._progress.resumed:
            self._pull()  # now, while the generators stand where the epoch began

    def _machinery(self, work: EngineWork, seed: int) -> tuple[Submit, PillowLane]:
        """What batches are submitted to, and its lane: the loader's own, or what has prepared some
        of them already.
        """
        prepared = self._prepared
        if prepared is None:
            engine, lane = self._owner.get()
            return (lambda rows, position: work.submit(engine, rows, position, seed)), lane

        def submit(rows: NDArray[np.int64], position: int) -> Any:
            batch = prepared.take(rows)
            return prepared.submit(rows, position, seed) if batch is None else batch

        return submit, prepared.lane

    def _skip(self, batches: int) -> None:
        """Pass over what was delivered before a resumption."""
        self._num_yielded = batches
        for _ in range(batches):
            index = next(self._sampler_iter, None)
            if index is None:
                return
            self._pulled_samples += len(index) if self._auto_collation else 1

    def _pull(self) -> None:
        """Ask the sampler for a batch."""
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        rows = sampled_rows(index if self._auto_collation else [index], len(self._work.rows))
        self._ahead.add(Job(rows, self._pulled_samples))
        self._pulled_samples += len(rows)
        if not self._budget_checked:
            self._budget_checked = True
            check_budget(self._budget.size_bytes, len(rows) * self._work.sample_bytes)

    def __next__(self) -> Any:
        if _profiling():
            return super().__next__()
        return self._next_data()  # entering torch's profiler costs as much as all the rest here

    def _next_data(self) -> Any:
        if os.getpid() != self._process:
            raise RuntimeError(
                f"this iterator belongs to process {self._process}; a forked child needs its own: "
                "call iter(loader) there"
            )
        while True:
            if self._num_workers == 0 and not len(self._ahead):
                self._pull()
            job = self._ahead.first()
            if job is None:
                self._leave()
                self._progress.finish()
                raise StopIteration
            began = time.perf_counter()
            self._wait(job)
            waited = time.perf_counter() - began
            array = self._budget.lend(job.batch)
            self._ahead.pop()
            if self._num_workers > 0:
                self._pull()
                self._ahead.fill()
            self._progress.batches += 1
            data = self._assembly.assemble(job, array)
            if data is None:  # every sample was left out
                continue
            self._counters.cache_hits += job.batch.cache_hits
            self._counters.delivered(len(job.rows), waited, self._ahead.flying)
            if self._pin_memory:
                data = _pin_memory(data, self._pin_memory_device)
            return data

    def _wait(self, job: Job) -> None:
        """Until a batch is done; serves Pillow's lane, or has it served.

        Raises:
            RuntimeError: it took longer than ``timeout``; in torch's words.
        """
        ends = time.perf_counter() + self._timeout if self._timeout > 0 else None
        pictures = self._work.rows.pictures
        slice_seconds = _LOOK_SECONDS if pictures.needs_pillow else self._timeout or -1.0
        while not job.batch.wait(slice_seconds):
            if pictures.needs_pillow:
                self._lane.hurry()
            if ends is not None and time.perf_counter() > ends:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def _enter_lane(self) -> None:
        if self._work.rows.pictures.needs_pillow:
            pictures = self._work.rows.pictures
            self._lane.enter(pictures.source, pictures.open)
            self._in_lane = True

    def _leave(self) -> None:
        if self._in_lane:
            self._in_lane = False
            self._lane.leave(self._work.source)
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.close()

    def close(self) -> None:
        """Give up what is under way. Idempotent."""
        if os.getpid() == self._process:
            self._ahead.cancel()
            self._leave()

    def __del__(self) -> None:
        if hasattr(self, "_ahead"):  # not where the constructor failed
            self.close()
