"""Random transforms: data that depends on seed and place alone."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import BatchSampler
from torchvision.datasets import ImageFolder

from fastload import DataLoader, LMDBDataset
from support.loaders import RANDOM, assert_same, epoch


@pytest.fixture
def stored(photo_store) -> LMDBDataset:
    """The photos under RANDOM, from the store."""
    return LMDBDataset(photo_store, RANDOM)


def images(loader: DataLoader, seed: int = 3) -> torch.Tensor:
    """All images of an epoch."""
    return torch.cat([batch[0] for batch in epoch(loader, seed)])


def test_the_seed_says_everything(stored):
    """The same again from the same seed; another epoch is another one."""
    loader = DataLoader(stored, batch_size=5)
    assert torch.equal(images(loader), images(loader))
    assert not torch.equal(images(loader, 3), images(loader, 4))
    torch.manual_seed(3)
    first, second = list(loader), list(loader)
    assert not torch.equal(first[0][0], second[0][0])


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_change_nothing(stored, workers):
    """Nor does the order in which threads happen to finish."""
    options = {"batch_size": 5, "shuffle": True, "generator": torch.Generator()}
    expected = images(DataLoader(stored, **options))
    options["generator"] = torch.Generator()
    assert torch.equal(images(DataLoader(stored, num_workers=workers, **options)), expected)


@pytest.mark.parametrize("size", [1, 3, 24])
def test_batch_size_changes_nothing(stored, size):
    """A sample's place in the epoch's order counts, not its batch."""
    expected = images(DataLoader(stored, batch_size=5))
    assert torch.equal(images(DataLoader(stored, batch_size=size)), expected)


def test_store_and_files_give_the_same(stored, photo_folder):
    """So that packing does not change a run."""
    folder = ImageFolder(str(photo_folder), RANDOM)
    for workers in (0, 2):
        found, expected = (
            epoch(DataLoader(data, batch_size=5, shuffle=True, num_workers=workers))
            for data in (stored, folder)
        )
        assert_same(found, expected)


def test_a_sample_that_is_named_twice_is_augmented_twice(stored):
    """As torch's loader does."""
    (batch, _), *_ = epoch(DataLoader(stored, batch_sampler=BatchSampler([3] * 8, 8, False)))
    assert len({image.numpy().tobytes() for image in batch}) > 4


def test_persistent_workers_augment_every_epoch_anew(stored):
    """Later epochs draw no seed in torch's loader; the engine derives one."""
    loaders = [
        DataLoader(stored, batch_size=5, num_workers=workers, persistent_workers=True)
        for workers in (1, 2)
    ]
    epochs = []
    for loader in loaders:
        torch.manual_seed(5)
        epochs.append([torch.cat([batch[0] for batch in loader]) for _ in range(3)])
    assert_same(epochs[0], epochs[1])
    assert not torch.equal(epochs[0][0], epochs[0][1])
    assert not torch.equal(epochs[0][1], epochs[0][2])


def test_generator_alone_decides(stored):
    """With a generator of its own, a loader does not look at the global one."""
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        loader = DataLoader(
            stored, batch_size=5, shuffle=True, generator=torch.Generator().manual_seed(8)
        )
        found.append(list(loader))
    assert_same(*found)
