"""What a loader keeps, how much of it, under which key, and what its plan says of that."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch.utils.data import TensorDataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from fastload import DataLoader, LMDBDataset
from fastload.convert import pack
from support.caches import COUNT, aged, hits_of
from support.loaders import RANDOM, STILL, assert_same, epoch

pytestmark = pytest.mark.usefixtures("no_torch_threads")


@pytest.mark.usefixtures("nothing_left")
def test_random_transforms_are_not_cached(dataset, cache):
    """The plan names the first one; every epoch draws anew."""
    dataset.transform = RANDOM
    loader = DataLoader(dataset, batch_size=5, cache=cache)
    assert "cache: not used: RandomResizedCrop(" in str(loader.plan())
    assert str(loader.plan()).endswith(" is random")
    first, second = epoch(loader, 3), epoch(loader, 4)
    assert not torch.equal(first[0][0], second[0][0])
    assert (loader.statistics().cache_hits, loader.statistics().cache_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("transform", "named"),
    [
        (transforms.RandomHorizontalFlip(0.5), "RandomHorizontalFlip(p=0.5)"),
        (transforms.RandomVerticalFlip(0.1), "RandomVerticalFlip(p=0.1)"),
        (transforms.RandomGrayscale(0.1), "RandomGrayscale(p=0.1)"),
        (transforms.RandomCrop(20), "RandomCrop(size=(20, 20), padding=None)"),
        (transforms.RandomHorizontalFlip(1.0), None),
        (transforms.RandomVerticalFlip(0.0), None),
        (transforms.RandomGrayscale(1.0), None),
    ],
    ids=str,
)
def test_each_random_transform_is_named(dataset, transform, named):
    """Those whose chance is none or all are not random."""
    dataset.transform = transforms.Compose(
        [transforms.Resize((30, 32)), transform, transforms.ToTensor()]
    )
    loader = DataLoader(dataset, batch_size=5, cache="memory")
    if named is not None:
        assert f"note: cache: not used: {named} is random" in str(loader.plan())
        return
    assert "note: cache: memory, all of 24 samples" in str(loader.plan())
    expected = epoch(DataLoader(dataset, batch_size=5))
    for _ in range(2):
        assert_same(epoch(loader), expected)


def test_erasing_that_may_happen_is_random(dataset):
    """Its value does not matter."""
    dataset.transform = transforms.Compose([*STILL.transforms, transforms.RandomErasing(0.5)])
    note = DataLoader(dataset, cache="memory").plan().notes[-1]
    assert note.startswith("cache: not used: RandomErasing(p=0.5,")
    assert note.endswith(" is random")


def test_torchs_own_path_is_not_cached(dataset):
    """Samples that Python finishes, and data sets of any kind."""
    dataset.transform = transforms.Compose([*STILL.transforms, torch.neg])
    for data in (dataset, TensorDataset(torch.arange(4.0))):
        loader = DataLoader(data, cache="memory")
        assert loader.plan().notes[0] == (
            "cache: not used: only batches that the engine makes are kept"
        )
        epoch(loader)
        assert loader.statistics().cache_hits == 0


def test_budget_without_bounds(dataset, cache):
    """However large the number is."""
    loader = DataLoader(dataset, batch_size=5, cache=cache, cache_bytes=10**30)
    assert [hits_of(loader), hits_of(loader)] == [0, COUNT]


def test_nothing_is_said_or_kept_without_a_cache(dataset):
    """The default."""
    loader = DataLoader(dataset, batch_size=5)
    assert (loader.cache, loader.cache_bytes) == (None, "auto")
    assert [hits_of(loader), hits_of(loader)] == [0, 0]
    assert "cache" not in str(loader.plan())


def test_automatic_budget_is_a_share_of_what_is_free(dataset, cache, monkeypatch):
    """A quarter of the memory, half of the disk; as it was when the cache was opened."""
    free = 4 * 50_000 if cache == "memory" else 2 * 50_000

    class Usage:
        """Of a disk."""

        def __init__(self) -> None:
            self.free = free

    monkeypatch.setattr("fastload.loader.cache.available_bytes", lambda: free)
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage())
    loader = DataLoader(dataset, batch_size=5, cache=cache)
    note = f"cache: {cache}, about 12 of 24 samples, 0.1 MB of the 0.1 MB that all would take"
    assert loader.plan().notes[-1] == note
    hits_of(loader)
    free //= 1000
    assert 9 <= hits_of(loader) <= 12
    assert loader.plan().notes[-1] == note
    assert loader.statistics().cache_bytes <= 50_000


@pytest.mark.usefixtures("nothing_left")
def test_budget_below_one_sample_is_a_warning(dataset, cache):
    """And the plan says so."""
    loader = DataLoader(dataset, batch_size=5, cache=cache, cache_bytes=1000)
    text = "1,000 bytes do not hold one sample of 3,136"
    assert loader.plan().notes[-1] == f"cache: not used: {text}"
    with pytest.warns(UserWarning, match=text):
        epoch(loader)
    epoch(loader)  # once
    assert loader.plan().notes[-1] == f"cache: not used: {text}"


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"cache": ""}, ValueError),
        ({"cache": True}, TypeError),
        ({"cache": "memory", "cache_bytes": 0}, ValueError),
        ({"cache": "memory", "cache_bytes": -5}, ValueError),
    ],
    ids=str,
)
def test_wrong_arguments(dataset, options, kind):
    """At once, in words."""
    with pytest.raises(kind, match="expected cache"):
        DataLoader(dataset, **options)


@pytest.mark.usefixtures("nothing_left")
def test_other_transforms_are_another_cache(dataset, cache):
    """Between epochs; the normalisation alone may change."""
    loader = DataLoader(dataset, batch_size=5, cache=cache)
    assert [hits_of(loader), hits_of(loader)] == [0, COUNT]
    dataset.transform = transforms.Compose([*STILL.transforms[:3], transforms.Normalize(0.5, 2.0)])
    assert hits_of(loader) == COUNT
    for change in (
        [transforms.Resize(41), *STILL.transforms[1:]],
        [transforms.Resize(40, transforms.InterpolationMode.BICUBIC), *STILL.transforms[1:]],
        [*STILL.transforms[:1], transforms.CenterCrop(31), *STILL.transforms[2:]],
        [*STILL.transforms[:2], transforms.RandomHorizontalFlip(1.0), *STILL.transforms[2:]],
    ):
        dataset.transform = transforms.Compose(change)
        expected = epoch(DataLoader(dataset, batch_size=5))
        before = loader.statistics().cache_hits
        assert_same(epoch(loader), expected)
        assert loader.statistics().cache_hits == before
        assert_same(epoch(loader), expected)
        assert loader.statistics().cache_hits == before + COUNT


def test_another_store_is_another_cache(photo_folder, photo_store, tmp_path):
    """Under the same path; a copy of a store is the same store."""
    path, cache = tmp_path / "photos.lmdb", tmp_path / "cache"
    shutil.copy(photo_store, path)
    assert hits_of(DataLoader(LMDBDataset(photo_store, STILL), cache=cache)) == 0
    assert hits_of(DataLoader(LMDBDataset(path, STILL), cache=cache)) == COUNT
    path.unlink()
    pack(photo_folder, path)
    assert hits_of(DataLoader(LMDBDataset(path, STILL), cache=cache)) == 0


def test_other_files_are_another_cache(photo_folder, tmp_path):
    """A folder whose list of files has changed."""
    dataset = ImageFolder(str(photo_folder), STILL)
    aged([path for path, _ in dataset.samples])
    loader = DataLoader(dataset, batch_size=5, cache=tmp_path)
    assert [hits_of(loader), hits_of(loader)] == [0, COUNT]
    del dataset.samples[2]
    loader = DataLoader(dataset, batch_size=5, cache=tmp_path)
    assert_same(epoch(loader), epoch(DataLoader(dataset, batch_size=5)))
    assert loader.statistics().cache_hits == 0
