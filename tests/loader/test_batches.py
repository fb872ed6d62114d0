"""Batches of the engine: bit for bit those of torch's loader with torchvision on PIL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.utils.data
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
    default_collate,
    random_split,
)
from torchvision import transforms

from fastload import DataLoader, LMDBDataset, RecordError
from support.loaders import STILL, UNORDERED, assert_same, damage_record, epoch, torch_epoch

pytestmark = [pytest.mark.pillow, pytest.mark.exact_pillow]

Options = dict[str, Any]


def collate(samples: list[Any]) -> dict[str, Any]:
    """A user's own."""
    assert all(type(sample) is tuple and type(sample[1]) is int for sample in samples)
    return {"x": torch.stack([image for image, _ in samples]), "y": [t for _, t in samples]}


def compare(dataset: Any, folder: Any, **options: Any) -> None:
    """Two epochs on the engine are torch's, and leave torch's generator where torch leaves it."""
    loader = DataLoader(dataset, **options)
    assert loader.plan().path == "engine", loader.plan()
    reference = torch.utils.data.DataLoader(folder, **options)
    assert len(loader) == len(reference)
    for seed in (3, 4):
        found = epoch(loader, seed)
        state = torch.get_rng_state()
        expected = epoch(reference, seed)
        if options.get("collate_fn") is collate:
            for one, other in zip(found, expected, strict=True):
                assert torch.equal(one["x"], other["x"])
                assert one["y"] == other["y"]
        else:
            assert_same(found, expected)
        assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 5},
        {"batch_size": 5, "drop_last": True},
        {"batch_size": 5, "shuffle": True},
        {"batch_size": 24, "shuffle": True},
        {"batch_size": 100, "shuffle": True},
        {"batch_size": 7, "collate_fn": collate},
        {"batch_size": None},
        {"batch_size": None, "shuffle": True},
    ],
    ids=lambda options: str({name: getattr(v, "__name__", v) for name, v in options.items()}),
)
def test_batches_are_torchs(dataset, folder, options, workers):
    """From the store and from files, with any number of threads."""
    compare(dataset, folder, num_workers=workers, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": 1, "prefetch_factor": 1},
        {"num_workers": 2, "prefetch_factor": 9},
        {"num_workers": 2, "timeout": 60},
        {"num_workers": 2, **UNORDERED},
        {"num_workers": 2, "multiprocessing_context": "fork"},
        {"num_workers": 2, "persistent_workers": True},
    ],
    ids=str,
)
def test_arguments_about_workers_change_no_batch(dataset, folder, options):
    """They are about processes or waiting."""
    loader = DataLoader(dataset, batch_size=5, **options)
    assert_same(epoch(loader), torch_epoch(folder, batch_size=5))
    assert_same(epoch(loader, 4), torch_epoch(folder, 4, batch_size=5))


