"""Damaged files: whatever Pillow decodes, fastload decodes to the same pixels; what Pillow refuses
is a DecodeError.  What only Pillow may read is called unsupported, never decoded otherwise.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from fastload import jpeg, pixels
from fastload.errors import DecodeError, NotTileableError, UnsupportedPictureError
from support.compare import assert_same
from support.damage import damaged_samples, mutate, small_file
from support.records import jpeg_record, tile_record
from support.reference import RefusedError, pillow_jpeg_rgb
from support.samples import Sample, by_name
from support.windows import random_windows


def check_against_pillow(data: bytes, what: str) -> str:
    """Hold one file against Pillow's verdict; return which of the rules it came under."""
    try:
        expected = pillow_jpeg_rgb(data)
    except RefusedError as refusal:
        reason = str(refusal)
        expected = None
    try:
        warnings = jpeg.check(data)
    except UnsupportedPictureError:
        return "unsupported"
    except DecodeError:
        if expected is None:
            return "refused"
        raise
    if expected is None:
        assert "truncated" not in reason, f"{what}: Pillow says {reason}"
        return "lenient"
    height, width = expected.shape[:2]
    assert_same(pixels.decode(jpeg_record(data, (height, width))), expected, what)
    if warnings:
        return "damaged"
    try:
        record = tile_record(data)
    except NotTileableError:
        return "own bytes"
    assert_same(pixels.decode(record), expected, f"{what}, tiles")
    for top, left, tall, wide in random_windows(height, width, 3):
        assert_same(
            pixels.decode(record, (top, left, tall, wide)),
            expected[top : top + tall, left : left + wide],
            f"{what}, tiles, window {(top, left, tall, wide)}",
        )
    return "tiled"


@pytest.mark.parametrize("sample", damaged_samples(), ids=lambda sample: sample.name)
def test_pillow_decides_what_a_damaged_file_is(sample: Sample) -> None:
    assert check_against_pillow(sample.data, sample.name) != "lenient"


@pytest.mark.parametrize(
    "name",
    ["frame-behind-the-scan", "frame-for-the-end", "frame-in-the-scan", "reserved-behind-the-scan",
     "junk-before-the-scan", "tem-before-the-scan"],
)  # fmt: skip
def test_markers_where_none_belong_are_left_to_pillow(name: str) -> None:
    sample = next(sample for sample in damaged_samples() if sample.name == name)
    with pytest.raises(UnsupportedPictureError, match="markers where none belong"):
        jpeg.check(sample.data)


def test_pillow_decides_about_every_prefix_of_a_small_file() -> None:
    data = small_file()
    found = [check_against_pillow(data[:size], f"first {size} bytes") for size in range(len(data))]
    assert set(found[:-3]) == {"refused"}
    assert "damaged" not in found  # in the last three, all rows are there
    assert check_against_pillow(data, "the whole") == "tiled"


def test_pillow_decides_about_every_bit_flip_in_the_tables_of_a_small_file() -> None:
    data = small_file()
    found = set()
    for at in range(2, data.index(b"\xff\xda") + 14):
        for bit in (0, 3, 7):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            found.add(check_against_pillow(bytes(changed), f"bit {bit} of byte {at}"))
    assert {"refused", "damaged", "tiled"} <= found


@pytest.mark.parametrize(
    "name",
    ["standard-tables", "progressive", "restart-blocks-2", "gray-3x1-restarts",
     "non-interleaved-restarts", "arithmetic-restarts", "adobe-rgb"],
)  # fmt: skip
def test_pillow_decides_about_seeded_mutations(name: str) -> None:
    generator = np.random.Generator(np.random.PCG64(11))
    data = by_name(name).data
    found = [
        check_against_pillow(mutate(data, generator), f"{name}, mutation {round_number}")
        for round_number in range(150)
    ]
    assert "lenient" not in found


@pytest.mark.parametrize("sample", damaged_samples(), ids=lambda sample: sample.name)
def test_a_window_of_a_damaged_file_is_given_or_refused_never_a_crash(sample: Sample) -> None:
    record = jpeg_record(sample.data, (40, 130))
    for window in random_windows(40, 130, 20):
        with contextlib.suppress(DecodeError):
            assert pixels.decode(record, window).shape == (*window[2:], 3)
