"""Figures of a loader."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.utils.data import TensorDataset

from fastload import DataLoader
from support.loaders import epoch


@pytest.mark.parametrize("workers", [0, 2])
def test_figures_after_an_epoch(dataset, workers):
    """All count, and times are those of one epoch at most."""
    loader = DataLoader(dataset, batch_size=5, num_workers=workers)
    epoch(loader)
    found = loader.statistics()
    assert (found.images, found.batches, found.errors) == (24, 5, 0)
    assert found.images_per_second > 0
    assert found.bytes_read > 10_000
    assert 0 < found.decode_seconds < 60
    assert 0 < found.seconds_waited < 60
    assert found.queue_depth == 0
    epoch(loader)
    assert loader.statistics().images == 48


def test_before_the_first_epoch_all_is_zero(dataset):
    """Asking starts nothing."""
    found = DataLoader(dataset, num_workers=2).statistics()
    assert not any(dataclasses.astuple(found))


def test_they_are_frozen(dataset):
    """A picture of a moment."""
    found = DataLoader(dataset).statistics()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.images = 3


def test_torchs_path_counts_batches_too():
    """What torch's workers do inside cannot be seen."""
    loader = DataLoader(TensorDataset(torch.arange(10)), batch_size=4)
    epoch(loader)
    found = loader.statistics()
    assert (found.images, found.batches, found.bytes_read) == (10, 3, 0)
