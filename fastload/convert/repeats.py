"""Which photos repeat which: by content, and by perceptual hash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastload.convert.near_pairs import near_pairs

__all__ = ["FIRST", "NearHashes", "Repeats", "content_numbers", "exact_repeats", "near_matches",
           "near_repeats"]  # fmt: skip

#: Stands for "repeats nothing".
FIRST = -1
_NONE = np.iinfo(np.int64).max


def content_numbers(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """A number a content, the same for equal ones, int64 [N], of 128-bit hashes, uint8 [N, 16]."""
    halves = np.ascontiguousarray(hashes).view(np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    ranked = halves[order]
    new = np.ones(len(ranked), np.int64)
    new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    numbers = np.empty(len(ranked), np.int64)
    numbers[order] = np.cumsum(new) - 1
    return numbers


def exact_repeats(contents: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each photo the one that it repeats, or ``FIRST``.

    Args:
        contents: a number a content, int64 [N].
        order: photos to look at, the one that is to be kept before those that repeat it. All
            others get ``FIRST``.
    """
    originals = np.full(len(contents), FIRST)
    found, first, inverse = np.unique(contents[order], return_index=True, return_inverse=True)
    kept = order[first]
    repeated = kept[inverse.reshape(-1)] if len(found) else order
    originals[order] = np.where(repeated == order, FIRST, repeated)
    return originals


@dataclass(frozen=True)
class NearHashes:
    """The perceptual hashes of N photos, and which are near.

    Attributes:
        numbers: a number a hash, int64 [N]; ``FIRST``: the photo has none.
        count: different hashes.
        one: of each near pair the lower number.
        other: and the higher one.
        bits: in which they differ.
    """

    numbers: NDArray[np.int64]
    count: int
    one: NDArray[np.int64]
    other: NDArray[np.int64]
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, hashes: NDArray[np.uint64], known: NDArray[np.bool_], distance: int) -> NearHashes:
        """Of hashes, uint64 [N], where ``known``; near are those of at most ``distance`` bits."""
        every, inverse = np.unique(hashes[known], return_inverse=True)
        numbers = np.full(len(hashes), FIRST)
        numbers[known] = inverse.reshape(-1)
        return cls(numbers, len(every), *near_pairs(every, distance))


@dataclass(frozen=True)
class Repeats:
    """What each of N photos repeats.

    Attributes:
        originals: the photo that it repeats, int64 [N], or ``FIRST``.
        bits: in which their perceptual hashes differ, int64 [N].
    """

    originals: NDArray[np.int64]
    bits: NDArray[np.int64]


def near_repeats(near: NearHashes, order: NDArray[np.int64]) -> Repeats:
    """For each photo of ``order`` the first kept one that it is near to.

    Photos are kept in that order, each that is near to none kept before. So whatever repeats is
    near to what it repeats: nearness is never passed on from one to the next.
    """
    originals, bits = np.full(len(near.numbers), FIRST), np.zeros(len(near.numbers), np.int64)
    order = order[near.numbers[order] != FIRST]
    numbers = near.numbers[order]
    # Of each hash the first photo, and its place in the order.
    places = np.full(near.count, _NONE)
    np.minimum.at(places, numbers, np.arange(len(order)))
    leaders, leader_bits = _leaders(near, places)
    kept = order[places[leaders[numbers]]] if len(order) else order
    originals[order] = np.where(kept == order, FIRST, kept)
    bits[order] = leader_bits[numbers]
    return Repeats(originals, bits)


def _leaders(
    near: NearHashes, places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each hash the kept hash that stands for it (itself, where it is kept), and the bits."""
    leaders, bits = np.arange(near.count), np.zeros(near.count, np.int64)
    there = (places[near.one] != _NONE) & (places[near.other] != _NONE)
    one, other, apart = near.one[there], near.other[there], near.bits[there]
    swap = places[one] > places[other]
    first, later = np.where(swap, other, one), np.where(swap, one, other)
    for pair in np.lexsort((places[first], places[later])).tolist():
        before, behind = int(first[pair]), int(later[pair])
        if leaders[behind] == behind and leaders[before] == before:
            leaders[behind], bits[behind] = before, apart[pair]
    return leaders, bits


def near_matches(near: NearHashes, photos: NDArray[np.int64], among: NDArray[np.int64]) -> Repeats:
    """For each of ``photos`` the nearest of ``among``, where one is near; of equals the first."""
    originals, bits = np.full(len(near.numbers), FIRST), np.zeros(len(near.numbers), np.int64)
    photos = photos[near.numbers[photos] != FIRST]
    among = among[near.numbers[among] != FIRST]
    first = np.full(near.count, _NONE)
    np.minimum.at(first, near.numbers[among], among)
    # Each near pair both ways, and each hash with itself.
    own = np.arange(near.count)
    here = np.concatenate([own, near.one, near.other])
    there = np.concatenate([own, near.other, near.one])
    apart = np.concatenate([np.zeros(near.count, np.int64), near.bits, near.bits])
    usable = np.flatnonzero(first[there] != _NONE)
    here, there, apart = here[usable], first[there[usable]], apart[usable]
    best = np.lexsort((there, apart, here))
    chosen, starts = np.unique(here[best], return_index=True)
    match, match_bits = np.full(near.count, FIRST), np.zeros(near.count, np.int64)
    match[chosen], match_bits[chosen] = there[best][starts], apart[best][starts]
    originals[photos] = match[near.numbers[photos]]
    bits[photos] = match_bits[near.numbers[photos]]
    return Repeats(originals, bits)