SAMPLERS: dict[str, Any] = {
    "list": lambda data: {"sampler": [3, 3, 0, -1, 23]},
    "tensors": lambda data: {"sampler": [torch.tensor(2), torch.tensor(5)]},
    "random": lambda data: {"sampler": RandomSampler(data, replacement=True, num_samples=70)},
    "weighted": lambda data: {"sampler": WeightedRandomSampler([1.0] * 24, 30)},
    "subset": lambda data: {"sampler": SubsetRandomSampler(range(10))},
    "batches": lambda data: {"batch_sampler": BatchSampler(range(11), 4, drop_last=False)},
    "uneven": lambda data: {"batch_sampler": [[1], [2, 3, 4], (5, 6), torch.tensor([7, 8])]},
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", SAMPLERS)
def test_any_sampler(dataset, folder, kind, workers):
    """The engine gets its order from whatever gives indices."""
    size = {} if "batch" in str(SAMPLERS[kind](folder)) else {"batch_size": 4}
    loader = DataLoader(dataset, num_workers=workers, **SAMPLERS[kind](dataset), **size)
    assert loader.plan().path == "engine"
    found = epoch(loader)
    state = torch.get_rng_state()
    options = SAMPLERS[kind](folder)
    assert_same(found, torch_epoch(folder, num_workers=workers, **options, **size))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("workers", [0, 2])
def test_generator_is_drawn_from_as_torch_does(dataset, folder, workers):
    """Its state after an epoch too, so that the next epochs are the same."""
    found, expected = torch.Generator().manual_seed(9), torch.Generator().manual_seed(9)
    options: Options = {"batch_size": 5, "shuffle": True, "num_workers": workers}
    loader = DataLoader(dataset, generator=found, **options)
    reference = torch.utils.data.DataLoader(folder, generator=expected, **options)
    for _ in range(3):
        assert_same(list(loader), list(reference))
        assert torch.equal(found.get_state(), expected.get_state())


def wrapped(kind: str, data: Any) -> Any:
    """A data set around a data set."""
    if kind == "subset":
        return Subset(data, [5, 1, 20, -2])
    if kind == "range":
        return Subset(data, range(3, 9))
    if kind == "nested":
        return Subset(Subset(data, [9, 8, 7, 6]), [2, 0])
    if kind == "split":
        return random_split(data, [10, 14], torch.Generator().manual_seed(1))[1]
    return ConcatDataset([Subset(data, [5, 1, 20]), data, Subset(data, range(4))])


@pytest.mark.parametrize("kind", ["subset", "range", "nested", "split", "concatenation"])
def test_data_sets_around_data_sets(dataset, folder, kind):
    """Subset, random_split and ConcatDataset are arithmetic on indices."""
    compare(wrapped(kind, dataset), wrapped(kind, folder), batch_size=4, shuffle=True)


def test_concatenation_of_folders(photo_folder):
    """Several folders of files are one source."""
    from torchvision.datasets import ImageFolder

    parts = [ImageFolder(str(photo_folder), STILL) for _ in range(2)]
    compare(ConcatDataset(parts), ConcatDataset(parts), batch_size=7, shuffle=True)


@pytest.fixture(scope="module")
def reversed_stores(
    photo_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The photos under other names, which turn their order round: a store, and one of shards."""
    from fastload.convert import PackOptions, Sharding, pack

    root = tmp_path_factory.mktemp("reversed")
    for number, path in enumerate(sorted(photo_folder.rglob("*.*"))):
        link = root / "files" / path.parent.name / f"{99 - number}{path.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    options = PackOptions(follow_links=True, workers=2)
    pack(root / "files", root / "one.lmdb", options)
    pack(root / "files", root / "shards", options, sharding=Sharding(shards=3))
    return {"files": root / "files", "store": root / "one.lmdb", "shards": root / "shards"}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["store", "shards"])
def test_concatenation_of_stores(photo_store, photo_folder, reversed_stores, kind, workers):
    """Whole, in part, one of them twice, and joined once more."""
    from torchvision.datasets import ImageFolder

    def joined(one: Any, other: Any) -> Any:
        inner = ConcatDataset([Subset(other, [3, 1, 20]), one])
        return ConcatDataset([one, other, Subset(one, [7, 5]), inner])

    found = joined(LMDBDataset(photo_store, STILL), LMDBDataset(reversed_stores[kind], STILL))
    expected = joined(
        ImageFolder(str(photo_folder), STILL), ImageFolder(str(reversed_stores["files"]), STILL)
    )
    compare(found, expected, batch_size=7, shuffle=True, num_workers=workers)


def test_a_damaged_record_of_joined_stores_is_named(photo_store, reversed_stores, tmp_path):
    """By its own store, and its place in the whole."""
    path = tmp_path / "damaged.lmdb"
    path.write_bytes(reversed_stores["store"].read_bytes())
    damage_record(path, 4)
    both = ConcatDataset([LMDBDataset(photo_store, STILL), LMDBDataset(path, STILL)])
    loader = DataLoader(both, 48, num_workers=1, on_error="skip")
    assert [len(images) for images, _ in loader] == [47]
    assert "damaged.lmdb: sample 4" in str(loader.errors[0])
    with pytest.raises(RecordError, match=r"damaged\.lmdb: sample 4"):
        epoch(DataLoader(both, 12, num_workers=1))


@pytest.mark.parametrize(
    "function",
    [lambda t: t + 10, float, str, lambda t: (t, [t])],
    ids=["int", "float", "str", "nested"],
)
def test_target_transform_runs_in_python(dataset, folder, function):
    """Its results are collated as torch does it."""
    dataset.target_transform = folder.target_transform = function
    compare(dataset, folder, batch_size=7, num_workers=1)


def test_transforms_may_be_exchanged_between_epochs(dataset, folder):
    """The choice and the recipe are made at every iter()."""
    loader = DataLoader(dataset, batch_size=6)
    epoch(loader)
    dataset.transform = folder.transform = transforms.Compose(
        [transforms.Resize((20, 30)), transforms.PILToTensor()]
    )
    assert_same(epoch(loader), torch_epoch(folder, batch_size=6))
    dataset.transform = folder.transform = transforms.Compose(
        [transforms.Resize((20, 30)), transforms.ToTensor(), torch.neg]
    )
    assert loader.plan().path != "engine"
    assert_same(epoch(loader), torch_epoch(folder, batch_size=6))


def test_edited_samples_of_a_folder_are_noticed(photo_folder, folder):
    """People cut ImageFolder.samples, or give other targets."""
    from torchvision.datasets import ImageFolder

    dataset = ImageFolder(str(photo_folder), STILL)
    loader = DataLoader(dataset, batch_size=6)
    epoch(loader)
    for data in (dataset, folder):
        data.samples[3] = (data.samples[7][0], 77)
        del data.samples[20:]
    assert_same(list(DataLoader(dataset, batch_size=6)), torch_epoch(folder, batch_size=6))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, None])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format, None])
@pytest.mark.parametrize("workers", [0, 1])
def test_dtype_and_memory_format(dataset, folder, dtype, memory_format, workers):
    """What ``to`` would make of torch's batches, whichever path makes it."""
    loader = DataLoader(
        dataset, batch_size=5, num_workers=workers, dtype=dtype, memory_format=memory_format
    )
    for found, expected in zip(epoch(loader), torch_epoch(folder, batch_size=5), strict=True):
        wanted = expected[0] if dtype is None else expected[0].to(dtype)
        assert_same(found, [wanted, expected[1]])
        if memory_format is not None:
            assert found[0].is_contiguous(memory_format=memory_format)


def test_default_collate_by_name_is_the_default(dataset, folder):
    """Many pass it explicitly."""
    compare(dataset, folder, batch_size=5, collate_fn=default_collate)


def test_batches_are_the_users_own(dataset):
    """Kept and written to, they are not written to again by the engine."""
    loader = DataLoader(dataset, batch_size=4, num_workers=2)
    kept = list(loader)
    copies = [images.clone() for images, _ in kept]
    for _ in range(3):
        for images, _ in loader:
            images.fill_(7)
    for (images, _), copy in zip(kept, copies, strict=True):
        assert torch.equal(images, copy)


def test_index_outside_is_an_index_error_with_the_count(dataset):
    """As from the data set itself."""
    with pytest.raises(IndexError, match="within 24 samples, found 24"):
        list(DataLoader(dataset, sampler=[1, 24]))


@pytest.mark.parametrize("sampler", [["a"], [0.5], [None]])
def test_what_is_no_index_is_a_type_error(dataset, sampler):
    """Rather than some sample."""
    with pytest.raises((TypeError, AttributeError)):
        list(DataLoader(dataset, sampler=sampler))


def test_pictures_of_one_size_need_no_resize(tmp_path):
    """A store knows that all its pictures have one size, as in CIFAR."""
    from PIL import Image
    from torchvision.datasets import ImageFolder

    from fastload.convert import pack
    from support.pictures import picture

    for number in range(6):
        path = tmp_path / "source" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(32, 32, seed=number)).save(path)
    pack(tmp_path / "source", tmp_path / "out.lmdb")
    compare(
        LMDBDataset(tmp_path / "out.lmdb", transforms.ToTensor()),
        ImageFolder(str(tmp_path / "source"), transforms.ToTensor()),
        batch_size=4,
    )
