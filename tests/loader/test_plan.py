"""Which path a loader takes, and what its plan says about it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from PIL import Image
from torch.utils.data import ConcatDataset, IterableDataset, Subset, TensorDataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from fastload import DataLoader, LMDBDataset
from support.loaders import RANDOM, STILL, UNORDERED, assert_same, epoch


class Derived(ImageFolder):
    """Might do anything in its methods."""


class DerivedStore(LMDBDataset):
    """Likewise."""


class Stream(IterableDataset):
    """No map-style data set."""

    def __iter__(self) -> Any:
        return iter(range(5))


def own_loader(path: str) -> Image.Image:
    """Not torchvision's."""
    return Image.open(path).convert("RGB")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda root, store: Derived(root, STILL), "Derived is a subclass"),
        (lambda root, store: DerivedStore(store, STILL), "DerivedStore is a subclass"),
        (lambda root, store: ImageFolder(root, STILL, loader=own_loader), "a loader of its own"),
        (lambda root, store: TensorDataset(torch.arange(4)), "TensorDataset is not"),
        (lambda root, store: [1, 2, 3], "list is not"),
        (lambda root, store: Stream(), "IterableDataset"),
        (lambda root, store: LMDBDataset(store), "without a transform"),
        (lambda root, store: LMDBDataset(store, torch.nn.Identity()), "Identity"),
        (
            lambda root, store: ConcatDataset(
                [LMDBDataset(store, STILL), ImageFolder(root, STILL)]
            ),
            "of stores and folders",
        ),
        (
            lambda root, store: ConcatDataset(
                [ImageFolder(root, STILL), ImageFolder(root, RANDOM)]
            ),
            "different transforms",
        ),
        (lambda root, store: Subset(LMDBDataset(store, STILL), [99]), "outside the 24"),
        (lambda root, store: Subset(LMDBDataset(store, STILL), ["a"]), "not integers"),
    ],
)
def test_what_the_engine_does_not_know_is_torchs(photo_folder, photo_store, make, reason):
    """With the reason in the plan."""
    plan = DataLoader(make(str(photo_folder), photo_store)).plan()
    assert plan.path == "workers"
    assert reason in plan.reason
    assert str(plan).startswith("path: workers (")


def test_image_backend_of_torchvision_counts(photo_folder, monkeypatch):
    """Another backend gives other pixels."""
    monkeypatch.setattr(torchvision, "_image_backend", "accimage")
    plan = DataLoader(ImageFolder(str(photo_folder), STILL)).plan()
    assert (plan.path, plan.reason) == (
        "workers",
        "torchvision's image backend is 'accimage', not 'PIL'",
    )


def test_plan_names_every_transform_and_where_it_runs(dataset):
    """In order, one line each."""
    text = str(DataLoader(dataset, num_workers=2).plan())
    lines = text.splitlines()
    assert lines[0] == "path: engine (all transforms run in the core; 2 threads)"
    assert "24" in lines[1]
    for line, name in zip(
        lines[2:], ["Resize", "CenterCrop", "ToTensor", "Normalize"], strict=True
    ):
        assert "engine" in line
        assert name in line


def test_plan_names_arguments_without_effect(dataset):
    """Rather than leaving people to wonder."""
    loader = DataLoader(
        dataset,
        num_workers=1,
        worker_init_fn=print,
        multiprocessing_context="spawn",
        **UNORDERED,
    )
    text = str(loader.plan())
    assert "worker_init_fn is not called" in text
    assert "multiprocessing_context is not used" in text
    assert ("in_order=False is not needed" in text) == bool(UNORDERED)


def test_persistent_iterator_follows_a_change_of_path(dataset, folder):
    """Workers of the one path must not serve the other."""
    loader = DataLoader(dataset, batch_size=8, num_workers=1, persistent_workers=True)
    expected = epoch(loader)
    tail = transforms.Compose([*STILL.transforms, torch.nn.Identity()])
    for transform, path in ((tail, "workers+core"), (STILL, "engine"), (tail, "workers+core")):
        dataset.transform = transform
        assert loader.plan().path == path
        assert_same(epoch(loader), expected)


def test_on_error_without_effect_is_a_warning(photo_store):
    """Someone who counts on it must know."""
    loader = DataLoader(LMDBDataset(photo_store, lambda image: 1), on_error="skip")
    with pytest.warns(UserWarning, match="on_error='skip' has no effect"):
        iter(loader)
