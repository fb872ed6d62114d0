"""What repeats what: the first is kept, and nearness is not passed on."""

from __future__ import annotations

import numpy as np
import pytest

from fastload.convert.repeats import (
    NearHashes,
    content_numbers,
    exact_repeats,
    near_matches,
    near_repeats,
)
from fastload.convert.roles import most_held_out, role_of


def near_hashes(values: list[int | None], distance: int) -> NearHashes:
    known = np.array([value is not None for value in values])
    return NearHashes.of(np.array([value or 0 for value in values], np.uint64), known, distance)


def test_equal_contents_have_equal_numbers() -> None:
    hashes = np.random.default_rng(0).integers(0, 256, (9, 16), dtype=np.uint8)
    hashes[7], hashes[4] = hashes[1], hashes[1]
    hashes[8, :8] = hashes[2, :8]  # half of it
    numbers = content_numbers(hashes)
    assert numbers[1] == numbers[4] == numbers[7]
    assert len(set(numbers.tolist())) == 7
    assert content_numbers(np.empty((0, 16), np.uint8)).tolist() == []


def test_the_first_in_order_is_kept() -> None:
    contents = np.array([5, 6, 5, 5, 6])
    assert exact_repeats(contents, np.arange(5)).tolist() == [-1, -1, 0, 0, 1]
    assert exact_repeats(contents, np.array([3, 4, 2, 1, 0])).tolist() == [3, 4, 3, -1, -1]
    assert exact_repeats(contents, np.array([2, 3])).tolist() == [-1, -1, -1, 2, -1]
    assert exact_repeats(contents, np.array([], np.int64)).tolist() == [-1] * 5


def test_nearness_is_not_passed_on() -> None:
    # 0b0000, 0b0011, 0b1111: each two bits from the next.
    near = near_hashes([0b0000, 0b0011, 0b1111, None, 0b0000, 0b1111], 2)
    found = near_repeats(near, np.arange(6))
    assert found.originals.tolist() == [-1, 0, -1, -1, 0, 2]
    assert found.bits.tolist() == [0, 2, 0, 0, 0, 0]
    # From the middle, both others are near.
    found = near_repeats(near, np.array([1, 0, 2, 3]))
    assert found.originals.tolist() == [1, -1, 1, -1, -1, -1]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_repeats_is_near_to_a_kept_one_and_kept_ones_are_not_near(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 1 << 10, 200).tolist()
    near = near_hashes(values, 2)
    order = generator.permutation(200)
    found = near_repeats(near, order)
    kept: list[int] = []
    for photo in order.tolist():
        before = [k for k in kept if (values[k] ^ values[photo]).bit_count() <= 2]
        assert int(found.originals[photo]) == (before[0] if before else -1)
        if before:
            assert found.bits[photo] == (values[before[0]] ^ values[photo]).bit_count()
        else:
            kept.append(photo)


def test_the_nearest_is_named() -> None:
    near = near_hashes([0b0111, 0b0001, 0b0000, None, 0b1111111, 0b0001], 3)
    found = near_matches(near, np.array([2, 3, 4]), np.array([0, 1, 5]))
    assert found.originals.tolist() == [-1, -1, 1, -1, -1, -1]
    assert found.bits[2] == 1
    assert near_matches(near, np.array([5]), np.array([0, 1])).originals[5] == 1


def test_splits_are_known_by_their_names() -> None:
    assert role_of("train2017") == role_of("train") == "train"
    assert role_of("2017") == "2017"
    ranks = [most_held_out(name) for name in ("Training", "extra", "val2017", "test-2")]
    assert ranks == [0, 1, 2, 3]
