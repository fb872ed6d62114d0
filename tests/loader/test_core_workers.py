"""Transforms that Python must finish: the core begins them in torch's workers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder

from fastload import DataLoader, DecodeError, LMDBDataset, RecordError
from support.loaders import STILL, assert_same, epoch, torch_epoch

pytestmark = [pytest.mark.pillow, pytest.mark.exact_pillow]


def invert(image: Any) -> Any:
    """A transform of the user's, on a PIL image."""
    return transforms.functional.invert(image)


def jitter(image: torch.Tensor) -> torch.Tensor:
    """Draws from all three generators."""
    return image + torch.rand(1) + random.random() + np.random.rand()  # noqa: NPY002 -- users draw from it


def numpy_state() -> list[int]:
    """Of NumPy's global generator."""
    return np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]  # noqa: NPY002


TAILS = {
    "picture": [*STILL.transforms[:2], invert, *STILL.transforms[2:]],
    "tensor": [*STILL.transforms, torch.neg],
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", TAILS)
def test_batches_are_torchs(dataset, folder, kind, workers):
    """Bit for bit, whether Python goes on with an image or a tensor."""
    dataset.transform = folder.transform = transforms.Compose(TAILS[kind])
    for options in ({"batch_size": 5, "shuffle": True}, {"batch_size": None}):
        loader = DataLoader(dataset, num_workers=workers, **options)
        assert loader.plan().path == "workers+core"
        found = epoch(loader)
        state = torch.get_rng_state()
        assert_same(found, torch_epoch(folder, num_workers=workers, **options))
        assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_inherit_nothing(photo_store, folder, method):
    """The recipe is built anew in them."""
    transform = transforms.Compose(TAILS["tensor"])
    loader = DataLoader(
        LMDBDataset(photo_store, transform), batch_size=8, num_workers=1,
        multiprocessing_context=method,
    )  # fmt: skip
    folder.transform = transform
    assert_same(epoch(loader), torch_epoch(folder, batch_size=8))


def test_randomness_is_that_of_the_place(photo_store, photo_folder):
    """For any number of workers, and for store and files alike."""
    transform = transforms.Compose(
        [transforms.RandomResizedCrop(16), transforms.ToTensor(), jitter]
    )
    found = []
    for data in (LMDBDataset(photo_store, transform), ImageFolder(str(photo_folder), transform)):
        for workers in (0, 1, 2):
            batches = epoch(
                DataLoader(data, batch_size=5, num_workers=workers, shuffle=workers < 0)
            )
            found.append(batches)
    for other in found[1:]:
        assert_same(other, found[0])


def test_training_has_its_own_numbers(photo_store):
    """Without workers, the tail draws in the training process, and leaves no trace there."""
    loader = DataLoader(LMDBDataset(photo_store, transforms.Compose([*STILL.transforms, jitter])))
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    iterator = iter(loader)
    next(iterator)
    before = torch.get_rng_state(), random.getstate(), numpy_state()
    next(iterator)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), numpy_state())


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_sample_names_itself(damaged, workers):
    """From a worker too."""
    damaged.transform = transforms.Compose(TAILS["tensor"])
    with pytest.raises((RecordError, DecodeError), match="sample 4"):
        epoch(DataLoader(damaged, batch_size=3, num_workers=workers))


def test_error_of_the_tail_passes_unchanged(dataset):
    """It is the user's."""

    def fail(image: Any) -> None:
        raise ZeroDivisionError("mine")

    dataset.transform = transforms.Compose([*STILL.transforms, fail])
    with pytest.raises(ZeroDivisionError, match=r"^mine$"):
        epoch(DataLoader(dataset))
