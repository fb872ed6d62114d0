"""Pillow's two-pass 8-bit resampling in NumPy, with the order of the passes chosen freely.

The installed Pillow shows one order only; this shows the others. Follows Pillow's
libImaging/Resample.c: double weights, 22 bits of fixed point, each pass rounded to 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

_BITS = 22


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(x: float) -> float:
    x = abs(x)
    if x < 1.0:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2.0 else 0.0


_FILTERS: dict[str, tuple[Callable[[float], float], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
}


def resample_rows(image: np.ndarray, height: int, filter_name: str) -> np.ndarray:
    """The vertical pass: uint8 [H, W, C] to uint8 [height, W, C]."""
    weight, support = _FILTERS[filter_name]
    scale = image.shape[0] / height
    stretch = max(scale, 1.0)
    support *= stretch
    inverse = 1.0 / stretch
    found = np.empty((height, *image.shape[1:]), np.uint8)
    for y in range(height):
        center = (y + 0.5) * scale
        begin = max(int(center - support + 0.5), 0)
        end = min(int(center + support + 0.5), image.shape[0])
        exact = [weight((row - center + 0.5) * inverse) for row in range(begin, end)]
        total = sum(exact)
        fixed = [math.floor(abs(w / total) * (1 << _BITS) + 0.5) for w in exact]
        signed = np.array([k if w >= 0 else -k for k, w in zip(fixed, exact, strict=True)])
        sums = np.tensordot(signed, image[begin:end].astype(np.int64), axes=(0, 0))
        found[y] = np.clip((sums + (1 << (_BITS - 1))) >> _BITS, 0, 255)
    return found


def resample_columns(image: np.ndarray, width: int, filter_name: str) -> np.ndarray:
    """The horizontal pass: uint8 [H, W, C] to uint8 [H, width, C]."""
    return resample_rows(image.swapaxes(0, 1), width, filter_name).swapaxes(0, 1)


def resample_vertical_first(
    image: np.ndarray, size: tuple[int, int], filter_name: str
) -> np.ndarray:
    """uint8 [H, W, C] to uint8 [height, width, C], rows before columns."""
    return resample_columns(resample_rows(image, size[0], filter_name), size[1], filter_name)


def resample_horizontal_first(
    image: np.ndarray, size: tuple[int, int], filter_name: str
) -> np.ndarray:
    """uint8 [H, W, C] to uint8 [height, width, C], columns before rows."""
    return resample_rows(resample_columns(image, size[1], filter_name), size[0], filter_name)
