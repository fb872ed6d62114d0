"""Validation's batches, made while training runs: the same as without, and there in time."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader as TorchLoader
from torch.utils.data import DistributedSampler, RandomSampler, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from fastload import DataLoader, LMDBDataset, overlap_validation
from fastload.loader.choice import choose
from fastload.overlap import overlap as overlap_module
from support.loaders import (
    RANDOM,
    STILL,
    assert_nothing_left,
    assert_same,
    damage_record,
    halved,
    holdings,
    settled,
)


def now(_: int) -> int:
    """Validation is due: begin at once."""
    return 0


@pytest.fixture(params=["store", "files"])
def data(request: pytest.FixtureRequest, photo_store: Path, photo_folder: Path) -> Any:
    """Makes data sets of 24 photos with given transforms."""
    if request.param == "store":
        return lambda transform: LMDBDataset(photo_store, transform)
    return lambda transform: ImageFolder(str(photo_folder), transform)


#: How validation's loader may be: on the engine, in workers that call the core, in workers.
WITH_TAIL = transforms.Compose([transforms.Resize(40), transforms.CenterCrop(32), halved])
PATHS = {"engine": STILL, "workers+core": WITH_TAIL, "workers": None}


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    """A path of validation's loader."""
    return str(request.param)


def validation_of(path: str, data: Any, **options: Any) -> DataLoader[Any]:
    """A validation loader on a path."""
    dataset = data(PATHS[path])
    options = {"batch_size": 5, "num_workers": 1, **options}
    if path == "workers":
        options["collate_fn"] = list  # of PIL images
    loader = DataLoader(dataset, **options)
    assert loader.plan().path == path
    return loader


def values(batches: Any) -> Any:
    """Batches without PIL images, which compare by identity."""
    return [
        [(image.tobytes(), target) for image, target in batch]
        if isinstance(batch[0], tuple)
        else batch
        for batch in batches
    ]


def play(train: DataLoader[Any], validation: list[DataLoader[Any]], script: str) -> list[Any]:
    """A run: t a training epoch, h half of one, m one with validation in the middle, v validation,
    b a validation that breaks off; with random numbers drawn in between, as dropout does.
    """
    seen: list[Any] = []
    torch.manual_seed(5)
    for part in script:
        if part in "thm":
            for number, batch in enumerate(train):
                seen.append(batch)
                seen.append(torch.rand(2))
                if part == "m" and number == 1:
                    seen.extend(batch for loader in validation for batch in values(loader))
                if part == "h" and number == 1:
                    break
        else:
            for loader in validation:
                for batch in loader:
                    seen.append(values([batch])[0])
                    if part == "b":
                        break
            seen.append(torch.rand(2))
    return seen


@pytest.mark.parametrize("script", ["tvtv", "hvbv", "mtvv", "ttvbt"])
def test_a_run_is_as_without(data, path, script):
    """All batches of both loaders, in order, and all random numbers."""
    runs = []
    for tied in (False, True):
        train = DataLoader(data(RANDOM), batch_size=4, shuffle=True, num_workers=1)
        validation = validation_of(path, data)
        if tied:
            (overlap,) = overlap_validation(train, validation, due_in=now)
        runs.append(play(train, [validation], script))
        if tied:
            assert overlap.prepared_batches > 0, overlap.reason
    assert_same(runs[1], runs[0])


def test_batches_are_there_when_validation_begins(data):
    """Nothing is left to be done."""
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=2)
    validation = DataLoader(data(STILL), batch_size=5, num_workers=2)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    list(train)
    assert overlap.prepared_batches == 5
    prepared = validation._prepared
    assert prepared is not None
    assert settled(lambda: prepared.done)
    assert_same(list(validation), list(TorchLoader(data(STILL), batch_size=5)))
    assert validation.statistics().seconds_waited < 0.5
    assert validation._owner is None or not validation._owner.statistics  # its own never ran


def test_several_validation_loaders(data):
    """Each is prepared by itself; they differ in length and batch size."""
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    small = DataLoader(Subset(data(STILL), range(7)), batch_size=3, num_workers=1)
    large = DataLoader(data(STILL), batch_size=24, num_workers=0)
    overlaps = overlap_validation(train, small, large, due_in=now)
    for _ in range(2):
        list(train)
        assert_same(list(small), list(TorchLoader(small.dataset, batch_size=3)))
        assert_same(list(large), list(TorchLoader(large.dataset, batch_size=24)))
    assert [overlap.prepared_batches for overlap in overlaps] == [6, 2]


def test_training_on_torchs_path(data):
    """Validation then has threads of its own."""
    train = DataLoader(data(WITH_TAIL), batch_size=4, num_workers=1)
    validation = DataLoader(data(STILL), batch_size=5, num_workers=1)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    list(train)
    assert overlap.prepared_batches == 5
    assert_same(list(validation), list(TorchLoader(data(STILL), batch_size=5)))


