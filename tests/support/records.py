"""Records of made files, as packing makes them."""

from __future__ import annotations

from fastload import jpeg
from fastload.records import Codec, Record, encode_record, pack_restore_block


def tile_record(data: bytes, *, tile_width: int = 32, index: int = 0) -> bytes:
    """A record of codec tiles.

    Raises:
        fastload.errors.DecodeError: damaged, or not tileable.
    """
    header = jpeg.parse_header(data)
    tiled = jpeg.tile(data, tile_width)
    restore = pack_restore_block(tiled.source_header, tiled.source_trailer)
    return encode_record(
        Record(
            codec=Codec.TILES,
            orientation=header.orientation,
            gray=header.components == 1,
            index=index,
            height=header.height,
            width=header.width,
            source_size=len(data),
            head=tiled.head,
            body=tiled.entropy + restore,
        )
    )


def jpeg_record(data: bytes, size: tuple[int, int] | None = None, *, index: int = 0) -> bytes:
    """A record of codec jpeg, the file's own bytes; ``size`` is (height, width)."""
    if size is None:
        header = jpeg.parse_header(data)
        size = header.height, header.width
        orientation, gray = header.orientation, header.components == 1
    else:
        orientation, gray = 0, False
    return encode_record(
        Record(
            codec=Codec.JPEG,
            orientation=orientation,
            gray=gray,
            index=index,
            height=size[0],
            width=size[1],
            source_size=len(data),
            head=b"",
            body=data,
        )
    )
