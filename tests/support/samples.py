"""Made JPEG files that decode: every sampling, size class, coding and colour space."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image

from support import arithmetic, markers
from support.encoder import Options, Sampling, encode
from support.lossless import encode_lossless
from support.markers import Segment
from support.pictures import picture

#: name -> sampling factors of three components; Pillow and cjpeg cannot write most of them.
SAMPLINGS: dict[str, Sampling] = {
    "444": ((1, 1), (1, 1), (1, 1)),
    "422": ((2, 1), (1, 1), (1, 1)),
    "420": ((2, 2), (1, 1), (1, 1)),
    "440": ((1, 2), (1, 1), (1, 1)),
    "411": ((4, 1), (1, 1), (1, 1)),
    "2x4": ((2, 4), (1, 1), (1, 1)),
    "4x2": ((4, 2), (1, 1), (1, 1)),
    "3x1": ((3, 1), (1, 1), (1, 1)),
    "3x2": ((3, 2), (1, 1), (1, 1)),
    "1x4": ((1, 4), (1, 1), (1, 1)),
    "mixed-2x1-1x2": ((2, 2), (2, 1), (1, 2)),
    "mixed-1x2-2x1": ((2, 2), (1, 2), (2, 1)),
    "luma-low": ((1, 1), (2, 2), (1, 1)),
    "as444-2x1": ((2, 1), (2, 1), (2, 1)),
    "chroma-3x1": ((1, 1), (3, 1), (1, 2)),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A made file.

    Attributes:
        name: what is special about it.
        data: the file.
        tiles: True: must transcode to tiles of 32 pixels and back; False: must be refused as
            not tileable; None: either.
        orientation: EXIF orientation, 0: none.
    """

    name: str
    data: bytes
    tiles: bool | None = None
    orientation: int = 0

    def __repr__(self) -> str:  # what a failing test prints
        return f"Sample({self.name!r}, {len(self.data)} bytes)"


def two_tiles(sampling: Sampling) -> int:
    """The narrowest width in pixels that makes two whole tiles of about 32 pixels."""
    mcu_width = 8 * max(h for h, _ in sampling)
    return 2 * max(1, 32 // mcu_width) * mcu_width


def save(image: np.ndarray, **options: object) -> bytes:
    """``image`` through Pillow's JPEG writer."""
    buffer = io.BytesIO()
    mode = options.pop("mode", None)
    made = Image.fromarray(image)
    (made.convert(str(mode)) if mode else made).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_orientation(data: bytes, orientation: int) -> bytes:
    """The file with an EXIF segment that states an orientation, big-endian for the odd ones."""
    order = "big" if orientation % 2 else "little"
    exif = (b"MM\0*" if order == "big" else b"II*\0") + (8).to_bytes(4, order)
    exif += (1).to_bytes(2, order) + (0x0112).to_bytes(2, order) + (3).to_bytes(2, order)
    exif += (1).to_bytes(4, order) + orientation.to_bytes(2, order) + bytes(6)
    return markers.insert(data, Segment(markers.APP1, b"Exif\0\0" + exif))


@cache
def sampling_samples() -> tuple[Sample, ...]:
    """Every sampling, in sizes from one pixel to a few tiles."""
    sizes = [(70, 130), (33, 129), (17, 128), (1, 200), (9, 65), (40, 31), (7, 3), (64, 1), (1, 1)]
    found = []
    for name, sampling in SAMPLINGS.items():
        for height, width in sizes:
            data = encode(picture(height, width, noise=12), Options(sampling=sampling))
            tiles = True if width >= two_tiles(sampling) else None
            found.append(Sample(f"{name}-{height}x{width}", data, tiles))
    return tuple(found)


@cache
def size_samples() -> tuple[Sample, ...]:
    """All odd and even small sizes near block borders, 4:4:4, 4:2:0 and gray, through Pillow."""
    found = []
    edges = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 70)
    for i, width in enumerate(edges):
        for height in edges[i % 3 :: 3]:
            image = picture(height, width)
            for subsampling in (0, 2):
                data = save(image, subsampling=subsampling, quality=88)
                tiles = True if width >= 64 else None
                found.append(Sample(f"size-{height}x{width}-{subsampling}", data, tiles))
            data = save(image, mode="L", quality=75)
            found.append(Sample(f"gray-{height}x{width}", data, True if width >= 64 else None))
    return tuple(found)


def _encoded(name: str, tiles: bool | None, channels: int = 3, **changes: object) -> Sample:
    image = picture(45, 150, seed=1, noise=10)
    if channels == 1:
        image = image[:, :, :1]
    if channels == 4:
        image = np.concatenate([image, image[:, ::-1, :1]], axis=2)
    options = replace(Options(), **changes)  # type: ignore[arg-type]
    return Sample(name, encode(image, options), tiles)


