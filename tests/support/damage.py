"""Damaged, mislabelled and hostile files; and seeded mutations of sound ones."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from functools import cache

import numpy as np
from PIL import Image

from support import markers
from support.encoder import Options, encode
from support.markers import Segment
from support.pictures import picture
from support.samples import Sample, by_name, save


def small_file() -> bytes:
    """A baseline 4:2:0 file of some 900 bytes, two tiles wide: for every prefix of it."""
    return save(picture(17, 64, seed=4, noise=2), quality=30, optimize=True)


#: One pixel; some builds of Pillow cannot make it.
WEBP = base64.b64decode("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=")


@cache
def damaged_samples() -> tuple[Sample, ...]:
    """Files with something missing or in its wrong place; Pillow decides which ones decode."""
    restarts = save(picture(40, 130, seed=5), quality=80, restart_marker_blocks=3)
    plain = by_name("standard-tables").data
    progressive = by_name("progressive").data
    half = len(plain) // 2
    frame_twice = markers.split(plain)
    frame = next(s for s in frame_twice if s.marker == markers.SOF0)
    return (
        Sample("empty", b""),
        Sample("soi-only", b"\xff\xd8"),
        Sample("soi-eoi", b"\xff\xd8\xff\xd9"),
        Sample("one-byte", b"\xff"),
        Sample("zeros", bytes(5000)),
        Sample("ones", b"\xff" * 5000),
        Sample("no-soi", plain[2:]),
        Sample("leading-bytes", b"\n" + plain),
        Sample("missing-eoi", plain[:-2]),
        Sample("missing-eoi-half", plain[:-1], False),
        Sample("cut-in-scan", plain[:half], False),
        Sample("cut-in-scan-with-eoi", plain[:half] + b"\xff\xd9", False),
        Sample("cut-progressive", progressive[: len(progressive) // 2], False),
        Sample(
            "cut-progressive-with-eoi", progressive[: len(progressive) // 2] + b"\xff\xd9", False
        ),
        Sample("missing-first-rst", markers.map_scan(restarts, lambda s: _drop_rst(s, 0)), False),
        Sample("missing-fifth-rst", markers.map_scan(restarts, lambda s: _drop_rst(s, 4)), False),
        Sample("swapped-rst", restarts.replace(b"\xff\xd2", b"\xff\xd5", 1), False),
        Sample("rst-without-dri", markers.drop(restarts, markers.DRI), False),
        Sample("dri-without-rst", markers.insert(plain, Segment(markers.DRI, b"\0\5")), False),
        Sample("no-quant-table", markers.drop(plain, markers.DQT), False),
        Sample("no-huffman-table", markers.drop(plain, markers.DHT), False),
        Sample("no-frame", markers.drop(plain, markers.SOF0), False),
        Sample("no-scan", markers.drop(plain, markers.SOS), False),
        Sample("two-frames", markers.insert(plain, frame, before=markers.SOS), False),
        Sample("extra-entropy", markers.map_scan(plain, lambda s: s + b"\x12\x34" * 40), False),
        Sample("scan-bit-flips", markers.map_scan(plain, _flip_some), None),
        Sample("frame-behind-the-scan", plain[:-2] + b"\xff\xc0\0", False),
        Sample("frame-for-the-end", plain[:-1] + b"\xc9", False),
        Sample("frame-in-the-scan", plain[:half] + b"\xff\xc2" + plain[half + 2 :], False),
        Sample("reserved-behind-the-scan", plain[:-2] + b"\xff\x02\0\2\xff\xd9", False),
        Sample("junk-before-the-scan", plain.replace(b"\xff\xda", b"\0\xff\xda", 1), False),
        Sample("tem-before-the-scan", plain.replace(b"\xff\xda", b"\xff\1\xff\xda", 1), False),
        Sample("dnl-height-0", encode(picture(30, 90), Options(dnl="empty")), False),
        Sample("taller-than-data", markers.edit_frame(plain, height=400), False),
        Sample("wider-than-data", markers.edit_frame(plain, width=400), False),
        Sample("shorter-than-data", markers.edit_frame(plain, height=20), False),
        Sample("precision-9", markers.edit_frame(plain, precision=9), False),
        Sample("exif-too-long", _wrong_length(plain, 0xFFFF), False),
        Sample("exif-length-0", _wrong_length(plain, 0), False),
        Sample("exif-length-1", _wrong_length(plain, 1), False),
        Sample("png-as-jpg", _as_format("PNG"), False),
        Sample("webp-as-jpg", WEBP, False),
        Sample("bmp-as-jpg", _as_format("BMP"), False),
        Sample("html-as-jpg", b"<!doctype html><title>404</title>" * 9, False),
    )


@cache
def hostile_samples() -> tuple[Sample, ...]:
    """Small files that ask for much: memory by their header, time by their scans."""
    tiny = save(picture(8, 8), quality=10, optimize=True)
    progressive = save(picture(16, 16, seed=6), quality=10, subsampling=0, progressive=True)
    segments = markers.split(progressive)
    first = next(s for s in segments if s.marker == markers.SOS)
    last = next(s for s in reversed(segments) if s.marker == markers.SOS)

    def with_scans(scan: Segment, count: int) -> bytes:
        return markers.join([*segments[:-1], *[replace(scan, scan=b"")] * count, segments[-1]])

    def sized(data: bytes, side: int) -> bytes:
        return markers.edit_frame(data, height=side, width=side)

    return (
        Sample("65500-squared", sized(tiny, 65_500), False),
        Sample("65535-squared", sized(tiny, 65_535), False),
        Sample("65500-squared-progressive", sized(progressive, 65_500), False),
        Sample("13000-squared-empty", sized(tiny, 13_000), False),
        Sample("13000-squared-progressive", sized(progressive, 13_000), False),
        Sample("0-high", markers.edit_frame(tiny, height=0), False),
        Sample("0-wide", markers.edit_frame(tiny, width=0), False),
        Sample("80000-scans", with_scans(last, 80_000), False),
        Sample("3000-scans-of-16-mpx", sized(with_scans(first, 3_000), 4_000), False),
        Sample("480-scans-of-169-mpx", sized(with_scans(first, 480), 13_000), False),
        Sample("480-late-scans-of-169-mpx", sized(with_scans(last, 480), 13_000), False),
        Sample("100000-comments", _comments(tiny, 100_000)),
        Sample("all-soi", b"\xff\xd8" * 50_000, False),
        Sample("all-rst", b"\xff\xd8" + b"\xff\xd0" * 50_000, False),
    )


def _comments(data: bytes, count: int) -> bytes:
    segments = markers.split(data)
    return markers.join([segments[0], *[Segment(markers.COM, b"")] * count, *segments[1:]])


def _drop_rst(scan: bytes, number: int) -> bytes:
    at = [i for i in range(len(scan) - 1) if scan[i] == 0xFF and 0xD0 <= scan[i + 1] <= 0xD7]
    return scan[: at[number]] + scan[at[number] + 2 :]


def _flip_some(scan: bytes) -> bytes:
    changed = bytearray(scan)
    for at in range(100, len(scan), 977):
        if 0xFF not in (scan[at], scan[at - 1], scan[at] ^ 0x10):
            changed[at] ^= 0x10
    return bytes(changed)


def _wrong_length(data: bytes, length: int) -> bytes:
    return data[:2] + b"\xff\xe1" + length.to_bytes(2, "big") + b"Exif\0\0" + data[2:]


def _as_format(name: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(30, 70)).save(buffer, name)
    return buffer.getvalue()


def mutate(data: bytes, generator: np.random.Generator, *, most: int = 6) -> bytes:
    """``data`` with one to ``most`` small changes, mostly one or two; the generator decides.

    Half of the changes fall into the first 700 bytes, where headers and tables stand.
    """
    changed = bytearray(data)
    for _ in range(min(most, int(generator.geometric(0.5)))):
        if len(changed) < 4:
            break
        reach = min(len(changed), 700) if generator.random() < 0.5 else len(changed)
        at = int(generator.integers(0, reach))
        kind = int(generator.integers(0, 9))
        if kind <= 1:
            changed[at] ^= 1 << int(generator.integers(0, 8))
        elif kind <= 3:
            changed[at] = int(generator.integers(0, 256))
        elif kind == 4:
            changed[at] = int(generator.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
        elif kind == 5:
            del changed[at : at + int(generator.integers(1, 40))]
        elif kind == 6:
            end = at + int(generator.integers(1, 40))
            changed[at:at] = changed[at:end]
        elif kind == 7:
            marker = int(generator.choice([0xC0, 0xC2, 0xC4, 0xD0, 0xD4, 0xD9, 0xDA, 0xDB, 0xDD]))
            changed[at : at + 2] = bytes((0xFF, marker))
        else:
            del changed[at:]
    return bytes(changed)
