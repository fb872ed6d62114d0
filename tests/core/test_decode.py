"""Decoding, whole and by window, equals Pillow's decode of the original file bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from fastload import jpeg, pixels
from fastload.errors import NotTileableError, UnsupportedPictureError
from fastload.records import Codec, Record, encode_record
from support.compare import assert_same, assert_windows
from support.pictures import picture
from support.records import jpeg_record, tile_record
from support.reference import pillow_rgb
from support.samples import (
    SAMPLINGS,
    Sample,
    coding_samples,
    pillow_only_samples,
    sampling_samples,
    save,
    size_samples,
)
from support.windows import edge_windows, random_windows

pytestmark = pytest.mark.usefixtures("each_simd")


def records_of(sample: Sample) -> list[tuple[str, bytes]]:
    """(what, record) for own bytes and, where it is tileable, for tiles."""
    found = [(f"{sample.name}, own bytes", jpeg_record(sample.data))]
    try:
        found.append((f"{sample.name}, tiles", tile_record(sample.data)))
    except NotTileableError:
        assert sample.tiles is not True
    return found


def check_sample(sample: Sample, random_count: int) -> None:
    expected = pillow_rgb(sample.data)
    height, width = expected.shape[:2]
    windows = edge_windows(height, width) + random_windows(height, width, random_count)
    for what, record in records_of(sample):
        assert_same(pixels.decode(record), expected, what)
        assert_windows(record, expected, windows, what)


@pytest.mark.parametrize("sample", coding_samples(), ids=lambda sample: sample.name)
def test_every_coding_decodes_as_pillow_decodes_it(sample: Sample) -> None:
    check_sample(sample, 20)


@pytest.mark.parametrize("name", SAMPLINGS)
def test_every_sampling_decodes_as_pillow_decodes_it(name: str) -> None:
    for sample in sampling_samples():
        if sample.name.startswith(f"{name}-"):
            check_sample(sample, 20)


def test_every_small_size_decodes_as_pillow_decodes_it() -> None:
    for sample in size_samples():
        check_sample(sample, 2)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_every_window_of_a_small_photo_is_exact(subsampling: int) -> None:
    """All windows of up to 3 columns at all places, and every left and right border."""
    data = save(picture(19, 68, seed=8), subsampling=subsampling, quality=90)
    expected = pillow_rgb(data)
    windows = [(top, left, 3, 2) for top in range(17) for left in range(67)]
    windows += [(3, left, 13, 68 - left) for left in range(68)]
    windows += [(3, 0, 13, right) for right in range(1, 69)]
    windows += [(top, 5, 19 - top, 50) for top in range(19)]
    for record in (tile_record(data), jpeg_record(data)):
        assert_windows(record, expected, windows, f"subsampling {subsampling}")


@pytest.mark.parametrize("tile_width", [8, 16, 64, 128])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_the_tile_width_does_not_change_pixels(tile_width: int, subsampling: int) -> None:
    data = save(picture(70, 333, seed=9), subsampling=subsampling, quality=85)
    expected = pillow_rgb(data)
    record = tile_record(data, tile_width=tile_width)
    assert_windows(
        record, expected, edge_windows(70, 333) + random_windows(70, 333, 50), str(tile_width)
    )


def test_raw_records_give_back_their_pixels() -> None:
    image = picture(23, 41)
    record = encode_record(Record(Codec.RAW, 0, False, 0, 23, 41, 0, b"", image.tobytes()))
    assert_same(pixels.decode(record), image, "raw")
    assert_windows(record, image, edge_windows(23, 41), "raw")


@pytest.mark.parametrize("sample", pillow_only_samples(), ids=lambda sample: sample.name)
def test_what_only_pillow_reads_is_called_unsupported(sample: Sample) -> None:
    with pytest.raises(UnsupportedPictureError):
        jpeg.check(sample.data)
    with pytest.raises(UnsupportedPictureError):
        pixels.decode(jpeg_record(sample.data))


@pytest.mark.parametrize(
    "region",
    [(-1, 0, 5, 5), (0, -1, 5, 5), (0, 0, 0, 5), (0, 0, 5, 0), (0, 0, 41, 5), (0, 0, 5, 91),
     (40, 0, 1, 1), (0, 90, 1, 1), (2**31 - 1, 0, 5, 5), (0, 0, 2**31 - 1, 2**31 - 1)],
)  # fmt: skip
def test_a_region_outside_the_picture_is_the_callers_mistake(
    region: tuple[int, int, int, int],
) -> None:
    data = save(picture(40, 90), quality=80)
    for record in (tile_record(data), jpeg_record(data)):
        with pytest.raises(ValueError):
            pixels.decode(record, region)


def test_the_result_is_a_fresh_contiguous_array() -> None:
    record = tile_record(save(picture(40, 90)))
    first, second = pixels.decode(record), pixels.decode(record)
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert not np.shares_memory(first, second)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_is_a_record(wrap: type) -> None:
    data = save(picture(40, 90))
    record = tile_record(data)
    assert_same(pixels.decode(wrap(record)), pillow_rgb(data), wrap.__name__)
