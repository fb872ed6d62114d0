"""``overlap_validation``: a validation loader's batches are made while training runs.

Note [how overlap keeps out of the way]
Training's engine makes the batches, in its background lane: a thread begins one of these samples
only when training has none waiting. What is prepared is a guess at what the validation epoch will
ask for; that epoch runs as ever, asks its own sampler, and takes a batch that was prepared only
where it is the very one that it would have begun (`Prepared.take`). A wrong guess costs time, and
nothing else. Only what cannot depend on the moment is prepared: transforms that draw nothing, and
samplers that can be asked early.

Where the validation loader has a cache with room for all, its samples are decoded into that, from
the beginning of the epoch, and only as many batches are made as the loader would have under way
anyway: batches of floats take four times the memory, and writing to memory for the first time takes
the system longer than decoding does.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from fastload.engine import EngineOwner, sampled_rows
from fastload.loader import DataLoader
from fastload.loader.choice import Choice, choose
from fastload.loader.early import EarlyIterator
from fastload.loader.prepared import Prepared
from fastload.overlap.cache_filler import CacheFiller
from fastload.overlap.pace import Pace
from fastload.overlap.samplers import why_not_early
from fastload.transforms import random_step

__all__ = ["Overlap", "overlap_validation"]

#: Batches that are begun behind one of training's: asking the sampler takes the training thread.
_BATCHES_A_STEP = 4


class Overlap:
    """A validation loader that is tied to a training loader; see `overlap_validation`.

    Attributes:
        reason: why nothing, or no more, was prepared when it was time to, or None.
        prepared_batches: begun in the background so far (on torch's path: epochs, since workers
            fetch by themselves).
    """

    def __init__(
        self,
        train: DataLoader[Any],
        validation: DataLoader[Any],
        due_in: Callable[[int], int | None] | None,
    ) -> None:
        self.reason: str | None = None
        self.prepared_batches = 0
        self._train = weakref.ref(train)
        self._validation = weakref.ref(validation)
        self._due_in = due_in
        self._pace = Pace()
        self._known_length: int | None = None
        self._seen = 0
        self._refused = False  # in this epoch of training
        self._begun = 0
        self._indices: Iterator[Any] = iter(())
        self._most_batches: int | None = None
        self._timing = False
        self._filler: CacheFiller | None = None
        self._filled: object = None  # the cache that all went into; some may not be readable
        train._counters.watchers.append(self._watch)
        validation._counters.watchers.append(self._watch_validation)

    def close(self) -> None:
        """Untie the two; what is prepared is dropped. Idempotent."""
        train, validation = self._train(), self._validation()
        for loader, watch in ((train, self._watch), (validation, self._watch_validation)):
            if loader is not None and watch in loader._counters.watchers:
                loader._counters.watchers.remove(watch)
        self._drop(validation)

    def _drop(self, validation: DataLoader[Any] | None) -> None:
        self._stop_filling()
        if validation is None:
            return
        prepared, validation._prepared = validation._prepared, None
        if prepared is not None:
            prepared.close()
        early, validation._early = validation._early, None
        if early is not None:
            early.drop(validation)

    def _watch(self, batches: int) -> None:
        """Training has had so many batches."""
        train, validation = self._train(), self._validation()
        if train is None or validation is None:
            self._stop_filling()
            return
        if self._timing and validation._prepared is None:
            self._timing = False
            self._pace.miss()
        self._pace.step(batches)
        if batches == 0:
            self._known_length = _length(train) or self._seen or None
            self._refused = False
        self._seen = batches
        left = self._left(batches)
        if self._refused:
            return
        try:
            self._prepare(train, validation, batches, left)
        except Exception as error:  # validation will meet it, and raise it where it belongs
            self.reason, self._refused = f"{type(error).__name__}: {error}", True
            self._drop(validation)

    def _prepare(
        self, train: DataLoader[Any], validation: DataLoader[Any], batches: int, left: int | None
    ) -> None:
        """Do what can be done behind training's batches, with so many left before validation."""
        if batches == 0:
            self._begin_filling(train, validation, left)
        if self._filler is not None:
            self._filler.go_on()
            if self._filler.done:
                self._filled = self._filler.cache
                self._stop_filling()
        if validation._prepared is not None or validation._early is not None:
            self._go_on(validation)
        elif left is not None and self._pace.is_time(left):
            self._begin(train, validation)
            self._refused = self.reason is not None

    def _watch_validation(self, batches: int) -> None:
        """Validation has had so many batches: it decodes what is left in its own order."""
        if batches == 0:
            self._stop_filling()

    def _begin_filling(
        self, train: DataLoader[Any], validation: DataLoader[Any], left: int | None
    ) -> None:
        """An epoch of training begins: have the cache filled, where there is one to be filled."""
        self._stop_filling()
        if left is None or why_not_early(validation) is not None:
            return
        work = choose(validation).engine
        owner = _owner(train, validation)
        if work is None or work.cache is None or owner is None:
            return
        if work.cache.identity == self._filled:
            return
        if work.keeper.holds_all(work.cache) and not work.keeper.is_full(work.cache):
            indices = iter(validation._index_sampler)
            flat = chain.from_iterable(indices) if validation._auto_collation else indices
            self._filler = CacheFiller(work, owner, validation._budget(), flat)

    def _stop_filling(self) -> None:
        filler, self._filler = self._filler, None
        if filler is not None:
            filler.close()

    def _left(self, batches: int) -> int | None:
        """Training's batches before validation; None: not known, or not in this epoch."""
        if self._due_in is not None:
            return self._due_in(batches)
        return None if self._known_length is None else max(0, self._known_length - batches)

    def _begin(self, train: DataLoader[Any], validation: DataLoader[Any]) -> None:
        self.reason = why_not_early(validation)
        if self.reason is not None:
            return
        choice = choose(validation)
        work = choice.engine
        if work is None:
            self._begin_workers(validation, choice)
            return
        if not work.recipe.fixed:
            self.reason = "its transforms draw random numbers, which differ from epoch to epoch"
            return
        owner = _owner(train, validation)
        if owner is None:
            self.reason = "neither loader has threads: expected num_workers above 0"
            return
        self._most_batches = None
        if work.keeper.holds_all(work.cache):
            self._most_batches = (validation.prefetch_factor or 1) * max(1, validation.num_workers)
        trims = self._most_batches is None
        validation._prepared = Prepared(work, owner, validation._budget(), trims=trims)
        self._begun = 0
        self._indices = iter(validation._index_sampler)
        self._timing = True
        self._pace.begin()
        self._go_on(validation)

    def _begin_workers(self, validation: DataLoader[Any], choice: Choice) -> None:
        if validation.num_workers == 0:
            self.reason = "it has no workers: expected num_workers above 0"
            return
        drawing = None if choice.core is None else random_step(choice.core.lowered)
        if drawing is not None and validation.generator is None:
            self.reason = (
                f"{drawing} is random, with a seed that is drawn when its epoch begins; expected a "
                "generator of its own"
            )
            return
        try:
            validation._early = EarlyIterator(validation)
        except ValueError as error:
            self.reason = str(error)
            return
        self.prepared_batches += 1

    def _go_on(self, validation: DataLoader[Any]) -> None:
        """Begin a few more batches, as far as the budget goes."""
        prepared = validation._prepared
        if prepared is None:
            return
        for _ in range(_BATCHES_A_STEP):
            if self._begun == self._most_batches:
                break
            index = next(self._indices, None)
            if index is None:
                break
            listed = index if validation._auto_collation else [index]
            if not prepared.begin(sampled_rows(listed, len(prepared.work.rows))):
                self._indices = chain([index], self._indices)
                break
            self.prepared_batches += 1
            self._begun += 1
        if self._timing and prepared.done:
            self._timing = False
            self._pace.end()