@cache
def coding_samples() -> tuple[Sample, ...]:
    """Codings, tables, markers and colour spaces, all of them decodable by Pillow."""
    image = picture(61, 173, seed=2)
    plain = save(image, quality=85)
    progressive = save(image, quality=85, progressive=True)
    found = [
        Sample("standard-tables", plain, True),
        Sample("optimized-tables", save(image, quality=85, optimize=True), True),
        *(Sample(f"quality-{q}", save(image, quality=q), True) for q in (1, 5, 30, 60, 95, 100)),
        *(
            Sample(f"restart-blocks-{n}", save(image, quality=85, restart_marker_blocks=n), True)
            for n in (1, 2, 7, 11, 500)
        ),
        Sample("restart-rows-1", save(image, quality=85, restart_marker_rows=1), True),
        Sample("restart-rows-3", save(image, subsampling=0, restart_marker_rows=3), True),
        Sample("progressive", progressive, False),
        Sample("progressive-444", save(image, subsampling=0, progressive=True), False),
        Sample("progressive-gray", save(image, mode="L", progressive=True), False),
        Sample("adobe-rgb", save(image, keep_rgb=True), True),
        Sample("gray-2x2", _encoded("", None, 1, sampling=((2, 2),)).data),
        Sample(
            "gray-3x1-restarts", _encoded("", None, 1, sampling=((3, 1),), restart_interval=4).data
        ),
        _encoded(
            "rgb-by-component-ids", True, component_ids=(82, 71, 66), jfif=False, to_ycc=False
        ),
        _encoded("no-jfif-ids-123", True, jfif=False),
        _encoded("no-jfif-odd-ids", True, jfif=False, component_ids=(7, 9, 200)),
        _encoded("jfif-with-rgb-ids", True, component_ids=(82, 71, 66)),
        _encoded("adobe-transform-1", True, jfif=False, transform=1),
        _encoded("adobe-transform-9", None, jfif=False, transform=9),
        _encoded("adobe-rgb-420", True, jfif=False, transform=0, to_ycc=False),
        _encoded("flat-huffman", True, flat_huffman=True),
        _encoded("wide-quant", True, wide_quant=True),
        _encoded("non-interleaved", False, interleaved=False),
        _encoded("non-interleaved-restarts", False, interleaved=False, restart_interval=5),
        _encoded("padding-zero", False, pad_bit=0),
        _encoded("padding-zero-restarts", False, pad_bit=0, restart_interval=3),
        _encoded("dnl-extra", None, dnl="extra"),
        Sample("arithmetic-sequential", arithmetic.ARITHMETIC_SEQUENTIAL, False),
        Sample("arithmetic-progressive", arithmetic.ARITHMETIC_PROGRESSIVE, False),
        Sample("arithmetic-restarts", arithmetic.ARITHMETIC_RESTARTS, False),
        Sample("trailing-bytes", plain + b"behind the end" * 9, True),
        Sample("trailing-picture", plain + plain, True),
        Sample("fill-bytes", plain.replace(b"\xff\xda", b"\xff\xff\xff\xda", 1), True),
        Sample(
            "comments", markers.insert(plain, Segment(markers.COM, b"\xff\xd8\xff\xda" * 20)), True
        ),
        Sample(
            "broken-exif", markers.insert(plain, Segment(markers.APP1, b"Exif\0\0MM\0*\xff")), True
        ),
        Sample("mpo", _mpo(image), True),
        *_redefined(plain),
    ]
    found += [Sample(f"orientation-{n}", with_orientation(plain, n), True, n) for n in range(1, 9)]
    return tuple(found)


def _mpo(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    second = Image.fromarray(image[:, ::-1].copy())
    Image.fromarray(image).save(buffer, "MPO", save_all=True, append_images=[second])
    return buffer.getvalue()


def _redefined(plain: bytes) -> list[Sample]:
    segments = markers.split(plain)
    quant = next(segment for segment in segments if segment.marker == markers.DQT)
    huffman = next(segment for segment in segments if segment.marker == markers.DHT)
    blunt = replace(quant, payload=quant.payload[:1] + b"\x40" * 64)
    return [
        Sample("quant-twice", markers.insert(plain, blunt)),
        Sample("huffman-twice", markers.insert(plain, huffman, before=markers.SOS)),
    ]


@cache
def pillow_only_samples() -> tuple[Sample, ...]:
    """Files that Pillow may read and the core must call unsupported.

    CMYK, lossless, 12 bits; and progressive files that lack scans, where libjpeg guesses at what
    is missing, 2.1 otherwise than the 3.x that Pillow bundles.
    """
    image = picture(40, 90, seed=3)
    progressive = save(image, quality=85, progressive=True)
    return (
        *(
            Sample(f"progressive-{n}-scans-only", markers.keep_scans(progressive, n), False)
            for n in range(1, markers.scans(progressive))
        ),
        Sample("cmyk-adobe-0", save(image, mode="CMYK"), False),
        _encoded("cmyk-no-adobe", False, 4, sampling=((1, 1),) * 4, to_ycc=False, jfif=False),
        _encoded(
            "ycck", False, 4, sampling=((2, 2), (1, 1), (1, 1), (2, 2)), transform=2, jfif=False
        ),
        Sample("lossless", encode_lossless(image), False),
        _encoded("12-bit", False, precision=12),
    )


def by_name(name: str, *groups: Callable[[], tuple[Sample, ...]]) -> Sample:
    """The sample of that name."""
    for group in groups or (coding_samples, sampling_samples, size_samples, pillow_only_samples):
        for sample in group():
            if sample.name == name:
                return sample
    raise KeyError(name)