def test_what_is_prepared_stays_within_the_budget(data):
    """Two batches of 5 fit; the rest is made when there is room."""
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    budget = 2 * 5 * 3 * 32 * 32 * 4
    validation = DataLoader(data(STILL), batch_size=5, num_workers=1, memory_budget_bytes=budget)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    list(train)
    assert overlap.prepared_batches == 2
    assert validation._budget().used_bytes == budget
    most = 0
    batches = []
    for images, targets in validation:
        most = max(most, validation._budget().used_bytes)
        batches.append([images.clone(), targets])
        del images
    assert most <= budget
    assert_same(batches, list(TorchLoader(data(STILL), batch_size=5)))


def test_memory_goes_back_behind_validation(photo_store):
    """Between two validations, none of it is held."""
    train = DataLoader(LMDBDataset(photo_store, RANDOM), batch_size=4, num_workers=1)
    validation = DataLoader(LMDBDataset(photo_store, STILL), batch_size=8, num_workers=1)
    list(train)
    engine = train._engine_owner().get()[0]
    gc.collect()
    before = engine.pool_bytes
    overlap_validation(train, validation, due_in=now)
    for _ in train:
        pass
    assert engine.pool_bytes >= before + 24 * 3 * 32 * 32 * 4
    for _ in validation:
        pass
    del _
    gc.collect()
    assert engine.pool_bytes <= before


def test_another_transform_than_was_prepared(data):
    """Users swap it; what was prepared is of no use."""
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    validation = DataLoader(data(STILL), batch_size=5, num_workers=1)
    overlap_validation(train, validation, due_in=now)
    list(train)
    other = transforms.Compose([transforms.Resize((20, 30)), transforms.ToTensor()])
    validation.dataset.transform = other
    assert_same(list(validation), list(TorchLoader(data(other), batch_size=5)))


def test_changed_order_is_followed(data):
    """A list that stands for a sampler may be another at the next epoch."""
    order = [[0, 1, 2], [3, 4], [5]]
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    validation = DataLoader(data(STILL), batch_sampler=order, num_workers=1)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    list(train)
    assert overlap.prepared_batches == 3
    order[1:] = [[9, 8], [5]]
    assert_same(list(validation), list(TorchLoader(data(STILL), batch_sampler=order)))


def test_a_share_of_a_distributed_run(data):
    """The sampler of one rank."""
    dataset = data(STILL)
    sampler: Any = DistributedSampler(dataset, num_replicas=2, rank=1, shuffle=False)
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    validation = DataLoader(dataset, batch_size=5, sampler=sampler, num_workers=1)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    list(train)
    assert overlap.prepared_batches == 3
    assert_same(list(validation), list(TorchLoader(dataset, batch_size=5, sampler=sampler)))


def test_a_resumed_validation(data):
    """It goes on where it was left, whatever was prepared."""
    first = DataLoader(data(STILL), batch_size=5, num_workers=1)
    batches = iter(first)
    next(batches)
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    second = DataLoader(data(STILL), batch_size=5, num_workers=1)
    overlap_validation(train, second, due_in=now)
    list(train)
    second.load_state_dict(first.state_dict())
    assert_same(list(second), list(batches))


def test_a_resumed_training(data):
    """Validation is prepared in the rest of an epoch."""
    first = DataLoader(data(RANDOM), batch_size=4, shuffle=True, num_workers=1)
    batches = iter(first)
    next(batches)
    second = DataLoader(data(RANDOM), batch_size=4, shuffle=True, num_workers=1)
    validation = DataLoader(data(STILL), batch_size=5, num_workers=1)
    (overlap,) = overlap_validation(second, validation, due_in=now)
    second.load_state_dict(first.state_dict())
    assert_same(list(second), list(batches))
    assert overlap.prepared_batches == 5


def test_persistent_workers(data, path):
    """Three epochs of one iterator."""
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    validation = validation_of(path, data, persistent_workers=True)
    expected = values(validation_of(path, data))
    overlap_validation(train, validation, due_in=now)
    for _ in range(3):
        list(train)
        assert_same(values(validation), expected)


def test_damaged_samples_of_validation(photo_store, tmp_path):
    """They are treated when their batch is asked for, as ever."""
    path = tmp_path / "damaged.lmdb"
    shutil.copy(photo_store, path)
    damage_record(path, 4)
    damage_record(path, 5)
    damaged = LMDBDataset(path, STILL)
    train = DataLoader(LMDBDataset(photo_store, RANDOM), batch_size=4, num_workers=1)
    for on_error, sizes in (("skip", [4, 4, 5, 5, 4]), ("replace", [5, 5, 5, 5, 4])):
        validation = DataLoader(damaged, batch_size=5, num_workers=1, on_error=on_error)
        overlap_validation(train, validation, due_in=now)
        list(train)
        assert [len(images) for images, _ in validation] == sizes
        assert [error.index for error in validation.errors] == [4, 5]


