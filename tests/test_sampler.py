"""``ShardShuffle``: every sample once, a few shards at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fastload import LMDBDataset, ShardShuffle
from fastload.convert import Sharding, pack


@pytest.fixture(scope="module")
def dataset(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> LMDBDataset:
    path = tmp_path_factory.mktemp("sampled") / "set"
    pack(photo_folder, path, sharding=Sharding(shards=6, deal=True), workers=2)
    return LMDBDataset(path)


def shards_of(dataset: LMDBDataset, rows: list[int]) -> list[int]:
    return dataset.store.column("shard")[rows].tolist()


@pytest.mark.parametrize("at_once", [1, 2, 4, 9])
def test_each_sample_comes_once_from_few_shards_at_a_time(
    dataset: LMDBDataset, at_once: int
) -> None:
    rows = list(ShardShuffle(dataset, shards_at_once=at_once, seed=1))
    assert sorted(rows) == list(range(24))
    assert rows != sorted(rows)
    size = 4 * at_once
    for start in range(0, 24, size):
        assert len(set(shards_of(dataset, rows[start : start + size]))) <= at_once


def test_the_order_follows_seed_and_epoch(dataset: LMDBDataset) -> None:
    one, other = ShardShuffle(dataset, seed=1), ShardShuffle(dataset, seed=1)
    assert list(one) == list(other)
    one.set_epoch(1)
    assert list(one) != list(other)
    torch.manual_seed(5)
    drawn = list(ShardShuffle(dataset))
    assert drawn != list(ShardShuffle(dataset))
    torch.manual_seed(5)
    assert drawn == list(ShardShuffle(dataset))


def test_without_shuffling_shards_follow_each_other(dataset: LMDBDataset) -> None:
    rows = list(ShardShuffle(dataset, shuffle=False))
    assert shards_of(dataset, rows) == sorted(shards_of(dataset, rows))
    assert sorted(rows) == list(range(24))


@pytest.mark.parametrize("replicas", [2, 5, 30])
def test_replicas_share_an_epoch(dataset: LMDBDataset, replicas: int) -> None:
    parts = []
    for rank in range(replicas):
        sampler = ShardShuffle(dataset, shards_at_once=1, seed=2, num_replicas=replicas, rank=rank)
        parts.append(list(sampler))
        assert len(parts[-1]) == len(sampler) == -(-24 // replicas)
        assert len(set(shards_of(dataset, parts[-1]))) <= 6 // min(replicas, 6) + 1
    counts = np.bincount(np.concatenate(parts), minlength=24)
    assert counts.min() >= 1
    assert counts.sum() == replicas * -(-24 // replicas)


def test_a_split_and_an_unsharded_store_are_shuffled_too(photo_store: Path) -> None:
    whole = LMDBDataset(photo_store)
    assert sorted(ShardShuffle(whole, seed=0)) == list(range(24))


@pytest.mark.parametrize(
    "arguments",
    [{"shards_at_once": 0}, {"rank": 1}, {"num_replicas": 2}, {"num_replicas": 0, "seed": 1}],
    ids=str,
)
def test_arguments_that_cannot_be_are_refused(
    dataset: LMDBDataset, arguments: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        ShardShuffle(dataset, **arguments)
