"""The masks of a photo's objects, from VOC's picture of them."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastload.convert.labelled import LabelError, shown

__all__ = ["instance_masks"]

#: Pixels of borders between objects, and of objects that nobody outlined.
_VOID = 255
_MODES = ("P", "L")


def instance_masks(
    data: bytes, object_count: int, size: tuple[int, int]
) -> list[NDArray[np.uint32]]:
    """The runs of each object's mask, as ``Objects`` has them; empty where it has no pixels.

    A pixel's value is the place, from 1, of its object in the XML; 0 is none, and 255 the border.

    Args:
        data: the PNG in SegmentationObject.
        object_count: objects in the XML.
        size: (height, width) that the picture must have.

    Raises:
        LabelError: it cannot be read, or says something else.
    """
    pixels = _pixels(data, size).T.reshape(-1)  # down the columns
    starts = np.concatenate([[0], np.flatnonzero(np.diff(pixels)) + 1])
    ends = np.append(starts[1:], len(pixels))
    values = pixels[starts]
    highest = int(values[values != _VOID].max(initial=0))
    if highest > object_count:
        raise LabelError(f"a pixel of object {highest}, and the XML has {object_count} objects")
    runs = [np.empty(0, np.uint32)] * object_count
    for number in np.unique(values).tolist():  # an XML may have more objects than a pixel can name
        if number not in (0, _VOID):
            runs[number - 1] = _runs(starts[values == number], ends[values == number], len(pixels))
    return runs


def _pixels(data: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if picture.mode not in _MODES:
                raise LabelError(f"expected a PNG of palette indices, found mode {picture.mode}")
            if (picture.height, picture.width) != size:
                found = picture.height, picture.width
                raise LabelError(f"height, width {found}; the photo's objects have {size}")
            return np.asarray(picture)
    except (LabelError, MemoryError):
        raise
    except Exception as error:  # Pillow raises whatever the bytes lead it to
        raise LabelError(f"no PNG that can be read: {shown(str(error))}") from None


def _runs(starts: NDArray[np.intp], ends: NDArray[np.intp], total: int) -> NDArray[np.uint32]:
    """Runs outside and inside in turn, from the places where a mask begins and ends."""
    edges = np.stack([starts, ends], axis=1).reshape(-1)
    runs = np.diff(edges, prepend=0, append=total)
    return (runs if runs[-1] else runs[:-1]).astype(np.uint32)