def refusals(data: Any) -> Iterator[tuple[DataLoader[Any], str]]:
    """Validation loaders that are left as they are, and the reason given."""
    dataset = data(STILL)
    yield DataLoader(dataset, shuffle=True, num_workers=1), "RandomSampler may draw random"
    sampler = RandomSampler(dataset)
    yield DataLoader(dataset, sampler=sampler, num_workers=1), "RandomSampler may draw random"
    shuffled: Any = DistributedSampler(dataset, num_replicas=2, rank=0)
    yield DataLoader(dataset, sampler=shuffled, num_workers=1), "DistributedSampler shuffles"
    yield DataLoader(data(RANDOM), num_workers=1), "its transforms draw random numbers"
    yield DataLoader(data(WITH_TAIL)), "it has no workers"
    seeded = transforms.Compose([transforms.RandomCrop(30), halved])
    yield DataLoader(data(seeded), num_workers=1), "expected a generator of its own"


def test_what_cannot_be_prepared_says_why(data):
    """And runs as ever."""
    for validation, reason in refusals(data):
        train = DataLoader(data(RANDOM), batch_size=12, num_workers=1)
        (overlap,) = overlap_validation(train, validation, due_in=now)
        list(train)
        assert overlap.prepared_batches == 0
        assert reason in str(overlap.reason)
        assert len(list(validation)) == len(validation)


def test_what_validation_raises_is_raised_by_validation(data):
    """Training goes on, and asks no more in this epoch."""
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    validation = DataLoader(data(STILL), batch_sampler=[[0, 1], [99]], num_workers=1)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    assert len(list(train)) == 6
    assert overlap.prepared_batches == 1
    assert "IndexError: expected an index within 24 samples, found 99" in str(overlap.reason)
    with pytest.raises(IndexError, match="found 99"):
        list(validation)


def test_a_refusal_is_looked_into_once_an_epoch(data, monkeypatch):
    """Looking at transforms takes training's time."""
    looked = []
    monkeypatch.setattr(overlap_module, "choose", lambda loader: looked.append(1) or choose(loader))
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    validation = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    overlap_validation(train, validation, due_in=lambda batches: 0 if batches else None)
    for epochs in (1, 2):
        list(train)
        assert len(looked) == epochs


def test_without_threads_nothing_is_prepared(data):
    """The calling thread has its own work."""
    train = DataLoader(data(RANDOM), batch_size=12)
    validation = DataLoader(data(STILL), batch_size=5)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    list(train)
    assert "neither loader has threads" in str(overlap.reason)
    assert_same(list(validation), list(TorchLoader(data(STILL), batch_size=5)))


def test_preparing_waits_until_the_epoch_draws_to_its_end(data):
    """Its memory is not held all the while."""
    train = DataLoader(data(RANDOM), batch_size=2, num_workers=1)
    validation = DataLoader(data(STILL), batch_size=24, num_workers=1)
    (overlap,) = overlap_validation(train, validation)
    begun = [overlap.prepared_batches for _ in train]
    assert begun == [0] * 5 + [1] * 7


def test_no_validation_in_sight(data):
    """An epoch that has none prepares none."""
    train = DataLoader(data(RANDOM), batch_size=2, num_workers=1)
    validation = DataLoader(data(STILL), batch_size=24, num_workers=1)
    (overlap,) = overlap_validation(train, validation, due_in=lambda _: None)
    list(train)
    assert overlap.prepared_batches == 0


def test_untying_drops_what_was_prepared(data):
    """Nothing of it is left, and nothing more comes."""
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    validation = DataLoader(data(STILL), batch_size=5, num_workers=1)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    list(train)
    overlap.close()
    overlap.close()
    assert validation._prepared is None
    list(train)
    assert overlap.prepared_batches == 5


def test_untying_drops_workers(data):
    """Those of torch's path that were set going."""
    train = DataLoader(data(RANDOM), batch_size=4, num_workers=1)
    validation = validation_of("workers", data, persistent_workers=True)
    (overlap,) = overlap_validation(train, validation, due_in=now)
    list(train)
    assert validation._early is not None
    overlap.close()
    assert validation._early is None
    assert validation._iterator is None


@pytest.mark.parametrize("kept", [True, False])
def test_nothing_is_left_behind(photo_folder, no_torch_threads, kept):
    """Threads, descriptors and children, with batches that nobody asked for."""
    before = holdings()
    for path in PATHS:
        train = DataLoader(ImageFolder(str(photo_folder), RANDOM), batch_size=4, num_workers=1)
        validation = validation_of(path, lambda t: ImageFolder(str(photo_folder), t))
        overlaps = overlap_validation(train, validation, due_in=now)
        list(train)
        if not kept:
            list(validation)
        del train, validation, overlaps
    assert_nothing_left(before)


def test_arguments_are_checked(data):
    """In words."""
    loader = DataLoader(data(STILL), num_workers=1)
    with pytest.raises(TypeError, match=r"expected fastload.DataLoader, found DataLoader"):
        overlap_validation(loader, TorchLoader([1]))  # type: ignore[arg-type]
    for wrong in ((), (loader,)):
        with pytest.raises(ValueError, match="other loaders for validation"):
            overlap_validation(loader, *wrong)
