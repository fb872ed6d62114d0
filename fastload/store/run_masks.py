"""Masks as runs of pixels, and as pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastload.errors import RecordError

__all__ = ["mask_of_runs"]


def mask_of_runs(runs: NDArray[np.uint32], height: int, width: int) -> NDArray[np.bool_]:
    """A mask, bool [height, width], from runs outside and inside in turn, down the columns.

    Raises:
        RecordError: it is a mask of another size.
    """
    total = int(runs.sum(dtype=np.uint64))
    if total != height * width:
        raise RecordError(f"a mask of {total} pixels, expected {height} x {width}")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T
