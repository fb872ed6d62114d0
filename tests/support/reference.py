"""What Pillow makes of a file: the judge in every test of decoding."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import PIL
from PIL import Image

PILLOW_MAJOR = int(PIL.__version__.split(".")[0])
#: pillow-simd calls itself Pillow and adds ".postN"; its resampling rounds differently.
PILLOW_IS_SIMD = "post" in PIL.__version__
SIMD_REASON = f"Pillow {PIL.__version__} is pillow-simd, which resamples otherwise than Pillow"


class RefusedError(Exception):
    """Pillow does not read the file."""


def pillow_rgb(data: bytes) -> np.ndarray:
    """The file's first picture as Pillow decodes it, uint8 [height, width, 3] RGB.

    Raises:
        RefusedError: Pillow does not read it, with its reason.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return np.asarray(image.convert("RGB"))
    except (  # all that Pillow's plugins let through for broken files
        OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error,
        OverflowError, MemoryError, Image.DecompressionBombError,
    ) as error:  # fmt: skip
        raise RefusedError(repr(error)) from error


def pillow_jpeg_rgb(data: bytes) -> np.ndarray:
    """As `pillow_rgb`, but a file that Pillow knows by another format is refused too."""
    if not data.startswith(b"\xff\xd8\xff"):
        raise RefusedError("not a JPEG file")
    return pillow_rgb(data)
