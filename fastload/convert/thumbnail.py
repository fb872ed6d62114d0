"""A sample's picture in small, upright."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastload.convert.labelled import PhotoSize
from fastload.convert.orientation import upright_picture
from fastload.errors import RecordError
from fastload.picture import MAX_PIXELS, open_picture
from fastload.pixels import decode_resized_crop
from fastload.records import Buffer, Codec, Record, decode_record
from fastload.store import Store

__all__ = ["fitting_size", "shrunk", "small_picture", "stored_size"]


def stored_size(store: Store, index: int) -> PhotoSize:
    """A sample's size as its columns state it."""
    height, width, orientation = (
        int(store.column(name)[index]) for name in ("height", "width", "orientation")
    )
    return PhotoSize(height, width, orientation)


def fitting_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(height, width) as large as fits into a square of ``side``, proportions kept."""
    height, width = size
    longer = max(height, width, 1)
    return max(1, round(height * side / longer)), max(1, round(width * side / longer))


def small_picture(
    store: Store, index: int, size: tuple[int, int] | None, side: int, *, filter: str = "bilinear"
) -> Image.Image:
    """A sample decoded and resized in one pass, and turned upright. Lets go of the GIL.

    Args:
        store: the store.
        index: of the sample.
        size: (height, width) of the result before it is turned; None: fitting into ``side``.
        side: see ``size``.
        filter: as ``fastload.pixels`` names them.

    Returns:
        an image of mode RGB.

    Raises:
        RecordError: the record is damaged, or its picture too large.
        DecodeError: it cannot be decoded.
        Exception: whatever Pillow raises for a picture that only it reads.
    """
    data = store.record_bytes(index)
    record = decode_record(data, verify_body=False)
    fitting = size or fitting_size((record.height, record.width), side)
    return shrunk(record, data, fitting, filter=filter)


def shrunk(
    record: Record, data: Buffer, size: tuple[int, int], *, filter: str = "bilinear"
) -> Image.Image:
    """The picture of a record resized to (height, width) and then turned upright; as above.

    Args:
        record: it.
        data: the bytes it was read from.
        size: before it is turned.
        filter: as ``fastload.pixels`` names them.
    """
    if record.height * record.width > MAX_PIXELS:
        raise RecordError(f"expected at most {MAX_PIXELS} pixels: {record.height}x{record.width}")
    height, width = size
    if record.codec is Codec.OTHER:
        resample = Image.Resampling[filter.upper()]
        small = open_picture(record, data).resize((width, height), resample)
    else:
        whole = (0, 0, record.height, record.width)
        pixels = decode_resized_crop(data, whole, (height, width), filter=filter, layout="NHWC")
        small = Image.fromarray(np.asarray(pixels, np.uint8))
    return upright_picture(small, record.orientation)
