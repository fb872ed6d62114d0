"""Loaders with a cache: the batches they would have without it, and nothing decoded twice."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import resource
import shutil
import warnings
from typing import Any

import pytest
import torch
from torch.utils.data import ConcatDataset, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from fastload import DataLoader, LMDBDataset, overlap_validation
from support.caches import (
    COUNT,
    Reversed,
    aged,
    cache_files,
    child_hits,
    fill_twice,
    hits_of,
    make_loader,
)
from support.children import epoch_sums, epochs_in_child
from support.forked import in_child
from support.loaders import STILL, assert_same, epoch, torch_epoch

pytestmark = pytest.mark.usefixtures("no_torch_threads")


@pytest.mark.exact_pillow
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_are_torchs_and_later_epochs_decode_nothing(dataset, folder, cache, workers):
    """Pictures that only Pillow reads are kept too; random order draws what it draws."""
    aged([path for path, _ in folder.samples])
    options: Any = {"batch_size": 5, "shuffle": True, "num_workers": workers}
    loader = DataLoader(dataset, cache=cache, **options)
    for seed in (3, 4, 5):
        before = loader.statistics()
        assert_same(epoch(loader, seed), torch_epoch(folder, seed, **options))
        after = loader.statistics()
        assert after.cache_hits - before.cache_hits == (0 if seed == 3 else COUNT)
        if seed > 3:
            assert after.bytes_read == before.bytes_read
            assert after.decode_seconds == before.decode_seconds
    assert 24 * 3 * 32 * 32 < after.cache_bytes < 24 * 3 * 32 * 32 + 24 * 64 + 3 * 4096


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 7},
        {"batch_size": None},
        {"dtype": torch.float16},
        {"dtype": torch.bfloat16, "memory_format": torch.channels_last},
        {"memory_format": torch.channels_last},
        {"drop_last": False, "persistent_workers": True, "num_workers": 1},
        {"collate_fn": list, "batch_size": 3},
        {"prefetch_factor": 4, "num_workers": 2},
    ],
    ids=str,
)
def test_one_cache_serves_any_loader_of_the_same_pixels(dataset, tmp_path, options):
    """Whatever its batches, order, dtype and memory format are, from its first epoch on."""
    aged([path for path, _ in getattr(dataset, "samples", []) if os.path.exists(path)])
    assert hits_of(DataLoader(dataset, batch_size=5, cache=tmp_path / "cache")) == 0
    plain = {"batch_size": 5} | options
    loader = DataLoader(dataset, sampler=Reversed(dataset), cache=tmp_path / "cache", **plain)
    expected = epoch(DataLoader(dataset, sampler=Reversed(dataset), **plain))
    for _ in range(2):
        assert_same(epoch(loader), expected)
    assert loader.statistics().cache_hits == 2 * COUNT
    assert len(cache_files(tmp_path / "cache")) == 1


def test_parts_of_a_data_set_share_their_samples(dataset, tmp_path):
    """Subset and ConcatDataset lead to the same pictures."""
    cache = tmp_path / "cache"
    some = Subset(dataset, [5, 1, 20, 21, 22])
    loader = DataLoader(some, batch_size=2, cache=cache)
    assert [hits_of(loader), hits_of(loader)] == [0, 5]
    assert hits_of(DataLoader(Subset(dataset, [1, 2, 20]), cache=cache)) == 2
    both = ConcatDataset([some, dataset]) if isinstance(dataset, LMDBDataset) else dataset
    loader = DataLoader(both, batch_size=6, cache=cache)
    assert_same(epoch(loader), epoch(DataLoader(both, batch_size=6)))
    assert loader.statistics().cache_hits >= 6


def test_what_the_receiver_writes_stays_with_it(dataset, cache):
    """Batches are the user's own."""
    loader = DataLoader(dataset, batch_size=5, num_workers=1, cache=cache)
    expected = [images.clone() for images, _ in DataLoader(dataset, batch_size=5)]
    for _ in range(3):
        for (images, _), wanted in zip(loader, expected, strict=True):
            assert torch.equal(images, wanted)
            images.fill_(float("nan"))


