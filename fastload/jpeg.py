"""JPEG files as the native core sees them: their headers, their soundness, their tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastload.native import _core

if TYPE_CHECKING:
    from fastload._core import Buffer, JpegHeader

__all__ = [
    "MAX_PIXELS",
    "MAX_SCANS",
    "TILE_WIDTH",
    "TiledJpeg",
    "check",
    "parse_header",
    "restore",
    "tile",
]

#: Above this many pixels Pillow refuses a picture, and so does everything here by default.
MAX_PIXELS = 178_956_970
#: A progressive file with more scans than this is taken for an attack on the reader's time.
MAX_SCANS = 500
#: Width of a tile in pixels; its height is one row of MCUs (8 or 16 pixels, mostly).
TILE_WIDTH = 32


@dataclass(frozen=True, slots=True)
class TiledJpeg:
    """A baseline JPEG file taken apart without loss.

    Attributes:
        head: quantization and Huffman tables and the table of tiles (docs/format.md).
        entropy: the tiles' entropy-coded data, one tile behind the other.
        source_header: the file up to its entropy-coded data.
        source_trailer: the file from the end-of-image marker on.
    """

    head: bytes
    entropy: bytes
    source_header: bytes
    source_trailer: bytes


def parse_header(data: Buffer, *, max_pixels: int = MAX_PIXELS) -> JpegHeader:
    """What the file says about its picture, from its marker segments alone.

    Args:
        data: a JPEG file's bytes.
        max_pixels: height times width above this is an error.

    Returns:
        width and height in pixels (not turned by EXIF), components, sampling ((h, v) each),
        precision in bits, color_space ("gray", "ycbcr", "rgb", "cmyk", "ycck" or "other"),
        progressive, arithmetic, lossless, restart_interval in MCUs (0: none) and orientation
        (EXIF value 1 to 8; 0: not stated).

    Raises:
        DecodeError: not a JPEG file, or its header is damaged.
        LimitError: more than ``max_pixels``.
    """
    return _core.jpeg_header(data, max_pixels)


def check(data: Buffer, *, max_pixels: int = MAX_PIXELS, max_scans: int = MAX_SCANS) -> int:
    """Whether libjpeg-turbo decodes the whole file, and with how many warnings.

    Of a baseline file of one scan, which nearly every photo is, only the codes are read: where each
    block is there, whole and as the standard has it, decoding cannot fail or warn. Every other
    file, and one that leaves the least doubt, is decoded, row by row.

    Args:
        data: a JPEG file's bytes.
        max_pixels: height times width above this is an error.
        max_scans: more scans than this are an error.

    Returns:
        how many warnings libjpeg-turbo gives: 0 for a sound file. Pillow decodes files with
        warnings without a word.

    Raises:
        DecodeError: the file is damaged, or ends before its last row (as in Pillow).
        LimitError: more than ``max_pixels`` or ``max_scans``.
        UnsupportedPictureError: CMYK, 12 bits a sample, or lossless coding; Pillow may read it.
    """
    return _core.jpeg_check(data, max_pixels, max_scans)[0]


def tile(data: Buffer, tile_width: int = TILE_WIDTH, *, max_pixels: int = MAX_PIXELS) -> TiledJpeg:
    """Recodes a baseline JPEG so that any rectangle of tiles can be decoded by itself.

    Coefficients are untouched. Before this returns, the file has been rebuilt from the result
    and compared byte for byte.

    Args:
        data: a JPEG file's bytes.
        tile_width: about how wide a tile is, 8 to 4096 pixels.
        max_pixels: height times width above this is an error.

    Raises:
        DecodeError: not a JPEG file, or its header is damaged.
        LimitError: more than ``max_pixels``.
        NotTileableError: the file cannot be tiled (progressive, narrower than two tiles, ...)
            or given back byte for byte; it may be sound all the same.
    """
    return TiledJpeg(*_core.tile_jpeg(data, tile_width, max_pixels))


def restore(tiled: TiledJpeg) -> bytes:
    """The file that was tiled, byte for byte.

    Raises:
        DecodeError: the parts are damaged or do not belong together.
    """
    return _core.untile_jpeg(tiled.head, tiled.entropy, tiled.source_header, tiled.source_trailer)
