"""torch's own iterators: as they are, or with workers that call the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data.dataloader import (
    _BaseDataLoaderIter,
    _MultiProcessingDataLoaderIter,
    _SingleProcessDataLoaderIter,
)

from fastload.loader.core_dataset import CoreDataset, CoreWork, Ticket
from fastload.loader.resume import Snapshot, epoch_seed

if TYPE_CHECKING:
    from fastload.loader.dataloader import DataLoader

__all__ = ["worker_iterator"]


def worker_iterator(loader: DataLoader[Any], core: CoreWork | None) -> _BaseDataLoaderIter:
    """An iterator of torch's for the loader.

    Args:
        loader: whose arguments count.
        core: the transforms that the core runs in the workers; None for none.
    """
    kind = _WorkerIterator if loader.num_workers > 0 else _PlainIterator
    return kind(loader, core)


class _View:
    """A loader as torch's iterators see it, with another data set."""

    def __init__(self, loader: Any, dataset: Any) -> None:
        self._loader = loader
        self.dataset = dataset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _Followed(_BaseDataLoaderIter):
    """Passes over batches that an earlier process had, and counts those handed out."""

    def __init__(self, loader: Any, core: CoreWork | None) -> None:
        self._loader_dtype = loader.dtype
        self._loader_format = loader.memory_format
        self._core = core
        self._resets = -1
        self._drawn: int | None = None
        self._ready: list[Any] = []
        self._begin(loader)
        if core is not None:
            loader = _View(loader, CoreDataset(core, loader.dataset))
        self._before = Snapshot(loader) if self._progress.as_reset else None
        super().__init__(loader)
        if self._num_workers == 0:
            self._start()
        if self._num_workers == 0 and self._progress.resumed:
            # Now, while the generators stand where the epoch began.
            first = self._next_index_or_none()
            self._ready = [] if first is None else [first]

    def _begin(self, loader: Any) -> None:
        self._progress = loader._progress
        self._counters = loader._counters
        self._counters.begin()
        self._left_to_skip = self._progress.batches
        self._position = 0
        self._resets += 1

    def _start(self) -> None:
        if self._before is not None:
            self._before.restore()
            self._before = None
        drawn = self._base_seed if self._drawn is None else self._drawn
        self._drawn, self._resets = self._progress.begin(drawn, self._resets)
        self._seed = epoch_seed(self._drawn, self._resets)

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        """Before torch asks the sampler for the first batches; also within its constructor."""
        if first_iter:
            self._start()
        else:
            self._begin(loader)
            self._start()
        super()._reset(loader, first_iter)

    def _next_index_or_none(self) -> Any:
        try:
            return self._next_index()
        except StopIteration:
            return None

    def _next_index(self) -> Any:
        if self._ready:
            return self._ready.pop()
        while self._left_to_skip:
            self._left_to_skip -= 1
            self._position += self._count(next(self._sampler_iter))
        index = next(self._sampler_iter)
        if self._core is None:
            return index
        ticket = Ticket(self._seed, self._position, index)
        self._position += self._count(index)
        return ticket

    def _count(self, index: Any) -> int:
        return len(index) if self._auto_collation else 1

    def __next__(self) -> Any:
        try:
            data = super().__next__()
        except StopIteration:
            self._progress.finish()
            raise
        self._progress.batches += 1
        images = data[0] if isinstance(data, list | tuple) and data else data
        count = len(images) if isinstance(images, torch.Tensor) and images.ndim else 1
        self._counters.delivered(count, 0.0, 0)
        return self._converted(data)

    def _converted(self, data: Any) -> Any:
        """``dtype`` and ``memory_format``, for batches of images and something else."""
        if self._loader_dtype is None and self._loader_format is None:
            return data
        if isinstance(data, list) and data and isinstance(data[0], torch.Tensor):
            images = data[0].to(self._loader_dtype) if self._loader_dtype else data[0]
            if self._loader_format is not None and images.ndim == 4:
                images = images.contiguous(memory_format=self._loader_format)
            return [images, *data[1:]]
        return data


class _PlainIterator(_Followed, _SingleProcessDataLoaderIter):
    """In the calling process."""


class _WorkerIterator(_Followed, _MultiProcessingDataLoaderIter):
    """In worker processes."""