@pytest.mark.parametrize("slots", [2, 10, 23])
def test_partly_cached(dataset, cache, slots):
    """The budget holds for file or memory; the rest is decoded in each epoch."""
    aged([path for path, _ in getattr(dataset, "samples", []) if os.path.exists(path)])
    dataset.transform = transforms.Compose([transforms.Resize((64, 60)), transforms.ToTensor()])
    budget = 4096 + slots * (64 + 3 * 64 * 60) + 2 * 4096
    loader = DataLoader(dataset, batch_size=5, num_workers=2, cache=cache, cache_bytes=budget)
    assert (
        loader.plan()
        .notes[-1]
        .startswith(f"cache: {cache}, about {slots} of 24 samples, {budget / 1e6:.1f} MB of the")
    )
    expected = epoch(DataLoader(dataset, batch_size=5))
    hits = []
    for _ in range(3):
        before = loader.statistics().cache_hits
        assert_same(epoch(loader), expected)
        hits.append(loader.statistics().cache_hits - before)
        assert loader.statistics().cache_bytes <= budget
    assert hits[0] == 0
    assert slots - 2 <= hits[1] <= hits[2] <= slots


def test_changed_file_is_decoded_again(photo_folder, tmp_path):
    """In the epoch after the change; the others are not."""
    source = tmp_path / "source"
    shutil.copytree(photo_folder, source)
    dataset = ImageFolder(str(source), STILL)
    paths = [path for path, _ in dataset.samples]
    aged(paths)
    loader = DataLoader(dataset, batch_size=5, num_workers=1, cache=tmp_path / "cache")
    assert [hits_of(loader), hits_of(loader)] == [0, COUNT]
    shutil.copyfile(paths[3], paths[7])
    os.replace(paths[5], paths[2])
    shutil.copyfile(paths[9], paths[5])
    aged([paths[7], paths[2], paths[5]])
    for hits in (COUNT - 3, COUNT):
        before = loader.statistics().cache_hits
        assert_same(epoch(loader), epoch(DataLoader(dataset, batch_size=5)))
        assert loader.statistics().cache_hits - before == hits


@pytest.mark.usefixtures("nothing_left")
def test_spawned_processes_share_a_folder(photo_store, tmp_path):
    """Begun at once by two processes they are one file, and what is there is not decoded."""
    dataset = LMDBDataset(photo_store, STILL)
    context = multiprocessing.get_context("spawn")
    queue, start = context.Queue(), context.Event()
    loader = make_loader(dataset, str(tmp_path / "cache"), num_workers=1)
    expected = [float(images.double().sum()) for images, _ in DataLoader(dataset, batch_size=5)]
    ready = context.Event()
    child = context.Process(target=child_hits, args=(loader, queue, start, ready))
    child.start()
    assert ready.wait(60)
    start.set()
    own: list[Any] = []
    fill_twice(loader, own)
    found = [queue.get(timeout=60), own]
    child.join(30)
    assert child.exitcode == 0
    child.close()
    queue.close()
    for (_, first), (hits, second) in found:
        assert first == second == expected
        assert hits >= COUNT  # all of the second epoch
    assert len(cache_files(tmp_path / "cache")) == 1
    assert hits_of(loader) == COUNT


@pytest.mark.usefixtures("nothing_left")
def test_forked_child_has_the_memory(dataset):
    """What the child decodes is a hit of the parent's."""
    keeper = DataLoader(Subset(dataset, range(8)), cache="memory")
    assert hits_of(keeper) == 0
    loader = DataLoader(dataset, batch_size=4, num_workers=1, cache="memory")
    expected = epoch_sums(DataLoader(dataset, batch_size=4))
    assert epochs_in_child([loader], "fork") == [expected]
    assert hits_of(loader) == COUNT


