"""Samples whose first transforms run in the core and whose last run in Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from fastload.engine import Rows, rows_of
from fastload.errors import DecodeError
from fastload.picture import Info
from fastload.transforms import Lowered, lower

__all__ = ["CoreDataset", "CoreWork", "Ticket", "lowered_of"]


def lowered_of(rows: Rows) -> Lowered:
    """A data set's transforms, split between core and Python."""
    return lower(rows.transform, picture_size=rows.pictures.common_size)


class CoreWork:
    """What torch's workers do with the core's help.

    Args:
        rows: the data set.
        lowered: its transforms; the first run in the core, the tail in Python.
    """

    def __init__(self, rows: Rows, lowered: Lowered) -> None:
        self.rows = rows
        self.lowered = lowered
        self._recipe = lowered.recipe()

    def begin(self, index: int, row: int, seed: int, position: int) -> Any:
        """What the tail expects: what the core makes of a picture, as `Lowered.sample` gives it.

        Args:
            index: of the picture.
            row: of the data set; for errors.
            seed: the epoch's.
            position: place in the epoch's order.

        Raises:
            RecordError, DecodeError, OSError: it cannot be read.
        """
        lowered = self.lowered
        shape = lowered.channels, lowered.height, lowered.width
        if lowered.kind == "picture":
            slot: Any = np.empty((*shape[1:], shape[0]), np.uint8)
            out = slot.transpose(2, 0, 1)
        else:
            kind = np.uint16 if lowered.dtype == "bfloat16" else np.dtype(lowered.dtype)
            out = np.empty(shape, kind)
            slot = torch.from_numpy(out).view(lowered.torch_dtype)
        try:
            info = self._render(index, seed, position, out)
        except Exception as cause:  # Pillow's readers raise nearly anything on bad bytes
            error = self.rows.pictures.error(index, row, cause)
            if error is cause:
                raise
            raise error from cause
        return lowered.sample(slot, info)

    def _render(self, index: int, seed: int, position: int, out: Any) -> Info:
        """Fills the slot; returns the ``info`` that torchvision's image would have here."""
        pictures, wants_info = self.rows.pictures, self.lowered.kind == "picture"
        data = pictures.read(index)
        try:
            pictures.render(self._recipe, data, seed, position, out)
            size, info = pictures.head(data) if wants_info else ((0, 0), Info())
        except DecodeError:  # Pillow decides whether that is a picture
            image = pictures.image(index)
            self._recipe.render(np.ascontiguousarray(image), seed, position, out)
            size, info = (image.height, image.width), image.info
        if not wants_info:
            return {}
        height, width = (np.array([side], np.int32) for side in size)
        (drawn,) = self._recipe.draw(seed, np.array([position]), height, width)
        return info if self.lowered.keeps_info(drawn) else {}


class Ticket:
    """A batch that was asked of the sampler, with what its randomness depends on.

    Attributes:
        seed: the epoch's.
        position: place of the first sample in the epoch's order.
        index: what the sampler gave: a batch of indices, or one.
    """

    __slots__ = ("index", "position", "seed")

    def __init__(self, seed: int, position: int, index: Any) -> None:
        self.seed = seed
        self.position = position
        self.index = index

    def __len__(self) -> int:
        return len(self.index)


class CoreDataset(Dataset[Any]):
    """A data set in torch's workers, asked by tickets.

    Python's transforms draw from the global generators, which are seeded for each sample, so that
    the numbers depend on nothing but seed and place.

    Args:
        work: what to read, and how.
        dataset: the user's.
    """

    def __init__(self, work: CoreWork, dataset: Any) -> None:
        self.dataset = dataset
        self._work: CoreWork | None = work

    def __getstate__(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "_work": None}  # a spawned worker reads it anew

    def _prepared(self) -> CoreWork:
        if self._work is None:
            rows = rows_of(self.dataset)
            self._work = CoreWork(rows, lowered_of(rows))
        return self._work

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, ticket: Ticket) -> Any:
        with _numbers_kept():
            return self._sample(ticket.seed, ticket.position, ticket.index)

    def __getitems__(self, ticket: Ticket) -> list[Any]:
        """The batch of a ticket, as torch's fetcher asks for it."""
        with _numbers_kept():
            return [
                self._sample(ticket.seed, ticket.position + place, index)
                for place, index in enumerate(ticket.index)
            ]

    def _sample(self, seed: int, position: int, index: Any) -> tuple[Any, Any]:
        work = self._prepared()
        rows, lowered = work.rows, work.lowered
        row = range(len(rows))[index]
        picture = int(rows.picture_indices(np.array([row]))[0])
        begun = work.begin(picture, row, seed, position)
        _seed_all(seed, position)
        image = lowered.finish(begun)
        target = int(rows.targets[row])
        return image, target if rows.target_transform is None else rows.target_transform(target)


def _seed_all(seed: int, position: int) -> None:
    first, second = np.random.SeedSequence([seed, position]).generate_state(2, np.uint64)
    torch.default_generator.manual_seed(int(first >> np.uint64(1)))  # no device's
    random.seed(int(second))
    np.random.seed(int(second & np.uint64(0xFFFFFFFF)))  # noqa: NPY002 -- users' transforms use it


@contextmanager
def _numbers_kept() -> Iterator[None]:
    """Leaves the generators of the main process as they were; a worker's are nobody else's."""
    if get_worker_info() is not None:
        yield
        return
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])  # noqa: NPY002
