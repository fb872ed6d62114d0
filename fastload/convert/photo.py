"""One photo: a file's bytes in, a record out, or the reason why not.

A photo is packed exactly where torchvision's ImageFolder would give pixels for it, that is, where
``PIL.Image.open(file).convert("RGB")`` does: JPEGs that the core reads as Pillow does keep their
bytes in a form that the core decodes, everything else keeps them for Pillow. Only where that is
asked for, a photo is kept as something else: reduced and encoded anew, or as its pixels.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from fastload import _core
from fastload.convert.budget import ByteBudget
from fastload.convert.findings import RefusedError
from fastload.convert.originals import Original
from fastload.convert.smaller import encoded, reduced
from fastload.convert.sniff import SNIFF_BYTES, format_by_bytes
from fastload.errors import DecodeError, LimitError, NotTileableError
from fastload.records import Codec, Record, pack_restore_block

__all__ = ["PackedPhoto", "PhotoPacker", "quiet_pillow"]

T = TypeVar("T")

# Pillow runs another program (Ghostscript) to draw these: a data set must not start programs.
_REFUSED_FORMATS = frozenset({"EPS", "WMF"})
_ORIENTATION_TAG = 0x0112
# Image.open tries these first, in this order, and then loads all others, which takes a while and
# must not be done by several threads.
_COMMON_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PPM", "PNG")
_plugins_lock = threading.Lock()
# Coefficients (2 bytes, 3 components), their copy in tile order, and output, seen at the peak.
_DECODE_BYTES_A_PIXEL = 16


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Without Pillow's warnings of large pictures, odd palettes and the like.

    Python's filters are shared by all threads: use it around the work of threads, not within.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, slots=True)
class PackedPhoto:
    """A photo that is ready for the store.

    Attributes:
        record: with index 0.
        format: the file's format, as Pillow names it.
        warnings: how many libjpeg gave.
        content_hash: XXH3-128, 16 bytes, of the file that the record keeps; where it keeps none,
            of the original.
        original: the file that was given.
        encoded: the record's bytes, where an earlier packing made them.
    """

    record: Record
    format: str
    warnings: int
    content_hash: bytes
    original: Original
    encoded: bytes | None = None


class PhotoPacker:
    """Makes records. Safe to use from many threads.

    Args:
        tile: transcode JPEGs to tiles where that loses nothing; False: keep all files' own bytes.
        tile_width: pixels aimed at for a tile.
        max_side: photos whose longer side has more pixels are reduced to that; 0: none is.
        quality: of the JPEGs that those become.
        raw: keep the pixels, not the file.
        decode_budget: bounds the memory of decoding; None: no bound.
    """

    def __init__(
        self,
        *,
        tile: bool = True,
        tile_width: int = 32,
        max_side: int = 0,
        quality: int = 90,
        raw: bool = False,
        decode_budget: ByteBudget | None = None,
    ) -> None:
        self._tile = tile
        self._tile_width = tile_width
        self._max_side = max_side
        self._quality = quality
        self._raw = raw
        self._budget = decode_budget
        Image.preinit()  # loads Pillow's common plugins here, rather than in several threads

    def pack(self, data: bytes) -> PackedPhoto:
        """The record of the photo in the file ``data``.

        Raises:
            RefusedError: no picture, a damaged one, or one above Pillow's limit on pixels.
        """
        if not data:
            raise RefusedError("empty", "the file has no bytes")
        image = _open(data)
        width, height = image.size
        with self._memory(height * width * _DECODE_BYTES_A_PIXEL):
            if image.format not in ("JPEG", "MPO"):
                _guarded(image.load)  # it may turn a TIFF upright
                width, height = image.size
            original = Original(len(data), _core.xxh3_128(data), height, width)
            content_hash = original.content_hash
            if 0 < self._max_side < max(height, width):
                data, image = self._reduced(data, image)
                content_hash = _core.xxh3_128(data)
            if self._raw:
                return _pixels(image, original)
            if image.format in ("JPEG", "MPO"):
                found = self._jpeg(data)
                if found is not None:
                    record, warning_count = found
                    return PackedPhoto(record, image.format, warning_count, content_hash, original)
            return _other(data, image, content_hash, original)

    def _reduced(self, data: bytes, image: Image.Image) -> tuple[bytes, Image.Image]:
        """The photo at a smaller size: its file, and the image of that."""
        format_name = image.format
        smaller = _guarded(lambda: reduced(image, self._max_side))
        if self._raw:
            smaller.format = format_name
            return data, smaller
        data = _guarded(lambda: encoded(smaller, self._quality))
        return data, _open(data)

    def _jpeg(self, data: bytes) -> tuple[Record, int] | None:
        """The photo as the core can decode it, and its warnings; None where only Pillow may."""
        try:
            header = _core.jpeg_header(data)
            record = self._tiles(data, header)
            if record is not None:
                return record, 0
            warning_count, height, width = _core.jpeg_check(data)
            return _own_bytes(data, header, height, width), warning_count
        except LimitError as error:
            raise RefusedError("limit", str(error)) from None
        except DecodeError:
            return None

    def _tiles(self, data: bytes, header: _core.JpegHeader) -> Record | None:
        if not self._tile:
            return None
        try:
            head, entropy, source_header, source_trailer = _core.tile_jpeg(data, self._tile_width)
        except NotTileableError:
            return None
        if not source_trailer.startswith(b"\xff\xd9"):
            return None  # no end of image: Pillow may call that truncated, and so will jpeg_check
        body = b"".join((entropy, pack_restore_block(source_header, source_trailer)))
        own = _own_bytes(data, header, header.height, header.width)
        return replace(own, codec=Codec.TILES, head=head, body=body)

    @contextmanager
    def _memory(self, count: int) -> Iterator[None]:
        if self._budget is None:
            yield
            return
        self._budget.acquire(count)
        try:
            yield
        finally:
            self._budget.release(count)


def _own_bytes(data: bytes, header: _core.JpegHeader, height: int, width: int) -> Record:
    """The record that keeps a JPEG file as it is."""
    return Record(
        codec=Codec.JPEG,
        orientation=header.orientation,
        gray=header.components == 1,
        index=0,
        height=height,
        width=width,
        source_size=len(data),
        head=b"",
        body=data,
    )


def _pixels(image: Image.Image, original: Original) -> PackedPhoto:
    """The photo as its pixels."""
    format_name = image.format or "unknown"
    converted = _guarded(lambda: image.convert("RGB"))
    orientation = _orientation(image)
    width, height = converted.size
    gray = image.mode in ("1", "L")
    record = Record(Codec.RAW, orientation, gray, 0, height, width, 0, b"", converted.tobytes())
    return PackedPhoto(record, format_name, 0, original.content_hash, original)


def _other(data: bytes, image: Image.Image, content_hash: bytes, original: Original) -> PackedPhoto:
    """The photo as Pillow decodes it, proved by decoding it."""
    format_name = image.format or "unknown"
    converted = _guarded(lambda: image.convert("RGB"))
    orientation = _orientation(image)
    width, height = converted.size
    gray = image.mode in ("1", "L")
    record = Record(Codec.OTHER, orientation, gray, 0, height, width, len(data), b"", data)
    return PackedPhoto(record, format_name, 0, content_hash, original)


def _orientation(image: Image.Image) -> int:
    """A decoded image's: Pillow turns a TIFF upright as it loads it, and drops the tag."""
    found: object = _guarded(lambda: image.getexif().get(_ORIENTATION_TAG, 0), fallback=0)
    return found if isinstance(found, int) and 0 <= found <= 8 else 0


