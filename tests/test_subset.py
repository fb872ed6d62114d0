"""A fixed part of a data set, with its classes in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastload import stratified_subset

TARGETS = np.repeat([3, 7, 9], [600, 300, 100])


@pytest.mark.parametrize(("size", "expected"), [(100, [60, 30, 10]), (0.05, [30, 15, 5])])
def test_classes_have_their_share(size, expected):
    """Of a number, or of a share."""
    chosen = stratified_subset(TARGETS, size)
    assert chosen.dtype == np.int64
    assert np.unique(TARGETS[chosen], return_counts=True)[1].tolist() == expected


def test_it_is_the_same_each_time_and_another_for_another_seed():
    """Validations on it are to be compared."""
    first = stratified_subset(TARGETS.tolist(), 50, seed=1)
    assert np.array_equal(first, stratified_subset(TARGETS, 50, seed=1))
    assert not np.array_equal(first, stratified_subset(TARGETS, 50, seed=2))


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=60),
    st.integers(0, 10**6),
    st.integers(0, 3),
)
def test_any_size_of_any_targets(targets, number, seed):
    """So many, each once, ascending; each class within one of its share, none left out."""
    size = 1 + number % len(targets)
    chosen = stratified_subset(targets, size, seed=seed)
    assert len(chosen) == size
    assert np.all(np.diff(chosen) > 0)
    values, counts = np.unique(targets, return_counts=True)
    found = np.array([np.sum(np.asarray(targets)[chosen] == value) for value in values])
    assert np.all(found <= counts)
    if size >= len(values):
        assert found.min() >= 1
        rare = counts * size / len(targets) < 1
        if not rare.any():
            assert np.all(np.abs(found - counts * size / len(targets)) <= 1)


@pytest.mark.parametrize(
    ("targets", "size"),
    [(TARGETS, 0), (TARGETS, 1001), (TARGETS, 1.5), (TARGETS, 0.0), (TARGETS, -0.1), ([], 1)],
)
def test_sizes_that_cannot_be(targets, size):
    """With what was expected."""
    with pytest.raises(ValueError, match="expected size to be"):
        stratified_subset(targets, size)


@pytest.mark.parametrize("targets", [[0.5, 1.0], [[1, 2]], ["a"]])
def test_targets_that_are_no_classes(targets):
    """Likewise."""
    with pytest.raises(ValueError, match="expected targets to be integers"):
        stratified_subset(targets, 1)
