"""All pairs of 64-bit hashes that differ in few bits, without comparing all with all.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index
Hashing", CVPR 2012): hashes that differ in at most d bits differ in at most d // 4 bits in one of
their four parts of 16 bits. So for each part and each of the few values that lie that near to a
hash's own, only those hashes are compared that have exactly this value there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fastload.errors import PackError

__all__ = ["MOST_DISTANCE", "near_pairs"]

#: More bits than that say nothing about pictures, and take long to search for.
MOST_DISTANCE = 15
_PARTS, _PART_BITS = 4, 16
_COMPARED_AT_ONCE = 1 << 21
_MOST_PAIRS = 20_000_000

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> Pairs:
    """Pairs of hashes that differ in at most ``distance`` bits.

    Args:
        hashes: uint64 [N], each another one.
        distance: bits, 0 to 15.

    Returns:
        (i, j, bits): places in ``hashes`` with i < j, in order of (i, j), int64 [pairs] each, and
        in how many bits they differ, uint8 [pairs]. About 60 bytes a hash are taken, and 100 a
        pair.

    Raises:
        PackError: there are more than 20,000,000 pairs.
        ValueError: ``distance`` is out of range.
    """
    if not 0 <= distance <= MOST_DISTANCE:
        raise ValueError(f"distance: expected 0 to {MOST_DISTANCE}, found {distance}")
    little = np.ascontiguousarray(hashes, "<u8")
    parts = little.view("<u2").reshape(-1, _PARTS)
    found: list[NDArray[np.int64]] = []
    pairs_count = 0
    for part in range(_PARTS):
        for pairs in _pairs_of_part(little, parts[:, part], distance):
            found.append(pairs)
            pairs_count += len(pairs)
            if pairs_count > _PARTS * _MOST_PAIRS:
                raise PackError(
                    f"more than {_MOST_PAIRS:,} pairs of photos differ in at most {distance} bits; "
                    "ask for a smaller distance"
                )
    every = np.concatenate([np.empty(0, np.int64), *found])
    every = np.unique(every)  # a pair may be near in several parts
    first, second = np.divmod(every, max(1, len(little)))
    return first, second, _bits(little[first] ^ little[second])


def _pairs_of_part(
    hashes: NDArray[np.uint64], keys: NDArray[np.uint16], distance: int
) -> Iterator[NDArray[np.int64]]:
    """Pairs that are near in one part, as i * N + j."""
    count = len(hashes)
    order = np.argsort(keys, kind="stable")
    ranked, keys = hashes[order], keys[order].astype(np.int64)
    starts = np.searchsorted(keys, np.arange((1 << _PART_BITS) + 1))
    for mask in _masks(distance // _PARTS):
        others = keys ^ mask
        first, last = starts[others], starts[others + 1]
        # Each pair once: of two buckets from the lower one, within a bucket with those behind.
        first = np.where(keys < others, first, last) if mask else np.arange(1, count + 1)
        for rows, columns in _expanded(first, last - first):
            near = np.flatnonzero(_bits(ranked[rows] ^ ranked[columns]) <= distance)
            one, other = order[rows[near]], order[columns[near]]
            if len(near):
                yield np.minimum(one, other) * count + np.maximum(one, other)


def _masks(radius: int) -> Iterator[int]:
    """All 16-bit numbers of at most ``radius`` bits."""
    for weight in range(radius + 1):
        for places in combinations(range(_PART_BITS), weight):
            yield sum(1 << place for place in places)


def _expanded(
    first: NDArray[np.int64], counts: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(row, column) for each row and each of its ``counts`` columns from ``first``, in pieces."""
    rows = np.flatnonzero(counts)
    ends = np.cumsum(counts[rows])
    start = 0
    while start < len(rows):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _COMPARED_AT_ONCE, "right")))
        piece = rows[start:stop]
        sizes = counts[piece]
        total = int(sizes.sum())
        shifts = np.repeat(first[piece] - (np.cumsum(sizes) - sizes), sizes)
        yield np.repeat(piece, sizes), np.arange(total) + shifts
        start = stop


if hasattr(np, "bitwise_count"):

    def _bits(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
        return np.bitwise_count(values)

else:  # NumPy 1
    _COUNTS = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)

    def _bits(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
        parts = np.ascontiguousarray(values).view(np.uint16).reshape(-1, 4)
        counts: NDArray[np.uint8] = _COUNTS[parts].sum(axis=1, dtype=np.uint8)
        return counts
