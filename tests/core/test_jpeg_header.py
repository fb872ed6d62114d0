"""The header parse says what the file says, and takes no longer for a large file."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from fastload import jpeg
from fastload.errors import DecodeError, LimitError
from support.damage import hostile_samples
from support.samples import (
    SAMPLINGS,
    Sample,
    by_name,
    coding_samples,
    pillow_only_samples,
    sampling_samples,
)


@pytest.mark.parametrize("sample", coding_samples(), ids=lambda sample: sample.name)
def test_size_orientation_and_components_are_pillows(sample: Sample) -> None:
    header = jpeg.parse_header(sample.data)
    with Image.open(io.BytesIO(sample.data)) as image:
        assert (header.height, header.width) == (image.height, image.width)
        assert header.components == len(image.getbands())
        assert header.progressive == (sample.name.startswith(("progressive", "arithmetic-prog")))
    assert header.orientation == sample.orientation
    assert header.precision == 8
    assert not header.lossless
    assert header.arithmetic == sample.name.startswith("arithmetic")


@pytest.mark.parametrize("name", SAMPLINGS)
def test_sampling_factors_are_those_of_the_file(name: str) -> None:
    for sample in sampling_samples():
        if sample.name.startswith(f"{name}-"):
            assert jpeg.parse_header(sample.data).sampling == SAMPLINGS[name]


@pytest.mark.parametrize(
    ("name", "color_space"),
    [
        ("standard-tables", "ycbcr"),
        ("gray-2x2", "gray"),
        ("adobe-rgb", "rgb"),
        ("rgb-by-component-ids", "rgb"),
        ("no-jfif-ids-123", "ycbcr"),
        ("jfif-with-rgb-ids", "ycbcr"),
        ("adobe-rgb-420", "rgb"),
        ("adobe-transform-1", "ycbcr"),
        ("cmyk-adobe-0", "cmyk"),
        ("cmyk-no-adobe", "cmyk"),
        ("ycck", "ycck"),
    ],
)
def test_the_colour_space_is_judged_as_libjpeg_judges_it(name: str, color_space: str) -> None:
    assert jpeg.parse_header(by_name(name).data).color_space == color_space


@pytest.mark.parametrize("number", [1, 2, 7, 11, 500])
def test_the_restart_interval_is_told_in_mcus(number: int) -> None:
    assert jpeg.parse_header(by_name(f"restart-blocks-{number}").data).restart_interval == number


def test_lossless_and_12_bit_files_are_told_apart() -> None:
    found = {sample.name: jpeg.parse_header(sample.data) for sample in pillow_only_samples()}
    assert found["lossless"].lossless
    assert found["12-bit"].precision == 12


@pytest.mark.parametrize("name", ["65500-squared", "65500-squared-progressive"])
def test_a_header_above_the_pixel_limit_is_a_limit_error(name: str) -> None:
    sample = by_name(name, hostile_samples)
    for call in (jpeg.parse_header, jpeg.check, jpeg.tile):
        with pytest.raises(LimitError):
            call(sample.data)


def test_the_pixel_limit_is_the_callers() -> None:
    data = by_name("standard-tables").data
    assert jpeg.parse_header(data).width * jpeg.parse_header(data).height == 61 * 173
    assert jpeg.check(data, max_pixels=61 * 173) == 0
    with pytest.raises(LimitError):
        jpeg.check(data, max_pixels=61 * 173 - 1)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", bytes(100)])
def test_what_is_no_jpeg_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        jpeg.parse_header(data)
