"""Which machinery a loader's next epoch runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from fastload.engine import NotLowerable, Rows, rows_of
from fastload.loader.cache import CacheKeeper
from fastload.loader.cache_plan import CachePlan
from fastload.loader.core_dataset import CoreWork, lowered_of
from fastload.loader.plan import LoaderPlan
from fastload.transforms import Lowered, random_step

if TYPE_CHECKING:
    from fastload.loader.dataloader import DataLoader

__all__ = ["Choice", "EngineWork", "choose"]

_SEEDED = (
    "random numbers of transforms in Python are seeded for each sample, from the epoch's seed and "
    "the sample's place in its order"
)


@dataclass(frozen=True)
class EngineWork:
    """What the engine does for an epoch.

    Attributes:
        rows: the data set.
        recipe: the transforms, as the core runs them.
        dtype: of the batches.
        channels_last: of the batches.
        sample_bytes: of one sample in a batch.
        lowered: what the recipe was made from.
        keeper: opens the cache.
        cache: of the samples' pixels; None for none.
    """

    rows: Rows
    recipe: Any
    dtype: torch.dtype
    channels_last: bool
    sample_bytes: int
    lowered: Lowered
    keeper: CacheKeeper
    cache: CachePlan | None = None

    @property
    def source(self) -> Any:
        """Where the core reads."""
        return self.rows.pictures.source

    def submit(
        self, engine: Any, rows: NDArray[np.int64], position: int, seed: int, *, lane: int = 0
    ) -> Any:
        """Have an engine make a batch; returns the core's batch.

        Args:
            engine: the core's.
            rows: int64 [n], of the data set.
            position: in the epoch's order, of the first row.
            seed: the epoch's.
            lane: 0 for training, 1 for what may wait.
        """
        indices = self.rows.picture_indices(rows)
        cache = self.keeper.open(self.cache)
        self.rows.pictures.bring(indices)
        return engine.submit(self.source, self.recipe, indices, position, seed, lane, cache)

    def same_as(self, other: EngineWork) -> bool:
        """Whether the same rows give the same pixels in the same memory layout."""
        return (
            self.rows.pictures is other.rows.pictures
            and _equal(self.rows.indices, other.rows.indices)
            and self.channels_last == other.channels_last
            and self.lowered.same_as(other.lowered)
        )


def _equal(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


@dataclass(frozen=True)
class Choice:
    """A plan and the work it needs; neither work: torch's own machinery."""

    plan: LoaderPlan
    engine: EngineWork | None = None
    core: CoreWork | None = None


def choose(loader: DataLoader[Any]) -> Choice:
    """Looks at a loader, its data set and its transforms as they are now."""
    try:
        rows = _rows(loader)
    except NotLowerable as reason:
        return _on_workers(loader, str(reason), type(loader.dataset).__name__)
    if rows.transform is None:
        return _on_workers(loader, "without a transform, samples are PIL images", rows.kind)
    lowered = lowered_of(rows)
    steps = tuple(map(str, lowered.steps))
    if lowered.whole:
        try:
            return _on_engine(loader, rows, lowered, steps)
        except ValueError as error:  # such as a dtype that the core does not write
            return _on_workers(loader, str(error), rows.kind, steps)
    first = next((step.name for step in lowered.steps if step.where == "python"), "the transform")
    if lowered.kind == "nothing":
        return _on_workers(loader, f"{first} runs in Python", rows.kind, steps)
    notes = (*_worker_notes(loader), _SEEDED)
    plan = LoaderPlan("workers+core", f"from {first} on, Python is needed", rows.kind, steps, notes)
    return Choice(plan, core=CoreWork(rows, lowered))


def _rows(loader: DataLoader[Any]) -> Rows:
    if isinstance(loader.dataset, IterableDataset):
        raise NotLowerable("an IterableDataset makes its samples itself")
    if loader.timeout and not loader.num_workers:
        raise NotLowerable("a timeout needs num_workers > 0")  # torch will say so
    return rows_of(loader.dataset)


def _on_workers(
    loader: DataLoader[Any], reason: str, dataset: str, steps: tuple[str, ...] = ()
) -> Choice:
    return Choice(LoaderPlan("workers", reason, dataset, steps, _worker_notes(loader)))


def _on_engine(
    loader: DataLoader[Any], rows: Rows, lowered: Lowered, steps: tuple[str, ...]
) -> Choice:
    if loader.dtype is not None:
        lowered = lowered.cast(loader.dtype)
    channels_last = loader.memory_format is torch.channels_last
    dtype = lowered.torch_dtype
    size = lowered.channels * lowered.height * lowered.width * dtype.itemsize
    recipe = lowered.recipe(channels_last=channels_last)
    cache = CachePlan.of(rows, lowered, loader.cache, loader.cache_bytes) if recipe.fixed else None
    keeper = loader._cache_keeper
    work = EngineWork(rows, recipe, dtype, channels_last, size, lowered, keeper, cache)
    where = f"{loader.num_workers} threads" if loader.num_workers else "in the calling thread"
    plan = LoaderPlan(
        "engine", f"all transforms run in the core; {where}", rows.kind, steps,
        (*_engine_notes(loader, lowered), *_cache_notes(loader, lowered, cache)),
    )  # fmt: skip
    return Choice(plan, engine=work)


def _engine_notes(loader: DataLoader[Any], lowered: Lowered) -> tuple[str, ...]:
    notes = [] if lowered.inexact is None else [f"not exact: {lowered.inexact}"]
    if loader.worker_init_fn is not None:
        notes.append("worker_init_fn is not called: there are threads, no worker processes")
    if loader.multiprocessing_context is not None:
        notes.append("multiprocessing_context is not used: there are no worker processes")
    if not getattr(loader, "in_order", True):
        notes.append("in_order=False is not needed: batches come in order")
    return tuple(notes)


def _cache_notes(
    loader: DataLoader[Any], lowered: Lowered, cache: CachePlan | None
) -> tuple[str, ...]:
    if loader.cache is None:
        return ()
    if cache is None:
        return (f"cache: not used: {random_step(lowered)} is random",)
    return (loader._cache_keeper.note(cache),)


def _worker_notes(loader: DataLoader[Any]) -> tuple[str, ...]:
    notes = []
    if loader.on_error != "raise":
        notes.append(f"on_error={loader.on_error!r} has no effect here: errors are raised")
    if loader.cache is not None:
        notes.append("cache: not used: only batches that the engine makes are kept")
    return tuple(notes)
