"""Pixels from records and arrays, bit for bit as torchvision gives them on PIL images.

All functions let go of the GIL while they work, and write RGB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import PIL

from fastload.native import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

    from fastload._core import Buffer

__all__ = ["FILTERS", "decode", "decode_resized_crop", "pass_order", "record_size", "resample"]

#: Pillow's names and numbers of its resampling filters.
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}

Layout = Literal["NCHW", "NHWC"]
Window = tuple[int, int, int, int]  # top, left, height, width

_MAX_SIDE = 1 << 24  # the core's

# NumPy has no bfloat16: its bits travel as float16 or uint16.
_DTYPE_CODES = {"uint8": 0, "float32": 1, "float16": 2, "uint16": 3}


def pass_order(pillow_major: int | None = None) -> int:
    """In which order Pillow resamples rows and columns (the core's number for it).

    Up to 12.1 columns come first; 12.2 has an exception for very tall pictures; 13 takes rows
    first where the height shrinks by more than twice as many pixels as the width
    (Pillow's Resample.c). 13 % of RandomResizedCrop's outputs differ between the first and the
    last.

    Args:
        pillow_major: a version instead of the installed one's.
    """
    if pillow_major is not None:
        version = (pillow_major, 0)
    else:
        major, minor = PIL.__version__.split(".")[:2]
        version = (int(major), int(minor))
    if version >= (13, 0):
        return 1
    return 2 if version >= (12, 2) else 0


def record_size(record: Buffer) -> tuple[int, int]:
    """Height and width that the record states, its header checked.

    Raises:
        DecodeError: the header is damaged.
    """
    return _core.record_size(record)


def decode(record: Buffer, region: Window | None = None) -> NDArray[np.uint8]:
    """A rectangle of the picture in a record.

    Args:
        record: the record's bytes, of any codec but ``other``.
        region: top, left, height, width in pixels; the whole picture by default.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        DecodeError: the record is damaged.
        UnsupportedPictureError: codec ``other``, which Pillow decodes.
        ValueError: the region does not lie inside the picture.
    """
    if region is None:
        region = (0, 0, *record_size(record))
    _, _, height, width = region
    if height < 1 or width < 1:
        raise ValueError(f"expected a region of at least 1 x 1 pixels, found {height} x {width}")
    out = np.empty((height, width, 3), np.uint8)
    _core.decode(record, region, out)
    return out


def decode_resized_crop(
    record: Buffer,
    crop: Window,
    size: tuple[int, int],
    *,
    filter: str = "bilinear",
    window: Window | None = None,
    flip_horizontal: bool = False,
    flip_vertical: bool = False,
    table: NDArray[np.generic] | None = None,
    fill: tuple[int, int, int] = (0, 0, 0),
    dtype: DTypeLike = np.uint8,
    layout: Layout = "NCHW",
    out: NDArray[np.generic] | None = None,
    pillow_major: int | None = None,
) -> NDArray[np.generic]:
    """Decodes only what is needed, crops, resizes, flips and converts, in one pass.

    Args:
        record: the record's bytes, of any codec but ``other``.
        crop: top, left, height, width in the picture.
        size: height, width that the crop is resized to; its own: no resampling.
        filter: a name in ``FILTERS``.
        window: top, left, height, width in the resized crop; it may reach beyond it. The whole
            by default.
        flip_horizontal: mirror the window left to right.
        flip_vertical: mirror the window top to bottom.
        table: [3, 256] of ``dtype``: what each channel's values become. Needed for every dtype
            but uint8.
        fill: R, G, B of what lies outside the resized crop; goes through the table too.
        dtype: uint8, float32, float16, or uint16 for the bits of bfloat16.
        layout: "NCHW" gives [3, height, width], "NHWC" [height, width, 3].
        out: writes here instead: [3, height, width] with any strides (a slot of a batch).
        pillow_major: exact as this Pillow instead of the installed one.

    Returns:
        the array written to.

    Raises:
        DecodeError: the record is damaged.
        UnsupportedPictureError: codec ``other``, which Pillow decodes.
        ValueError: the crop does not lie inside the picture, or shapes and dtypes do not fit.
    """
    window = window or (0, 0, *size)
    result, slot = _slot(3, window, table, dtype, layout, out)
    _core.decode_resized_crop(
        record, crop, size, window, _filter_code(filter), pass_order(pillow_major),
        flip_horizontal, flip_vertical, fill, _dtype_code(slot.dtype), _table(table), slot,
    )  # fmt: skip
    return result


def resample(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    *,
    filter: str = "bilinear",
    box: Window | None = None,
    window: Window | None = None,
    flip_horizontal: bool = False,
    flip_vertical: bool = False,
    table: NDArray[np.generic] | None = None,
    fill: tuple[int, int, int] = (0, 0, 0),
    dtype: DTypeLike = np.uint8,
    layout: Layout = "NCHW",
    out: NDArray[np.generic] | None = None,
    pillow_major: int | None = None,
) -> NDArray[np.generic]:
    """Crops, resizes, flips and converts pixels, as `decode_resized_crop` does.

    Args:
        image: uint8 [height, width, 3] RGB, or [height, width] gray.
        size: height, width of the result.
        filter: a name in ``FILTERS``.
        box: top, left, height, width of the crop; the whole image by default.
        window: a part of the result instead of all of it; it may reach beyond.
        flip_horizontal: mirror left to right.
        flip_vertical: mirror top to bottom.
        table: [channels, 256] of ``dtype``; a gray image has one channel.
        fill: R, G, B of what lies outside.
        dtype: uint8, float32, float16, or uint16 for the bits of bfloat16.
        layout: "NCHW" gives [channels, height, width], "NHWC" [height, width, channels].
        out: writes here instead: [channels, height, width] with any strides.
        pillow_major: exact as this Pillow instead of the installed one.

    Returns:
        the array written to.

    Raises:
        ValueError: the box does not lie inside the image, or shapes and dtypes do not fit.
    """
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] != 3)
    ):
        raise ValueError(
            "expected image to be uint8 of shape [height, width, 3] or [height, width], "
            f"found {image.dtype} of shape {list(image.shape)}"
        )
    channels = 3 if image.ndim == 3 else 1
    window = window or (0, 0, *size)
    rows, columns = image.shape[:2]
    box = box or (0, 0, rows, columns)
    top, left, height, width = box
    if (
        min(top, left) < 0
        or min(height, width) < 1
        or top + height > rows
        or left + width > columns
    ):
        raise ValueError(
            f"expected box (top, left, height, width) inside {rows} x {columns}, found {box}"
        )
    result, slot = _slot(channels, window, table, dtype, layout, out)
    _core.resample(
        np.ascontiguousarray(image), box, size, window, _filter_code(filter),
        pass_order(pillow_major), flip_horizontal, flip_vertical, fill, _dtype_code(slot.dtype),
        _table(table), slot,
    )  # fmt: skip
    return result


def _filter_code(name: str) -> int:
    try:
        return FILTERS[name]
    except KeyError:
        raise ValueError(
            f"expected filter to be one of {sorted(FILTERS)}, found {name!r}"
        ) from None


def _dtype_code(dtype: np.dtype[np.generic]) -> int:
    try:
        return _DTYPE_CODES[dtype.name]
    except KeyError:
        raise ValueError(
            f"expected dtype to be one of {list(_DTYPE_CODES)}, found {dtype}"
        ) from None


def _table(table: NDArray[np.generic] | None) -> NDArray[np.generic] | None:
    return None if table is None else np.ascontiguousarray(table)


def _slot(
    channels: int,
    window: Sequence[int],
    table: NDArray[np.generic] | None,
    dtype: DTypeLike,
    layout: str,
    out: NDArray[np.generic] | None,
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """The array to return, and the same memory as [channels, height, width]."""
    wanted = np.dtype(dtype)
    _dtype_code(wanted)
    _, _, height, width = window
    shape = (channels, height, width)
    if min(shape) < 1 or max(shape) > _MAX_SIDE:
        raise ValueError(
            f"expected a window of 1 to {_MAX_SIDE} pixels a side, found {height} x {width}"
        )
    if table is None and wanted != np.uint8:
        raise ValueError(f"expected a table for dtype {wanted}, found none")
    if table is not None and (table.shape != (channels, 256) or table.dtype != wanted):
        raise ValueError(
            f"expected a table of {wanted} and shape [{channels}, 256], "
            f"found {table.dtype} of shape {list(table.shape)}"
        )
    if out is not None:
        if out.shape != shape or out.dtype != wanted:
            raise ValueError(
                f"expected out to be {wanted} of shape {list(shape)}, "
                f"found {out.dtype} of shape {list(out.shape)}"
            )
        return out, out
    if layout == "NHWC":
        array: NDArray[np.generic] = np.empty((height, width, channels), wanted)
        return array, array.transpose(2, 0, 1)
    if layout != "NCHW":
        raise ValueError(f"expected layout to be 'NCHW' or 'NHWC', found {layout!r}")
    array = np.empty(shape, wanted)
    return array, array
