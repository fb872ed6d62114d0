"""Pictures and points turned upright by EXIF's orientation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastload.convert.labelled import PhotoSize

__all__ = ["upright_boxes", "upright_picture", "upright_points"]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_picture(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as ``PIL.ImageOps.exif_transpose`` turns it; itself where it is upright."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def upright_points(points: NDArray[np.float64], size: PhotoSize) -> NDArray[np.float64]:
    """Points of the picture as it is stored, in the upright one.

    Args:
        points: [..., 2]: pixels from the left and the top; corners of pixels, not their centres.
        size: of the picture as it is stored.
    """
    x, y = points[..., 0], points[..., 1]
    right, bottom = size.width - x, size.height - y
    turned = {
        2: (right, y), 3: (right, bottom), 4: (x, bottom),
        5: (y, x), 6: (bottom, x), 7: (bottom, right), 8: (y, right),
    }.get(size.orientation, (x, y))  # fmt: skip
    return np.stack(turned, axis=-1)


def upright_boxes(boxes: NDArray[np.float64], size: PhotoSize) -> NDArray[np.float64]:
    """Boxes of the picture as it is stored, in the upright one: left, top, right, bottom [M, 4]."""
    corners = upright_points(boxes.reshape(-1, 2, 2), size)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
