"""``ShardShuffle``: a random order that goes through a sharded store a few shards at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

from fastload.store.shards import ShardedStore

if TYPE_CHECKING:
    from fastload.dataset import LMDBDataset

__all__ = ["ShardShuffle"]


class ShardShuffle(Sampler[int]):
    """All samples of a data set in random order, of which a few shards are needed at a time.

    The shards are put into a random order and taken in groups of ``shards_at_once``; the samples of
    a group are mixed. While one group is read, the next is fetched. So the cache of a remote store
    has to hold three groups (the last, this one and the next) and the file of columns.

    It mixes as well as the shards are alike: pack them with ``--deal``, or each group will have the
    classes that followed each other in the source.

    ::

        dataset = LMDBDataset("s3://bucket/set/", transform, cache_bytes=100 << 30)
        loader = DataLoader(dataset, 256, sampler=ShardShuffle(dataset), num_workers=8)

    Over several processes (``num_replicas``), each reads a part of that order that hangs together,
    and so few shards; all parts are of one length, for which some samples are read twice. Every
    process must be given the same ``seed``, and the same epoch.

    Args:
        dataset: over a sharded store; over any other, this is a plain shuffle.
        shards_at_once: how many shards are mixed.
        shuffle: False: the data set's samples shard by shard, in their order in each.
        seed: of the order, together with the epoch; None: drawn from torch's generator whenever an
            epoch begins, as torch's ``RandomSampler`` does (not with ``num_replicas``).
        num_replicas: processes that share the epoch.
        rank: of this process among them.

    Raises:
        ValueError: arguments that cannot be.
    """

    def __init__(
        self,
        dataset: LMDBDataset,
        *,
        shards_at_once: int = 4,
        shuffle: bool = True,
        seed: int | None = None,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        if shards_at_once < 1:
            raise ValueError(f"shards_at_once: expected 1 or more, found {shards_at_once}")
        if not 0 <= rank < num_replicas:
            raise ValueError(f"rank: expected 0..{num_replicas - 1}, found {rank}")
        if seed is None and num_replicas > 1 and shuffle:
            raise ValueError("seed: expected one, the same for all of num_replicas, found None")
        self.dataset = dataset
        self.shards_at_once = shards_at_once
        self.shuffle = shuffle
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Another epoch, another order; as in torch's ``DistributedSampler``."""
        self.epoch = epoch

    def __len__(self) -> int:
        return (len(self.dataset) + self.num_replicas - 1) // self.num_replicas

    def __iter__(self) -> Iterator[int]:
        shards = self._row_shards()
        groups = self._own_part(self._groups(shards, self._generator()))
        store = self.dataset.store
        for number, rows in enumerate(groups):
            if isinstance(store, ShardedStore):
                coming = groups[number + 1] if number + 1 < len(groups) else rows[:0]
                store.expect(_in_order(shards[rows]), _in_order(shards[coming]))
            yield from rows.tolist()

    def _generator(self) -> np.random.Generator:
        if not self.shuffle:
            return np.random.default_rng(0)
        if self.seed is None:
            return np.random.default_rng(int(torch.empty((), dtype=torch.int64).random_()))
        return np.random.default_rng([self.seed, self.epoch])

    def _groups(
        self, shards: NDArray[np.int64], generator: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """The whole epoch's rows, group by group."""
        by_shard = np.argsort(shards, kind="stable")
        ends = np.cumsum(np.bincount(shards)) if len(shards) else np.zeros(1, np.int64)
        parts = [part for part in np.split(by_shard, ends[:-1]) if len(part)]
        if not self.shuffle:
            return parts
        order = generator.permutation(len(parts)).tolist()
        step = self.shards_at_once
        return [
            generator.permutation(np.concatenate([parts[n] for n in order[start : start + step]]))
            for start in range(0, len(order), step)
        ]

    def _own_part(self, groups: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """What of the groups is this process's: rows that follow each other."""
        if self.num_replicas == 1 or not groups:
            return groups
        length = len(self)
        found, start = [], 0
        first, end = self.rank * length, (self.rank + 1) * length
        for rows in cycle(groups):  # the last one goes on from the beginning
            if start >= end:
                break
            part = rows[max(first - start, 0) : max(end - start, 0)]
            start += len(rows)
            if len(part):
                found.append(part)
        return found

    def _row_shards(self) -> NDArray[np.int64]:
        """The shard of each row of the data set."""
        store = self.dataset.store
        if not isinstance(store, ShardedStore):
            return np.zeros(len(self.dataset), np.int64)
        shards, members = store.places[0], self.dataset.store_indices
        return (shards if members is None else shards[members]).astype(np.int64)


def _in_order(shards: NDArray[np.int64]) -> list[int]:
    """Each shard once, in the order in which they are first read."""
    found, first = np.unique(shards, return_index=True)
    return [int(number) for number in found[np.argsort(first)]]
