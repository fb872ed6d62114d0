"""DataLoader: torch's in every respect that clients look at."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.utils.data
from torch.utils.data import BatchSampler, ConcatDataset, RandomSampler, Subset, TensorDataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from fastload import DataLoader, LMDBDataset

pytestmark = pytest.mark.pillow

TRANSFORM = transforms.Compose(
    [transforms.RandomCrop(24), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
)


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """(name, kind, default) of each parameter."""
    found = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in found]


def batches(loader: Any, seed: int = 3) -> list[Any]:
    """All batches of one epoch from a fixed state of torch's generator."""
    torch.manual_seed(seed)
    return list(loader)


def assert_equal(found: list[Any], expected: list[Any]) -> None:
    """Two epochs hold the same tensors in the same structure."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert type(a) is type(b)
            assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))


def test_signature_is_torchs():
    """Lightning and others rebuild a loader from the names of its parameters."""
    found, expected = parameters(DataLoader), parameters(torch.utils.data.DataLoader)
    assert found[: len(expected)] == expected
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for _, kind, _ in found[len(expected) :])
    assert not any(kind is inspect.Parameter.VAR_KEYWORD for _, kind, _ in found)


def test_it_is_torchs_loader():
    """Clients ask by isinstance."""
    loader = DataLoader(TensorDataset(torch.arange(4)))
    assert isinstance(loader, torch.utils.data.DataLoader)


def test_every_argument_is_kept_under_its_name(photo_store):
    """That is what a rebuilt loader is made from."""
    dataset = LMDBDataset(photo_store, TRANSFORM)
    given = {
        "dataset": dataset,
        "batch_size": 3,
        "sampler": RandomSampler(dataset),
        "num_workers": 1,
        "collate_fn": list,
        "drop_last": True,
        "timeout": 30,
        "worker_init_fn": print,
        "generator": torch.Generator(),
        "prefetch_factor": 5,
        "persistent_workers": True,
        "in_order": False,
    }
    loader = DataLoader(**given)  # type: ignore[arg-type]
    for name, value in given.items():
        assert getattr(loader, name) is value or getattr(loader, name) == value


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": None},
        {"batch_size": 5, "shuffle": True},
        {"batch_size": 5, "shuffle": True, "drop_last": True},
        {"batch_size": 4, "shuffle": True, "num_workers": 2},
        {"batch_size": 4, "num_workers": 2, "persistent_workers": True},
        {"batch_sampler": BatchSampler(range(10), 4, drop_last=False)},
        {"sampler": [3, 3, 0]},
        {"batch_size": 2, "collate_fn": lambda samples: [torch.stack([s[0] for s in samples])]},
    ],
    ids=repr,
)
def test_batches_are_those_of_torch_on_imagefolder(photo_store, photo_folder, options):
    """Same order, same augmentation from the same seed, same tensors."""
    found = DataLoader(LMDBDataset(photo_store, TRANSFORM), **options)
    expected = torch.utils.data.DataLoader(ImageFolder(str(photo_folder), TRANSFORM), **options)
    assert len(found) == len(expected)
    assert_equal(batches(found), batches(expected))
    assert_equal(batches(found, 4), batches(expected, 4))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_every_start_method(photo_store, photo_folder, method):
    """Spawned ones get the data set by pickle, forked ones with the store open."""
    dataset = LMDBDataset(photo_store, TRANSFORM)
    dataset[0]
    options = {"batch_size": 6, "num_workers": 2, "multiprocessing_context": method}
    found = DataLoader(dataset, **options)
    expected = torch.utils.data.DataLoader(
        ImageFolder(str(photo_folder), TRANSFORM), batch_size=6, num_workers=2
    )
    assert_equal(batches(found), batches(expected))


def test_subsets_and_concatenations(photo_store, photo_folder):
    """The wrappers that torch has around data sets work as around any other."""

    def wrapped(dataset: Any) -> Any:
        return ConcatDataset([Subset(dataset, [5, 1, 20]), Subset(dataset, range(4))])

    found = DataLoader(wrapped(LMDBDataset(photo_store, TRANSFORM)), batch_size=3)
    expected = torch.utils.data.DataLoader(
        wrapped(ImageFolder(str(photo_folder), TRANSFORM)), batch_size=3
    )
    assert_equal(batches(found), batches(expected))


def test_data_sets_that_are_not_of_images():
    """Everything else is torch's own machinery, unchanged."""
    dataset = TensorDataset(torch.arange(10.0).reshape(10, 1))
    found = DataLoader(dataset, batch_size=4, shuffle=True)
    expected = torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True)
    assert_equal(batches(found), batches(expected))


def test_the_global_generator_ends_where_torch_leaves_it(photo_store, photo_folder):
    """Training's own random numbers must not shift by the change of an import."""
    loaders = (
        DataLoader(LMDBDataset(photo_store, TRANSFORM), shuffle=True, batch_size=4),
        torch.utils.data.DataLoader(
            ImageFolder(str(photo_folder), TRANSFORM), shuffle=True, batch_size=4
        ),
    )
    states = []
    for loader in loaders:
        batches(loader)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_wrong_arguments_are_torchs_errors():
    """In torch's own words, which people look up."""
    with pytest.raises(ValueError, match="num_workers option should be non-negative"):
        DataLoader(TensorDataset(torch.arange(4)), num_workers=-1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nun_workers'"):
        DataLoader(TensorDataset(torch.arange(4)), nun_workers=1)  # type: ignore[call-arg]


def test_rebuilt_from_its_attributes_it_gives_the_same(photo_store: Path):
    """What Lightning does to put another sampler in."""
    loader = DataLoader(LMDBDataset(photo_store, TRANSFORM), batch_size=4, drop_last=True)
    names = [name for name, _, _ in parameters(DataLoader)]
    kept = {name: getattr(loader, name) for name in names if hasattr(loader, name)}
    for name in ("batch_sampler", "shuffle"):
        kept.pop(name, None)
    assert_equal(batches(type(loader)(**kept)), batches(loader))