def _length(loader: DataLoader[Any]) -> int | None:
    try:
        return len(loader)
    except TypeError:  # an IterableDataset without a length
        return None


def _owner(train: DataLoader[Any], validation: DataLoader[Any]) -> EngineOwner | None:
    """Whose engine prepares: training's, or else validation's own."""
    return next((one._engine_owner() for one in (train, validation) if _has_threads(one)), None)


def _has_threads(loader: DataLoader[Any]) -> bool:
    return loader.num_workers > 0 and (loader._choice or choose(loader)).engine is not None


def overlap_validation(
    train_loader: DataLoader[Any],
    *validation_loaders: DataLoader[Any],
    due_in: Callable[[int], int | None] | None = None,
) -> tuple[Overlap, ...]:
    """Have validation's first batches made while training runs.

        overlap_validation(train_loader, val_loader)

    From then on, shortly before an epoch of ``train_loader`` ends, the engine's background lane
    begins with ``val_loader``'s batches, as many as its ``memory_budget_bytes`` hold, and only with
    threads that training has no work for. ``for batch in val_loader`` finds them there. Batches,
    their order and all random numbers are what they would be without it; leaving either loop
    early, resuming, and validation in the middle of an epoch work as ever.

    On torch's path (see ``val_loader.plan()``), its worker processes are started and fetch
    ``prefetch_factor * num_workers`` batches. Give such a loader a ``generator`` of its own where
    its data set draws random numbers: workers are seeded when they start. They, and validation's
    own threads where only training is on torch's path, share the processors with training.

    Args:
        train_loader: whose epochs are watched.
        validation_loaders: each is prepared by itself. One with random transforms, or with a
            sampler that cannot be asked early, is left as it is; `Overlap.reason` says why.
        due_in: how many more batches of ``train_loader`` come before validation, given those that
            this epoch has had; None: no validation is in sight. Default: it comes at the end of
            every epoch.

    Returns:
        one `Overlap` for each validation loader; it need not be kept.

    Raises:
        TypeError: one of them is no `fastload.DataLoader`.
        ValueError: no validation loader, or one that is the training loader.
    """
    for loader in (train_loader, *validation_loaders):
        if not isinstance(loader, DataLoader):
            raise TypeError(f"expected fastload.DataLoader, found {type(loader).__qualname__}")
    if not validation_loaders or train_loader in validation_loaders:
        raise ValueError("expected a training loader and one or more other loaders for validation")
    return tuple(Overlap(train_loader, loader, due_in) for loader in validation_loaders)
