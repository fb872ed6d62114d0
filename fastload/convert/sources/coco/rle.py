"""COCO's run-length masks.

An uncompressed one is a list of run lengths, outside and inside in turn, down the columns of the
picture. A compressed one (https://github.com/cocodataset/cocoapi, common/maskApi.c) writes each
run, from the fourth on as its difference to the run two before, as groups of five bits in the
characters "0" to "o": 32 says that more follow, 16 in the last that the number is negative.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastload.convert.labelled import LabelError, shown

__all__ = ["runs_of"]

_LIMIT = 1 << 32


def runs_of(segmentation: dict[object, object], size: tuple[int, int] | None) -> NDArray[np.uint32]:
    """The run lengths of a mask.

    Args:
        segmentation: with ``size`` ([height, width]) and ``counts``.
        size: (height, width) that it must have; None: any.

    Raises:
        LabelError: it is no mask of that size.
    """
    stated, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(stated, list) or [type(side) for side in stated] != [int, int]:
        raise LabelError(f"a mask's size: expected [height, width], found {shown(stated)}")
    if size is not None and tuple(stated) != size:
        raise LabelError(f"a mask's size: expected {list(size)}, found {shown(stated)}")
    if isinstance(counts, str):
        counts = _decompress(counts)
    if not isinstance(counts, list) or not all(
        type(count) is int and 0 <= count < _LIMIT for count in counts
    ):
        raise LabelError(f"a mask's counts: expected run lengths, found {shown(counts)}")
    if sum(counts) != stated[0] * stated[1]:
        raise LabelError(f"a mask of {sum(counts)} pixels, expected {stated[0]} x {stated[1]}")
    return np.array(counts, np.uint32)


def _decompress(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for char in text:
        bits = ord(char) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise LabelError("a mask's counts: expected COCO's compressed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise LabelError("a mask's counts: its last number is cut short")
    return counts
