"""state_dict and load_state_dict: an epoch goes on where it was left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import RandomSampler, TensorDataset
from torchvision import transforms

from fastload import DataLoader, LMDBDataset
from support.loaders import RANDOM, assert_same

TAIL = transforms.Compose(
    [*RANDOM.transforms[:2], transforms.ColorJitter(0.5), RANDOM.transforms[2]]
)


def make(store: Path, transform: Any = RANDOM, **options: Any) -> DataLoader[Any]:
    """A loader that shuffles in batches of five."""
    options = {"batch_size": 5, "shuffle": True, **options}
    return DataLoader(LMDBDataset(store, transform), **options)


def through_a_file(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """As a checkpoint keeps it; no code is run to read it."""
    torch.save(state, path)
    return torch.load(path, weights_only=True)


def with_generator(options: dict[str, Any]) -> dict[str, Any]:
    """A generator of the same seed for each loader."""
    if options.get("generator") is None:
        return options
    return {**options, "generator": torch.Generator().manual_seed(options["generator"])}


@pytest.mark.parametrize("transform", [RANDOM, TAIL], ids=["engine", "workers+core"])
@pytest.mark.parametrize("left_after", [0, 1, 3, 4])
@pytest.mark.parametrize("workers", [(0, 2), (2, 0), (1, 2)], ids=str)
@pytest.mark.parametrize("seed", [None, 11])
def test_an_epoch_goes_on(photo_store, tmp_path, transform, left_after, workers, seed):
    """The same batches, in this epoch and, from the same generator, the next."""
    first = make(
        photo_store, transform, **with_generator({"num_workers": workers[0], "generator": seed})
    )
    torch.manual_seed(21)
    iterator = iter(first)
    for _ in range(left_after):
        next(iterator)
    state = through_a_file(first.state_dict(), tmp_path / "state")
    here = torch.get_rng_state()
    expected = list(iterator)
    torch.set_rng_state(here)
    following = list(first) if seed is not None else []

    second = make(
        photo_store, transform, **with_generator({"num_workers": workers[1], "generator": seed})
    )
    torch.manual_seed(99)
    before = torch.get_rng_state()
    second.load_state_dict(state)
    assert_same(list(second), expected)
    if left_after or workers[1]:
        assert torch.equal(torch.get_rng_state(), before), "training's numbers were moved"
    if seed is not None:
        torch.set_rng_state(here)
        assert_same(list(second), following)


@pytest.mark.parametrize("epochs", [0, 1, 2])
@pytest.mark.parametrize("left_after", [2, 5])
def test_persistent_workers_go_on(photo_store, epochs, left_after):
    """Also in later epochs, for which torch draws no seed; and at an epoch's end."""
    options = with_generator({"num_workers": 1, "persistent_workers": True, "generator": 5})
    first = make(photo_store, **options)
    for _ in range(epochs):
        list(first)
    iterator = iter(first)
    for _ in range(left_after):
        next(iterator)
    if left_after == 5:
        assert next(iterator, None) is None
    state = first.state_dict()
    rest = list(iterator)
    following = [list(first), list(first)]
    second = make(photo_store, **with_generator({**options, "generator": 6}))
    second.load_state_dict(state)
    if left_after < 5:
        assert_same(list(second), rest)
    assert_same([list(second), list(second)], following)


def test_a_broken_off_loop_can_be_resumed(photo_store):
    """After ``break``, when the iterator is gone."""
    loader = make(photo_store, num_workers=2)
    for number, _batch in enumerate(loader):
        if number == 2:
            break
    state = loader.state_dict()
    assert (state["under_way"], state["batches"]) == (True, 3)
    again = make(photo_store)
    again.load_state_dict(state)
    assert len(list(again)) == 2
    assert len(list(again)) == 5


def test_between_epochs_the_next_one_follows(photo_store):
    """A finished epoch is not repeated."""
    options = {"generator": 3}
    first = make(photo_store, **with_generator(options))
    list(first)
    state = first.state_dict()
    assert not state["under_way"]
    second = make(photo_store, **with_generator({"generator": 4}))
    second.load_state_dict(state)
    assert_same(list(second), list(first))


def test_fresh_loader_has_a_state(photo_store):
    """It says that nothing has begun."""
    state = make(photo_store).state_dict()
    assert (state["under_way"], state["batches"]) == (False, 0)
    loader = make(photo_store)
    loader.load_state_dict(state)
    assert len(list(loader)) == 5


def test_sampler_with_a_generator_of_its_own(photo_store):
    """Its state is part of the loader's."""

    def loader(seed: int) -> DataLoader[Any]:
        dataset = LMDBDataset(photo_store, RANDOM)
        sampler = RandomSampler(dataset, generator=torch.Generator().manual_seed(seed))
        return DataLoader(dataset, batch_size=5, sampler=sampler, num_workers=1)

    first, second = loader(1), loader(2)
    iterator = iter(first)
    next(iterator)
    second.load_state_dict(first.state_dict())
    assert_same(list(second), list(iterator))


def test_order_goes_on_on_torchs_path(photo_store):
    """For any map-style data set."""
    dataset = TensorDataset(torch.arange(30))
    for workers in ((0, 1), (1, 0)):
        first, second = (
            DataLoader(dataset, batch_size=4, shuffle=True, num_workers=count) for count in workers
        )
        torch.manual_seed(4)
        iterator = iter(first)
        for _ in range(3):
            next(iterator)
        second.load_state_dict(first.state_dict())
        assert_same(list(second), list(iterator))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 23}, "samples=23, expected 24"),
        ({"batch_size": 6}, "batch_size=6, expected 5"),
        ({"version": 2}, "version=2, expected 1"),
    ],
)
def test_state_of_something_else_is_refused(photo_store, change, message):
    """With what was expected and found."""
    loader = make(photo_store)
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict({**loader.state_dict(), **change})
