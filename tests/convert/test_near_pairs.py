"""Near hashes are all found, each pair once, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from fastload.convert import near_pairs as module
from fastload.convert.near_pairs import near_pairs
from fastload.errors import PackError


def clustered(count: int, seed: int) -> np.ndarray:
    """Different hashes, many of which differ from another in 1 to 15 bits."""
    generator = np.random.default_rng(seed)
    bases = generator.integers(0, 2**64, count // 8, dtype=np.uint64)
    hashes = np.repeat(bases, 8)
    for place in range(len(hashes)):
        bits = generator.permutation(64)[: generator.integers(0, 12)]
        hashes[place] ^= np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64), initial=0)
    found = np.unique(hashes)
    generator.shuffle(found)
    return found


def counted(values: np.ndarray) -> np.ndarray:
    """Bits set, by another way than the module's."""
    return np.unpackbits(values[..., None].view(np.uint8), axis=-1).sum(axis=-1)


@pytest.mark.parametrize("distance", [0, 1, 3, 4, 7, 8, 11, 15])
def test_the_pairs_are_those_of_comparing_all_with_all(distance: int) -> None:
    hashes = clustered(600, distance)
    apart = counted(hashes[:, None] ^ hashes[None])
    first, second = np.nonzero(np.triu(apart <= distance, 1))
    one, other, bits = near_pairs(hashes, distance)
    np.testing.assert_array_equal(one, first)
    np.testing.assert_array_equal(other, second)
    np.testing.assert_array_equal(bits, apart[first, second])
    assert distance < 3 or len(one) > 20


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = clustered(300, 1)
    whole = near_pairs(hashes, 9)
    monkeypatch.setattr(module, "_COMPARED_AT_ONCE", 7)
    for found, expected in zip(near_pairs(hashes, 9), whole, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_few_and_none() -> None:
    for count in (0, 1):
        assert [len(part) for part in near_pairs(np.zeros(count, np.uint64), 4)] == [0, 0, 0]
    with pytest.raises(ValueError, match="0 to 15"):
        near_pairs(np.zeros(1, np.uint64), 16)


def test_more_pairs_than_can_be_held_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PAIRS", 10)
    with pytest.raises(PackError, match="smaller distance"):
        near_pairs(np.arange(100, dtype=np.uint64), 8)
