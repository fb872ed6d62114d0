"""Bit for bit, with a message that says where the first difference is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastload import pixels
from support.windows import Window


def assert_same(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Fail unless both arrays have one shape, one dtype and the same bits."""
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: dtype {found.dtype}, expected {expected.dtype}"
    bits = f"u{found.dtype.itemsize}"
    differ = np.ascontiguousarray(found).view(bits) != np.ascontiguousarray(expected).view(bits)
    if differ.any():
        first = tuple(int(i) for i in np.argwhere(differ)[0])
        raise AssertionError(
            f"{what}: {int(differ.sum())} of {differ.size} values differ, the first at {first}: "
            f"{found[first]}, expected {expected[first]}"
        )


def assert_windows(
    record: bytes, expected: np.ndarray, windows: Iterable[Window], what: str
) -> None:
    """Fail unless each window decodes to that part of ``expected``, uint8 [height, width, 3]."""
    for window in windows:
        top, left, height, width = window
        found = pixels.decode(record, window)
        assert_same(
            found, expected[top : top + height, left : left + width], f"{what}, window {window}"
        )
