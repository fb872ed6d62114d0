"""Workers that are set going before their epoch: never another epoch than without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset, Subset

from fastload import DataLoader, LMDBDataset, overlap_validation
from support.loaders import RANDOM, assert_same


class Numbers(Dataset[Any]):
    """0..11, times a scale that somebody may change; or random numbers."""

    def __init__(self, *, random: bool = False) -> None:
        self.scale = 1
        self.random = random

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        return torch.rand(1) if self.random else torch.tensor(index * self.scale)


@pytest.fixture
def training(photo_store: Path) -> Callable[..., Any]:
    """Makes training loaders."""
    dataset = LMDBDataset(photo_store, RANDOM)
    return lambda **options: DataLoader(dataset, batch_size=12, num_workers=1, **options)


def tie(train: Any, validation: Any) -> None:
    """Begin validation behind training's first batch."""
    overlap_validation(train, validation, due_in=lambda batches: 0 if batches else None)


def scale_inner(loader: Any) -> None:
    """Of a Subset's data set."""
    loader.dataset.dataset.scale = 7


def other_collate(loader: Any) -> None:
    """Whoever made the loader may set it."""
    loader.collate_fn = sum


def other_batches(loader: Any) -> None:
    """In place, within the list that stands for a sampler."""
    loader.batch_sampler[0].reverse()


@pytest.mark.parametrize("change", [scale_inner, other_collate, other_batches])
@pytest.mark.parametrize("persistent", [False, True])
def test_what_has_changed_meanwhile_is_followed(training, change, persistent):
    """By attributes of loader and data set, and by lists that stand for samplers."""
    found = []
    for tied in (False, True):
        train = training()
        validation: Any = DataLoader(
            Subset(Numbers(), range(10)), batch_sampler=[[1, 2], [3, 4]], num_workers=1,
            persistent_workers=persistent,
        )  # fmt: skip
        if tied:
            tie(train, validation)
        list(train)
        change(validation)
        found.append(list(validation))
    assert_same(found[1], found[0])


def test_an_epoch_under_way_is_left_alone(training):
    """Persistent workers have one iterator, which somebody may go on with."""
    train = training()
    validation = DataLoader(Numbers(), batch_size=4, num_workers=1, persistent_workers=True)
    (overlap,) = overlap_validation(train, validation, due_in=lambda _: 0)
    batches = iter(validation)
    next(batches)
    list(train)
    assert "in the middle of an epoch" in str(overlap.reason)
    assert next(batches).tolist() == [4, 5, 6, 7]


def test_a_state_that_was_loaded_is_gone_on_with(training):
    """However long before."""
    first = DataLoader(Numbers(), batch_size=4, num_workers=1, generator=torch.Generator())
    batches = iter(first)
    next(batches)
    train = training()
    second = DataLoader(Numbers(), batch_size=4, num_workers=1, generator=torch.Generator())
    second.load_state_dict(first.state_dict())
    tie(train, second)
    list(train)
    assert_same(list(second), list(batches))


def test_the_state_is_that_of_an_epoch_not_begun(training):
    """A checkpoint between training and validation."""
    train = training()
    validation = DataLoader(Numbers(), batch_size=4, num_workers=1)
    tie(train, validation)
    before = validation.state_dict()
    list(train)
    assert validation._early is not None
    assert not before["under_way"]
    assert not validation.state_dict()["under_way"]


def test_a_generator_that_training_draws_from_too(training):
    """The seed is then another when validation begins."""
    found = []
    for tied in (False, True):
        shared = torch.Generator().manual_seed(1)
        train = training(generator=shared, shuffle=True)
        validation = DataLoader(Numbers(random=True), batch_size=4, num_workers=1, generator=shared)
        if tied:
            tie(train, validation)
        list(train)
        list(train)
        found.append(list(validation))
    assert_same(found[1], found[0])
