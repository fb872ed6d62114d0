"""``DataLoader``: torch's, with batches from the native engine wherever it can make them."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterable
from multiprocessing.context import BaseContext
from typing import Any, Literal, TypeVar

import torch
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Dataset, Sampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

from fastload.engine import EngineOwner
from fastload.loader.budget import Budget
from fastload.loader.cache import CacheKeeper
from fastload.loader.cache_plan import Cache, CacheBytes, check_cache
from fastload.loader.choice import Choice, EngineWork, choose
from fastload.loader.early import EarlyIterator
from fastload.loader.failures import ErrorLog, OnError, SampleError, check_on_error
from fastload.loader.iterator import EngineIterator
from fastload.loader.memory import automatic_budget_bytes
from fastload.loader.plan import LoaderPlan
from fastload.loader.prepared import Prepared
from fastload.loader.resume import Progress, replayed
from fastload.loader.statistics import Counters, LoaderStatistics
from fastload.loader.torch_path import worker_iterator

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)

#: What belongs to this process and this run, and is made anew after unpickling or copying.
_OWN = (
    "_choice", "_owner", "_progress", "_counters", "_error_log", "_iterator", "_shared_budget",
    "_prepared", "_early", "_cache_keeper", "_beginning",
)  # fmt: skip
_FORMATS = (None, torch.contiguous_format, torch.channels_last)


class DataLoader(TorchDataLoader[T_co]):
    """A ``torch.utils.data.DataLoader``: same arguments, same batches, in the same order.

    At every ``iter()`` it looks at the data set and its transforms. For an ``LMDBDataset`` or a
    plain torchvision ``ImageFolder`` (or ``Subset``, ``ConcatDataset``, ``random_split`` of
    these) whose transforms the native engine knows, batches come from the engine: same pixels,
    bit for bit. For anything else it is torch's loader. ``print(loader.plan())`` tells which, and
    why.

    On the engine:

    - ``num_workers`` is the number of decoding threads of this process; 0: the calling thread.
    - ``prefetch_factor * num_workers`` batches are made ahead at most, fewer where
      ``memory_budget_bytes`` does not hold them.
    - Random transforms draw from (seed of the epoch, place in its order): the same for any number
      of workers and any batch size. The seed is what torch's loader draws from ``generator``.
    - ``worker_init_fn`` and ``multiprocessing_context`` are not used, and batches are always in
      order.

    The signature is spelled out, with every argument kept under its own name, because Lightning
    and others rebuild a loader from it. See torch's documentation for its own arguments.

    Args:
        dtype: of the images, instead of the transforms': what ``images.to(dtype)`` gives.
        memory_format: of the images: ``torch.channels_last`` or ``torch.contiguous_format``.
        memory_budget_bytes: for the batches that are under way, ready, or in use (the engine
            always makes one, however small the budget is). "auto": an eighth of the memory that
            is available, between 64 MiB and 2 GiB.
        on_error: what happens with a sample that cannot be read. "raise": an error that names it.
            "skip": it is left out, its batch is smaller. "replace": the next good sample of the
            batch takes its place, so that the batch keeps its shape. Those left out are listed in
            ``errors``. Only on the engine.
        cache: keep each sample's pixels behind the transforms, as bytes, so that from the second
            epoch on nothing is decoded; where no transform is random, that is, for validation.
            "memory": of this process and those forked from it. A folder: a file in it, which
            processes share and later runs find. Kept is what was made from the same bytes by the
            same transforms; a file that has changed is decoded again. ``plan()`` tells what is
            kept, or why nothing is. Only on the engine.
        cache_bytes: that the cache may take at most; what does not fit is decoded in each epoch.
            In a folder, files of other keys that nobody uses are removed where all together would
            take more. "auto": a quarter of the memory that is available, or half of the disk that
            is free.

    Attributes:
        errors: the samples left out so far, each once.

    Raises:
        ValueError: an argument is none of those above; for torch's own, in torch's words.
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[T_co]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: torch.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        dtype: torch.dtype | None = None,
        memory_format: torch.memory_format | None = None,
        memory_budget_bytes: int | Literal["auto"] = "auto",
        on_error: OnError = "raise",
        cache: Cache = None,
        cache_bytes: CacheBytes = "auto",
    ) -> None:
        check_on_error(on_error)
        check_cache(cache, cache_bytes)
        if memory_format not in _FORMATS:
            raise ValueError(f"expected memory_format to be one of {_FORMATS}: {memory_format}")
        if memory_budget_bytes == "auto":
            memory_budget_bytes = automatic_budget_bytes()
        if memory_budget_bytes <= 0:
            raise ValueError(
                f"expected memory_budget_bytes to be 'auto' or above 0: {memory_budget_bytes}"
            )
        self.dtype = dtype
        self.memory_format = memory_format
        self.memory_budget_bytes = memory_budget_bytes
        self.on_error = on_error
        self.cache = cache
        self.cache_bytes: CacheBytes = cache_bytes
        self._make_own()
        # torch 2.4 and 2.5 know no in_order, and do what True means.
        newer: dict[str, Any] = {} if in_order else {"in_order": in_order}
        super().__init__(
            dataset,
            batch_size=batch_size,
            shuffle=shuffle,
            sampler=sampler,
            batch_sampler=batch_sampler,
            num_workers=num_workers,
            collate_fn=collate_fn,
            pin_memory=pin_memory,
            drop_last=drop_last,
            timeout=timeout,
            worker_init_fn=worker_init_fn,
            multiprocessing_context=multiprocessing_context,
            generator=generator,
            prefetch_factor=prefetch_factor,
            persistent_workers=persistent_workers,
            pin_memory_device=pin_memory_device,
            **newer,
        )
        self.in_order = in_order

    def _make_own(self) -> None:
        self._choice: Choice | None = None
        self._owner: EngineOwner | None = None
        self._progress = Progress()
        self._counters = Counters()
        self._error_log = ErrorLog()
        self._shared_budget: Budget | None = None
        self._cache_keeper = CacheKeeper()
        self._iterator: Any = None
        self._prepared: Prepared | None = None
        self._early: EarlyIterator | None = None
        # By process: a forked child would wait for ever for a thread that it has not.
        self._beginning: dict[int, threading.RLock] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _OWN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_own()

    def __iter__(self) -> _BaseDataLoaderIter:
        """An epoch, begun on whatever the plan says now."""
        # One at a time: two threads that begin their epochs must not take up the same progress.
        with self._beginning.setdefault(os.getpid(), threading.RLock()):
            return self._begin_epoch()

    def _begin_epoch(self) -> _BaseDataLoaderIter:
        choice = choose(self)
        early, self._early = self._early, None
        if early is not None:
            begun = early.hand_out(self, choice)
            if begun is not None:
                return begun
            early.drop(self)
        if self._choice is not None and self._choice.plan.path != choice.plan.path:
            self._iterator = None  # a persistent one of another path
        self._choice = choice
        if choice.engine is None and self.on_error != "raise":
            warnings.warn(
                f"on_error={self.on_error!r} has no effect: {choice.plan.reason}", stacklevel=3
            )
        progress, self._progress = self._progress, Progress()
        if not progress.begun:
            self._progress = progress  # loaded by load_state_dict, or untouched
        with replayed(self, self._progress):
            return super().__iter__()

    def _get_iterator(self) -> _BaseDataLoaderIter:
        choice = self._choice or choose(self)
        if choice.engine is not None:
            return EngineIterator(self, choice.engine)
        return worker_iterator(self, choice.core)

    def _engine_work(self) -> EngineWork:
        """What the engine has to do in the epoch that begins."""
        assert self._choice is not None
        assert self._choice.engine is not None
        return self._choice.engine

    def _engine_owner(self) -> EngineOwner:
        if self._owner is None or self._owner.threads != self.num_workers:
            self._owner = EngineOwner(self.num_workers)
        return self._owner

    def _take_prepared(self, work: EngineWork) -> Prepared | None:
        """What was prepared of the epoch that begins, where it is what that epoch needs."""
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared.work.same_as(work):
            return prepared
        prepared.close()
        return None

    def _budget(self) -> Budget:
        if (
            self._shared_budget is None
            or self._shared_budget.size_bytes != self.memory_budget_bytes
        ):
            self._shared_budget = Budget(self.memory_budget_bytes)
        return self._shared_budget

    def plan(self) -> LoaderPlan:
        """What the next ``iter()`` will run where, and why; its text is for people."""
        return choose(self).plan

    def statistics(self) -> LoaderStatistics:
        """Rates, times and counts so far; costs next to nothing."""
        engine = {} if self._owner is None else self._owner.statistics
        return self._counters.report(engine, self._error_log.count, self._cache_keeper.used_bytes)

    @property
    def errors(self) -> list[SampleError]:
        """The samples that were left out so far, each once, in the order they were met."""
        return list(self._error_log.samples)

    def state_dict(self) -> dict[str, Any]:
        """Where the latest epoch stands: numbers, strings and tensors.

        Counts the batches that were handed out, not those made ahead.
        """
        return self._progress.state_dict(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Have the next ``iter()`` go on where that state was taken.

        The same batches follow as in the run that was left, with any number of workers, where
        sampler and transforms are the same and draw from torch's generators. torch's default
        generator is not moved. On the "workers" path the order goes on, but not the random
        transforms, which draw from their process's generators.

        Raises:
            ValueError: the state is of another data set, batch size or version.
        """
        self._progress = Progress.load(state_dict, self)
        self._iterator = self._early = None
