"""Photos made smaller on purpose: reduced, and encoded anew."""

from __future__ import annotations

import io

from PIL import Image

__all__ = ["encoded", "reduced"]

#: A JPEG is decoded at a half, a quarter or an eighth of its size where that leaves this many times
#: the pixels a side that are wanted; with 3, says Pillow's documentation, the result can hardly be
#: told from a whole decode's.
_REDUCING_GAP = 3.0
#: What a JPEG's APP1 segment holds.
_MAX_EXIF_BYTES = 65_533
_ORIENTATION_TAG = 0x0112


def reduced(image: Image.Image, max_side: int) -> Image.Image:
    """The image with a longer side of ``max_side`` pixels, of mode RGB or L, by Lanczos' filter.

    Not turned by its EXIF orientation. Its EXIF data and, where it keeps its colours, its colour
    profile are in its ``info``. May change ``image``.
    """
    keeps_colours = image.mode in ("RGB", "L")
    if not keeps_colours or image.format not in ("JPEG", "MPO"):
        # Wholly, before anything is asked of it: Pillow turns a TIFF upright as it loads it.
        image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    kept = {"exif": _exif(image)}
    if keeps_colours:
        kept["icc_profile"] = image.info.get("icc_profile", b"")
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, _REDUCING_GAP)
    image.info = {name: value for name, value in kept.items() if value}
    return image


def encoded(image: Image.Image, quality: int) -> bytes:
    """A JPEG of the image, with the EXIF data and colour profile in its ``info``."""
    out = io.BytesIO()
    exif, profile = image.info.get("exif", b""), image.info.get("icc_profile")
    image.save(out, "JPEG", quality=quality, exif=exif, icc_profile=profile)
    return out.getvalue()


def _exif(image: Image.Image) -> bytes:
    data: bytes = image.info.get("exif", b"")
    if len(data) <= _MAX_EXIF_BYTES:
        return data
    kept = Image.Exif()  # no other tag changes how the photo is shown
    kept[_ORIENTATION_TAG] = image.getexif().get(_ORIENTATION_TAG, 1)
    return kept.tobytes()
