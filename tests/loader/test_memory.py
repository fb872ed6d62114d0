"""Batches ahead of time, within a budget of bytes."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import pytest

from fastload import DataLoader
from fastload.loader.memory import automatic_budget_bytes
from support.loaders import epoch, holdings, settled

BATCH_BYTES = 4 * 3 * 32 * 32 * 4


def pool_bytes(loader: Any) -> int:
    """What the engine's pool has taken from the system."""
    engine, _ = loader._engine_owner().get()
    return int(engine.pool_bytes)


def made_by(loader: Any, batches: int) -> int:
    """Images that the engine has made in all."""
    return int(loader._engine_owner().statistics["images"])


@pytest.mark.parametrize(("budget", "ahead"), [(2, 1), (3, 2), (5, 4), (100, 4)])
def test_budget_bounds_what_is_ahead(dataset, budget, ahead):
    """In batches of four; prefetch_factor * num_workers is 4."""
    loader = DataLoader(
        dataset, batch_size=4, num_workers=2, memory_budget_bytes=budget * BATCH_BYTES
    )
    iterator = iter(loader)
    batch = next(iterator)
    allowed = 4 * (1 + ahead)
    assert settled(lambda: made_by(loader, 0) >= min(24, allowed))
    assert not settled(lambda: made_by(loader, 0) > allowed, seconds=0.3)
    del batch


@pytest.mark.parametrize("budget", [2, 3, 4])
def test_pool_stays_within_the_budget(dataset, budget):
    """All batches that were ever alive at once fit into it."""
    loader = DataLoader(
        dataset, batch_size=4, num_workers=2, memory_budget_bytes=budget * BATCH_BYTES
    )
    for _ in range(3):
        for _batch in loader:
            pass
    assert pool_bytes(loader) <= budget * BATCH_BYTES


def test_next_batch_is_made_while_the_only_other_is_in_use(dataset):
    """Two batches of budget are enough for decoding and training to overlap."""
    loader = DataLoader(dataset, batch_size=4, num_workers=1, memory_budget_bytes=2 * BATCH_BYTES)
    for number, _batch in enumerate(loader):
        expected = min(24, 4 * (number + 2))
        assert settled(lambda expected=expected: made_by(loader, 0) >= expected), number


def test_budget_below_two_batches_is_a_warning_with_numbers(dataset):
    """The loader works, one batch after the other."""
    loader = DataLoader(dataset, batch_size=4, num_workers=2, memory_budget_bytes=BATCH_BYTES)
    message = rf"memory_budget_bytes={BATCH_BYTES} .* {BATCH_BYTES} bytes.* {2 * BATCH_BYTES}"
    with pytest.warns(UserWarning, match=message):
        assert len(epoch(loader)) == 6


def test_kept_batches_do_not_stop_the_loader(dataset):
    """``list(loader)`` holds more than any budget."""
    loader = DataLoader(dataset, batch_size=4, num_workers=2, memory_budget_bytes=2 * BATCH_BYTES)
    assert len(epoch(loader)) == 6


def test_memory_is_used_again(dataset):
    """A thousand batches take no more than a few."""
    loader = DataLoader(dataset, batch_size=4, num_workers=2)
    for _ in range(3):
        for _batch in loader:
            pass
    before = pool_bytes(loader)
    for _ in range(50):
        for _batch in loader:
            pass
    assert pool_bytes(loader) <= before


@pytest.mark.slow
def test_anonymous_memory_does_not_grow(dataset):
    """Over many epochs, with and without abandoned ones."""
    loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=2)

    def work(epochs: int) -> None:
        for number in range(epochs):
            for count, _batch in enumerate(loader):
                if number % 3 == 0 and count == 2:
                    break

    work(30)
    before = holdings().anonymous_bytes
    work(150)
    gc.collect()
    assert holdings().anonymous_bytes - before < 4 << 20


def test_automatic_budget_is_resolved_and_kept_as_a_number(dataset):
    """So that a loader that is rebuilt from its attributes has the same."""
    loader = DataLoader(dataset)
    assert 64 << 20 <= loader.memory_budget_bytes <= 2 << 30
    assert automatic_budget_bytes() > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        epoch(loader)
