"""``stratified_subset``: a fixed part of a data set with its classes in proportion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["stratified_subset"]


def stratified_subset(
    targets: Sequence[int] | NDArray[Any], size: float, *, seed: int = 0
) -> NDArray[np.int64]:
    """Indices of a part of a data set in which each class has its share.

    The same for the same arguments, so that validations on it can be compared. Shares are rounded
    by largest remainder, and each class has a sample at least where the size allows it. For
    ``torch.utils.data.Subset(dataset, stratified_subset(dataset.targets, 0.1))``.

    Args:
        targets: [N]: the class of each sample, any integers.
        size: of the part: a number of samples (int), or a share of them (float, at most 1).
        seed: of the choice within each class.

    Returns:
        int64 [n], ascending.

    Raises:
        ValueError: the size is below 1 sample or above N, or the targets are not integers [N].
    """
    classes = np.asarray(targets)
    if classes.ndim != 1 or (classes.size and classes.dtype.kind not in "iu"):
        raise ValueError(
            f"expected targets to be integers [N], found {classes.dtype} {list(classes.shape)}"
        )
    share = isinstance(size, float)
    count = round(size * len(classes)) if share else int(size)
    if not 1 <= count <= len(classes) or (share and size > 1):
        raise ValueError(
            f"expected size to be a share up to 1.0 or from 1 to {len(classes)} samples, "
            f"found {size!r}"
        )
    _, ids, members = np.unique(classes, return_inverse=True, return_counts=True)
    wanted = _shares(members, count)
    # A random order, then by class: the first of each class are a random choice of it.
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    by_class = shuffled[np.argsort(ids[shuffled], kind="stable")]
    first = np.concatenate(([0], np.cumsum(members)[:-1]))
    place = np.arange(len(classes)) - np.repeat(first, members)
    chosen: NDArray[np.int64] = by_class[place < np.repeat(wanted, members)].astype(np.int64)
    return np.sort(chosen)


def _shares(members: NDArray[Any], count: int) -> NDArray[Any]:
    """How many of each class: in proportion, ``count`` in all, 1 at least if there is room."""
    exact = members * (count / members.sum())
    shares: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    if count >= len(members):
        shares = np.maximum(shares, 1)
    while (missing := count - int(shares.sum())) != 0:
        sign = 1 if missing > 0 else -1
        able = shares < members if sign > 0 else shares > 1
        order = np.argsort(sign * (shares - exact) + np.where(able, 0.0, np.inf), kind="stable")
        shares[order[: min(abs(missing), int(able.sum()))]] += sign
    return shares
