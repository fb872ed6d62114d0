"""Dividing a store's samples by shares: the same way on every machine, and twins together."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.errors import PackError
from fastload.store import NO_CLASS, Store

__all__ = ["check_ratios", "split_by_ratio", "strata"]


def check_ratios(ratios: Mapping[str, float]) -> None:
    """Raises ValueError for anything but shares that add up to 1."""
    for name, ratio in ratios.items():
        if not 0 < ratio <= 1:
            raise ValueError(f"ratio: expected above 0 and at most 1 for {name!r}, found {ratio}")
    total = math.fsum(ratios.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"ratio: expected shares that add up to 1, found {total:g}")


def split_by_ratio(
    store: Store, ratios: Mapping[str, float], seed: int, *, stratify: bool
) -> NDArray[np.uint8]:
    """The place in ``ratios`` of each sample's split, uint8 [N].

    Samples are ranked by a hash of their file's bytes and the seed, and the ranks divided: which
    samples are together depends on neither their order nor their names, and files with the same
    bytes are never divided between splits (but for those of several strata).

    Args:
        store: where from.
        ratios: the share of each split; they add up to 1.
        seed: another seed divides otherwise.
        stratify: divide each of ``strata`` by itself.

    Raises:
        PackError: a split would have no sample; or there is nothing to stratify by.
    """
    salt = b"%d/" % seed
    ranks = np.fromiter(
        (_core.xxh3_64(salt + row.tobytes()) for row in store.column("content_hash")),
        np.uint64,
        len(store),
    )
    groups = strata(store) if stratify else np.zeros(len(store), np.int64)
    shares = np.array(list(ratios.values()))
    splits = np.empty(len(store), np.uint8)
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group)
        order = members[np.argsort(ranks[members], kind="stable")]
        sorted_ranks = ranks[order]
        ends = np.cumsum(_counts(len(order), shares))
        # A border goes to the end of those that have one rank.
        borders = np.searchsorted(sorted_ranks, sorted_ranks[np.maximum(ends - 1, 0)], "right")
        borders[ends == 0] = 0
        splits[order] = np.searchsorted(borders, np.arange(len(order)), "right")
    for place, name in enumerate(ratios):
        if not np.any(splits == place):
            raise PackError(
                f"{store.path}: the split {name!r} would have none of the {len(store):,} photos; "
                "give it a larger share"
            )
    return splits


def strata(store: Store) -> NDArray[np.int64]:
    """What samples are divided by: their class; without classes, the rarest one of their objects.

    int64 [N]; -1: neither.

    Raises:
        PackError: no sample has a class or an object.
    """
    class_ids = store.column("class_id").astype(np.int64)
    if np.any(class_ids != NO_CLASS):
        return class_ids
    annotations = store.annotations
    if annotations is None or not len(annotations.class_ids):
        raise PackError(f"{store.path}: has no classes to stratify by; leave --stratify out")
    counts = np.bincount(annotations.class_ids)
    by_rarity = np.argsort(counts, kind="stable")
    places = np.empty(len(counts), np.int64)
    places[by_rarity] = np.arange(len(counts))
    starts, ends = annotations.offsets[:-1], annotations.offsets[1:]
    some = np.flatnonzero(ends > starts)
    found = np.full(len(store), -1, np.int64)
    rarest = np.minimum.reduceat(places[annotations.class_ids], starts[some].astype(np.int64))
    found[some] = by_rarity[rarest]
    return found


def _counts(total: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers that add up to ``total``, by largest remainders."""
    exact = shares * total
    counts = np.floor(exact + 1e-9).astype(np.int64)
    rest = total - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return counts
