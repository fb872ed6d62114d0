"""A validation loader's cache is filled while training runs, from a few batches' memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader as TorchLoader

from fastload import DataLoader, LMDBDataset, overlap_validation
from fastload.overlap import Overlap
from support.caches import COUNT, hits_of
from support.loaders import RANDOM, STILL, assert_same, damage_record, settled

SAMPLE_BYTES = 3 * 32 * 32 * 4


@pytest.fixture
def train(photo_store: Path) -> DataLoader[Any]:
    """Training's loader: 24 batches."""
    return DataLoader(LMDBDataset(photo_store, RANDOM), batch_size=1, num_workers=1)


def validation_of(store: Path, **options: Any) -> DataLoader[Any]:
    """Validation's loader, with a cache."""
    options = {"batch_size": 5, "num_workers": 1, "cache": "memory", **options}
    return DataLoader(LMDBDataset(store, STILL), **options)


def written(validation: DataLoader[Any]) -> int:
    """Samples that this process has put into the cache."""
    opened = validation._cache_keeper._opened
    return 0 if opened is None or opened.cache is None else int(opened.cache.written)


def run(train: DataLoader[Any], overlap: Overlap) -> None:
    """An epoch of training that is as slow as filling."""
    for _ in train:
        filler = overlap._filler
        assert settled(lambda filler=filler: filler is None or filler._portions.done)


def test_the_first_validation_decodes_nothing(train, photo_store):
    """Every sample is in the cache; the same batches as without, the first of them made."""
    validation = validation_of(photo_store)
    (overlap,) = overlap_validation(train, validation)
    run(train, overlap)
    assert written(validation) == COUNT
    assert overlap.prepared_batches == 2  # as many as one worker has under way
    expected = list(TorchLoader(LMDBDataset(photo_store, STILL), batch_size=5))
    before = validation.statistics().cache_hits
    assert_same(list(validation), expected)
    assert validation.statistics().cache_hits - before == COUNT
    assert written(validation) == COUNT


def test_a_full_cache_is_left_alone(train, photo_store):
    """The second epoch begins no more."""
    validation = validation_of(photo_store)
    (overlap,) = overlap_validation(train, validation)
    for _ in range(2):
        run(train, overlap)
        list(validation)
    next(iter(train))
    assert overlap._filler is None


def test_what_an_epoch_had_no_time_for_is_decoded_by_validation(train, photo_store, monkeypatch):
    """One portion of 3 samples a step, and an epoch that breaks off behind two."""
    monkeypatch.setattr("fastload.overlap.cache_filler._PORTION_BYTES", 3 * SAMPLE_BYTES)
    monkeypatch.setattr("fastload.overlap.cache_filler._PORTIONS_A_THREAD", 1)
    validation = validation_of(photo_store)
    (overlap,) = overlap_validation(train, validation, due_in=lambda _: 100)
    for number, _ in enumerate(train):
        portions = overlap._filler._portions
        assert settled(lambda portions=portions: portions.done)
        if number == 1:
            break
    assert 0 < written(validation) < COUNT
    expected = list(TorchLoader(LMDBDataset(photo_store, STILL), batch_size=5))
    assert_same(list(validation), expected)
    assert overlap._filler is None
    assert written(validation) == COUNT


def test_filling_goes_on_in_the_next_epoch(train, photo_store):
    """Where no validation came in between."""
    validation = validation_of(photo_store)
    (overlap,) = overlap_validation(train, validation, due_in=lambda _: 100)
    next(iter(train))
    run(train, overlap)
    assert written(validation) == COUNT


def test_no_more_memory_than_the_budget(train, photo_store):
    """Small portions wait for each other."""
    budget = 8 * SAMPLE_BYTES
    validation = validation_of(photo_store, batch_size=2, memory_budget_bytes=budget)
    (overlap,) = overlap_validation(train, validation, due_in=lambda _: 100)
    for _ in train:
        assert validation._budget().used_bytes <= budget
        filler = overlap._filler
        assert settled(lambda filler=filler: filler is None or filler._portions.done)
    assert_same(list(validation), list(TorchLoader(LMDBDataset(photo_store, STILL), batch_size=2)))


@pytest.mark.parametrize("reason", ["too small", "no cache", "shuffled", "not in sight"])
def test_nothing_is_filled(train, photo_store, reason):
    """Where it would be of no use."""
    validation = validation_of(
        photo_store,
        cache=None if reason == "no cache" else "memory",
        shuffle=reason == "shuffled",
        cache_bytes=6 * 3 * 32 * 32 + 20_000 if reason == "too small" else "auto",
    )
    due = None if reason == "not in sight" else 100
    (overlap,) = overlap_validation(train, validation, due_in=lambda _: due)
    next(iter(train))
    assert overlap._filler is None
    assert overlap.prepared_batches == 0


def test_a_sample_that_cannot_be_read_does_not_have_all_read_again(train, photo_store, tmp_path):
    """It stays out of the cache, and is reported when its batch is asked for."""
    path = tmp_path / "damaged.lmdb"
    shutil.copy(photo_store, path)
    damage_record(path, 4)
    validation = validation_of(path, on_error="skip")
    (overlap,) = overlap_validation(train, validation)
    run(train, overlap)
    assert validation.errors == []
    assert [len(images) for images, _ in validation] == [4, 5, 5, 5, 4]
    assert [error.index for error in validation.errors] == [4]
    next(iter(train))
    assert overlap._filler is None


def test_untying_stops_it(train, photo_store):
    """What was kept stays."""
    validation = validation_of(photo_store)
    (overlap,) = overlap_validation(train, validation, due_in=lambda _: 100)
    batches = iter(train)
    next(batches)
    overlap.close()
    kept = written(validation)
    list(batches)
    assert overlap._filler is None
    assert hits_of(validation) >= kept
