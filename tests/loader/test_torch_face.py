"""DataLoader: torch's in every respect that clients look at."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.utils.data
from torch.utils.data import RandomSampler, TensorDataset
from torchvision.datasets import ImageFolder

from fastload import DataLoader, LMDBDataset
from support.loaders import RANDOM, STILL, UNORDERED, assert_same, epoch

pytestmark = pytest.mark.pillow


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """(name, kind, default) of each parameter."""
    found = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in found]


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
    dataset = LMDBDataset(photo_store, RANDOM)
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
        **UNORDERED,
        "dtype": torch.float16,
        "memory_format": torch.channels_last,
        "memory_budget_bytes": 123_456_789,
        "on_error": "skip",
    }
    loader = DataLoader(**given)  # type: ignore[arg-type]
    for name, value in given.items():
        assert getattr(loader, name) is value or getattr(loader, name) == value


def test_data_sets_that_are_not_of_images():
    """Everything else is torch's own machinery, unchanged."""
    dataset = TensorDataset(torch.arange(10.0).reshape(10, 1))
    found = DataLoader(dataset, batch_size=4, shuffle=True)
    expected = torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True)
    assert_same(epoch(found), epoch(expected))


def test_the_global_generator_ends_where_torch_leaves_it(photo_store, photo_folder):
    """Training's own random numbers must not shift by the change of an import."""
    loaders = (
        DataLoader(LMDBDataset(photo_store, STILL), shuffle=True, batch_size=4),
        torch.utils.data.DataLoader(
            ImageFolder(str(photo_folder), STILL), shuffle=True, batch_size=4
        ),
    )
    states = []
    for loader in loaders:
        epoch(loader)
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
    loader = DataLoader(LMDBDataset(photo_store, RANDOM), batch_size=4, drop_last=True)
    names = [name for name, _, _ in parameters(DataLoader)]
    kept = {name: getattr(loader, name) for name in names if hasattr(loader, name)}
    for name in ("batch_sampler", "shuffle"):
        kept.pop(name, None)
    assert_same(epoch(type(loader)(**kept)), epoch(loader))


def test_length_is_not_to_be_set_behind_torchs_back(dataset):
    """What torch freezes stays frozen."""
    loader = DataLoader(dataset)
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is something to pin for")
def test_pin_memory_without_a_device_is_torchs_warning(dataset, folder):
    """Where torch gives one; and changes nothing else."""
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        epoch(torch.utils.data.DataLoader(folder, batch_size=4, pin_memory=True))
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        found = epoch(DataLoader(dataset, batch_size=4, pin_memory=True))
    assert {str(one.message) for one in given} == {str(one.message) for one in expected}
    assert_same(found, epoch(DataLoader(dataset, batch_size=4)))


def test_options_of_one_shot(dataset):
    """What torch refuses without workers is refused in its words."""
    with pytest.raises(ValueError, match="prefetch_factor option could only be specified"):
        DataLoader(dataset, prefetch_factor=2)
    with pytest.raises(ValueError, match="persistent_workers option needs num_workers > 0"):
        DataLoader(dataset, persistent_workers=True)
    with pytest.raises(AssertionError):
        iter(DataLoader(dataset, timeout=3))
