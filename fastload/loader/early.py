"""``EarlyIterator``: worker processes that were set going before their epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from fastload.loader.resume import Progress, Snapshot

if TYPE_CHECKING:
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    from fastload.loader.choice import Choice
    from fastload.loader.dataloader import DataLoader

__all__ = ["EarlyIterator"]


class EarlyIterator:
    """A coming epoch's iterator of torch's machinery, whose workers fetch their first batches.

    Beginning an epoch draws random numbers (the workers' seed). They are put back, and drawn again
    when the epoch really begins, so that training's own numbers are those that it would have
    without this. The loader's progress stays what it was until then.

    Args:
        loader: on a "workers" path, with a sampler that draws nothing.

    Raises:
        ValueError: the epoch cannot be begun early; nothing is left begun.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        progress = loader._progress
        if progress.pending:
            raise ValueError("its next epoch goes on from a state that was loaded")
        if loader._iterator is not None and progress.begun and not progress.finished:
            raise ValueError("its persistent workers are in the middle of an epoch")
        self._is_first = loader._iterator is None
        before = Snapshot(loader)
        loader._progress = Progress()
        try:
            self._iterator = iter(loader)
            after = Snapshot(loader)
        finally:
            self._progress, loader._progress = loader._progress, progress
            before.restore()
        assert loader._choice is not None
        self._plan = loader._choice.plan
        self._seen = _look_at(loader)
        self._draws = not after.same_as(before)
        if self._draws:
            try:
                _draw(loader)
                drawn = Snapshot(loader)
            finally:
                before.restore()
            if not drawn.same_as(after):
                self.drop(loader)
                raise ValueError("its sampler draws random numbers when an epoch begins")

    def hand_out(self, loader: DataLoader[Any], choice: Choice) -> _BaseDataLoaderIter | None:
        """The epoch begins. None where the loader would now begin another, as far as can be seen:
        an attribute of it, its samplers or its data sets is no longer what it was, or another seed
        comes from its own generator.
        """
        if choice.plan != self._plan or not _are_same(_look_at(loader), self._seen):
            return None
        if self._draws:
            before = Snapshot(loader)
            seed = _draw(loader)
            if loader.generator is not None and seed != self._iterator._base_seed:
                before.restore()
                return None
        loader._progress = self._progress
        loader._counters.begin()
        return self._iterator

    def drop(self, loader: DataLoader[Any]) -> None:
        """The epoch will not come. Persistent workers that were there before stay."""
        if self._is_first:
            loader._iterator = None


def _draw(loader: DataLoader[Any]) -> int:
    """As torch's iterators draw their seed."""
    return int(torch.empty((), dtype=torch.int64).random_(generator=loader.generator))


def _look_at(loader: DataLoader[Any]) -> list[dict[str, Any]]:
    """What an epoch is made from, as far as it can be seen: attributes, and what lists hold."""
    public = {name: value for name, value in vars(loader).items() if not name.startswith("_")}
    found = [{name: _nested(value) for name, value in public.items()}]
    things = [loader.batch_sampler, loader.sampler, loader.dataset]
    while things:
        attributes = getattr(things.pop(), "__dict__", {})
        found.append({name: _listed(value) for name, value in attributes.items()})
        if "dataset" in attributes:  # as in a Subset
            things.append(attributes["dataset"])
        things += attributes.get("datasets", ())  # as in a ConcatDataset
    return found


def _listed(value: Any) -> Any:
    """A list as it is now; anything else itself."""
    return value.copy() if type(value) is list else value


def _nested(value: Any) -> Any:
    """Likewise, and the lists in it: what stands for a sampler of batches."""
    return list(map(_listed, value)) if type(value) is list else value


def _are_same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether all attributes are the same objects, or lists of equal items."""
    return len(one) == len(other) and all(
        old.keys() == new.keys() and all(_is_same(old[name], new[name]) for name in old)
        for old, new in zip(one, other, strict=True)
    )


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return type(one) is type(other) and type(one) in (list, int, float, str) and one == other
    except Exception:  # items that compare in ways of their own, such as arrays
        return False
