"""A record as the PIL image that torchvision's ``default_loader`` gives for its file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from fastload import _core
from fastload.records import Buffer, Codec, Record

__all__ = ["MAX_PIXELS", "Info", "open_picture", "picture_info"]

#: What a PIL image has in its ``info``.
Info = dict[str | tuple[int, int], Any]

#: Pictures with more pixels are refused before memory is taken; Pillow's own limit.
MAX_PIXELS = 178_956_970

_EXIF_ORIENTATION = 0x0112


def open_picture(record: Record, data: Buffer) -> Image.Image:
    """What ``PIL.Image.open(file).convert("RGB")`` gives, pixel for pixel.

    Pixels are not turned by the EXIF orientation. Where the photo has one, the image carries it,
    so that ``PIL.ImageOps.exif_transpose`` turns the image as it would turn the file's.

    Args:
        record: a checked record.
        data: the bytes it was read from.

    Returns:
        an image of mode RGB, [height, width].

    Raises:
        DecodeError: the bytes cannot be decoded.
        Exception: whatever Pillow raises for bytes of codec ``OTHER`` that it cannot read.
    """
    if record.codec is Codec.OTHER:
        with Image.open(BytesIO(record.body)) as file:
            return file.convert("RGB")
    if record.height * record.width > MAX_PIXELS:
        raise Image.DecompressionBombError(
            f"expected at most {MAX_PIXELS} pixels, found {record.height} x {record.width}"
        )
    pixels = np.empty((record.height, record.width, 3), dtype=np.uint8)
    _core.decode(data, (0, 0, record.height, record.width), pixels)
    image = Image.fromarray(pixels)
    image.info |= picture_info(record)
    return image


def picture_info(record: Record) -> Info:
    """What a record's PIL image has in its ``info``: its EXIF orientation, where it has one."""
    if record.orientation <= 1:
        return {}
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = record.orientation
    return {"exif": exif.tobytes()}
