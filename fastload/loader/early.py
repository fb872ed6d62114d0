"""``EarlyIterator``: worker processes that were set going before their epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from fastload.loader.resume import Snapshot, generator_states

if TYPE_CHECKING:
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    from fastload.loader.choice import Choice
    from fastload.loader.dataloader import DataLoader

__all__ = ["EarlyIterator"]


class EarlyIterator:
    """A coming epoch's iterator of torch's machinery, whose workers fetch their first batches.

    Beginning an epoch draws random numbers (the workers' seed). They are put back, and drawn again
    when the epoch really begins, so that training's own numbers are those that it would have
    without this.

    Args:
        loader: on a "workers" path, with a sampler that draws nothing.

    Raises:
        ValueError: beginning an epoch draws something else; nothing is left begun.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        before = Snapshot(loader)
        default_before, own_before = torch.get_rng_state(), generator_states(loader)
        self._iterator = iter(loader)
        assert loader._choice is not None
        self._path = loader._choice.plan.path
        self._dataset = loader.dataset
        self._transform = getattr(loader.dataset, "transform", None)
        default_after, own_after = torch.get_rng_state(), generator_states(loader)
        before.restore()
        self._draws = not _equal(default_before, own_before, default_after, own_after)
        if self._draws:
            _draw(loader)
            drawn = torch.get_rng_state(), generator_states(loader)
            before.restore()
            if not _equal(*drawn, default_after, own_after):
                raise ValueError("its sampler draws random numbers when an epoch begins")

    def fits(self, loader: DataLoader[Any], choice: Choice) -> bool:
        """Whether the loader would begin the same epoch now."""
        return (
            choice.plan.path == self._path
            and loader.dataset is self._dataset
            and getattr(loader.dataset, "transform", None) is self._transform
        )

    def hand_out(self, loader: DataLoader[Any]) -> _BaseDataLoaderIter:
        """The epoch begins."""
        if self._draws:
            _draw(loader)
        loader._counters.begin()
        return self._iterator


def _draw(loader: DataLoader[Any]) -> None:
    """As torch's iterators draw their seed."""
    torch.empty((), dtype=torch.int64).random_(generator=loader.generator)


def _equal(
    default: torch.Tensor,
    own: dict[str, torch.Tensor],
    other_default: torch.Tensor,
    other_own: dict[str, torch.Tensor],
) -> bool:
    """Whether two states of all generators are the same."""
    return torch.equal(default, other_default) and all(
        torch.equal(own[name], other_own[name]) for name in own
    )
