"""Which machinery a loader's next epoch runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import IterableDataset

from fastload.engine import NotLowerable, Rows, rows_of
from fastload.loader.core_dataset import CoreWork, lowered_of
from fastload.loader.plan import LoaderPlan
from fastload.transforms import Lowered

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
    """

    rows: Rows
    recipe: Any
    dtype: torch.dtype
    channels_last: bool
    sample_bytes: int

    @property
    def source(self) -> Any:
        """Where the core reads."""
        return self.rows.pictures.source


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
    work = EngineWork(rows, lowered.recipe(channels_last=channels_last), dtype, channels_last, size)
    where = f"{loader.num_workers} threads" if loader.num_workers else "in the calling thread"
    plan = LoaderPlan(
        "engine", f"all transforms run in the core; {where}", rows.kind, steps,
        _engine_notes(loader, lowered),
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


def _worker_notes(loader: DataLoader[Any]) -> tuple[str, ...]:
    if loader.on_error == "raise":
        return ()
    return (f"on_error={loader.on_error!r} has no effect here: errors are raised",)