def _open(data: bytes) -> Image.Image:
    try:
        image = _identified(data)
    except UnidentifiedImageError:
        found = format_by_bytes(data[:SNIFF_BYTES])
        seems = f"; by its first bytes it seems to be {found}" if found else ""
        raise RefusedError("not-an-image", f"Pillow cannot identify it{seems}") from None
    except Image.DecompressionBombError as error:
        raise RefusedError("too-many-pixels", str(error)) from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever the bytes lead them to
        raise RefusedError("corrupt", _sentence(error)) from None
    if image.format in _REFUSED_FORMATS:
        raise RefusedError(
            "not-an-image", f"{image.format}: Pillow would start a program to draw it"
        )
    return image


def _identified(data: bytes) -> Image.Image:
    """What ``Image.open`` gives."""
    with suppress(UnidentifiedImageError):
        return Image.open(io.BytesIO(data), formats=_COMMON_FORMATS)
    with _plugins_lock:
        Image.init()
    return Image.open(io.BytesIO(data))


def _guarded(call: Callable[[], T], fallback: T | None = None) -> T:
    """What ``call`` returns; whatever Pillow raises becomes ``fallback`` or ``RefusedError``."""
    try:
        return call()
    except Image.DecompressionBombError as error:
        raise RefusedError("too-many-pixels", str(error)) from None
    except MemoryError:
        raise
    except Exception as error:
        if fallback is not None:
            return fallback
        raise RefusedError("corrupt", _sentence(error)) from None


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"Pillow cannot decode it: {text}"[:500]