@pytest.mark.usefixtures("nothing_left")
def test_loaders_of_one_process_share_the_memory(dataset):
    """As long as one of them lives."""
    first = DataLoader(dataset, batch_size=5, cache="memory")
    assert hits_of(first) == 0
    second = DataLoader(dataset, batch_size=7, cache="memory")
    assert hits_of(second) == COUNT
    del first
    assert hits_of(second) == COUNT
    del second
    assert hits_of(DataLoader(dataset, batch_size=5, cache="memory")) == 0


@pytest.mark.usefixtures("nothing_left")
def test_pickles_and_copies_carry_the_arguments(dataset, cache):
    """The cache itself is opened anew."""
    loader = DataLoader(dataset, batch_size=5, cache=cache, cache_bytes=1 << 24)
    expected = epoch(loader)
    for again in (pickle.loads(pickle.dumps(loader)), copy.copy(loader), copy.deepcopy(loader)):
        assert (again.cache, again.cache_bytes) == (cache, 1 << 24)
        for _ in range(2):
            assert_same(epoch(again), expected)
        assert again.statistics().cache_hits >= COUNT


@pytest.mark.usefixtures("nothing_left")
def test_leaving_the_loop_keeps_what_was_made(dataset, cache):
    """The rest of the batch under way may or may not be."""
    loader = DataLoader(dataset, batch_size=5, num_workers=2, cache=cache)
    for _batch in loader:
        break
    assert hits_of(loader) >= 5
    assert hits_of(loader) == COUNT


def test_samples_that_cannot_be_read_are_not_kept(damaged, tmp_path):
    """They are left out in every epoch."""
    options: Any = {"batch_size": 6, "on_error": "skip"}
    loader = DataLoader(damaged, cache=tmp_path / "cache", **options)
    expected = epoch(DataLoader(damaged, **options))
    aged([path for path, _ in getattr(damaged, "samples", []) if os.path.exists(path)])
    for hits in (0, COUNT - 2, COUNT - 2):
        before = loader.statistics().cache_hits
        assert_same(epoch(loader), expected)
        assert loader.statistics().cache_hits - before == hits
    assert [error.index for error in loader.errors] == [4, 5]


def test_prepared_batches_come_from_the_cache(dataset):
    """What is begun while training runs is looked for there as well, and counted."""
    train = DataLoader(dataset, batch_size=6, num_workers=1)
    val = DataLoader(dataset, batch_size=5, num_workers=1, cache="memory")
    (overlap,) = overlap_validation(train, val, due_in=lambda batches: 0)
    expected = epoch(DataLoader(dataset, batch_size=5))
    for hits in (None, COUNT, COUNT):  # at first, those that were decoded in time
        before = val.statistics().cache_hits
        for _batch in train:
            pass
        assert_same(epoch(val), expected)
        assert hits is None or val.statistics().cache_hits - before == hits
    assert overlap.reason is None
    overlap.close()


def test_full_disk_is_said_and_costs_no_batch(photo_store, tmp_path):
    """RLIMIT_FSIZE, as a quota would: the plan tells, and one warning."""
    transform = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])

    def fill() -> None:
        dataset = LMDBDataset(photo_store, transform)
        expected = [images for images, _ in DataLoader(dataset, batch_size=5)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        loader = DataLoader(dataset, batch_size=5, cache=tmp_path / "cache")
        found = []
        for _ in range(3):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for (images, _), wanted in zip(loader, expected, strict=True):
                    assert torch.equal(images, wanted)
            found.append((len(caught), loader.statistics().cache_hits))
        assert found == [(0, 0), (1, 7), (0, 14)]
        note = loader.plan().notes[-1]
        assert note.endswith("; writing stopped after 7 samples: File too large"), note

    assert in_child(fill) == 0
