"""decode_resized_crop equals torchvision on Pillow's decode of the original file, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fastload import pixels
from support import recipes
from support.compare import assert_same
from support.records import jpeg_record, tile_record
from support.reference import PILLOW_IS_SIMD, SIMD_REASON, pillow_rgb
from support.samples import SAMPLINGS, Sample, by_name, sampling_samples
from support.windows import edge_windows, random_windows

pytestmark = [
    pytest.mark.pillow,
    pytest.mark.exact_pillow,
    pytest.mark.skipif(PILLOW_IS_SIMD, reason=SIMD_REASON),
    pytest.mark.usefixtures("each_simd"),
]

NAMES = ["standard-tables", "quality-95", "adobe-rgb", "progressive", "restart-blocks-7"]


def source(name: str) -> tuple[Image.Image, dict[str, bytes]]:
    """The sample as PIL gives it, and its records by codec."""
    return source_of(by_name(name))


def source_of(sample: Sample) -> tuple[Image.Image, dict[str, bytes]]:
    records = {"own bytes": jpeg_record(sample.data)}
    if sample.tiles:
        records["tiles"] = tile_record(sample.data)
    return Image.fromarray(pillow_rgb(sample.data)), records


def planes(image: Image.Image) -> np.ndarray:
    """uint8 [3, height, width]."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("filter_name", recipes.FILTERS)
def test_resized_crop_of_any_window(name: str, filter_name: str) -> None:
    image, records = source(name)
    windows = edge_windows(image.height, image.width)[:24]
    windows += random_windows(image.height, image.width, 12, seed=3)
    for window in windows:
        expected = planes(
            recipes.v1.resized_crop(image, *window, [32, 48], recipes.FILTERS[filter_name])
        )
        for codec, record in records.items():
            found = pixels.decode_resized_crop(record, window, (32, 48), filter=filter_name)
            assert_same(found, expected, f"{codec}, window {window}")


@pytest.mark.parametrize("api", recipes.APIS)
@pytest.mark.parametrize("size", [(8, 8), (64, 64), (224, 224), (7, 301), (300, 5)])
def test_resized_crop_to_any_size(api: str, size: tuple[int, int]) -> None:
    image, records = source("standard-tables")
    for window in random_windows(image.height, image.width, 12, seed=7):
        expected = planes(recipes.APIS[api].resized_crop(image, *window, list(size)))
        for codec, record in records.items():
            found = pixels.decode_resized_crop(record, window, size)
            assert_same(found, expected, f"{codec}, window {window} to {size}")


@pytest.mark.parametrize("name", SAMPLINGS)
def test_resized_crop_of_any_sampling(name: str) -> None:
    for sample in sampling_samples():
        if not sample.name.startswith(f"{name}-"):
            continue
        image, records = source_of(sample)
        for window in random_windows(image.height, image.width, 4, seed=1):
            expected = planes(recipes.v1.resized_crop(image, *window, [24, 24]))
            for codec, record in records.items():
                found = pixels.decode_resized_crop(record, window, (24, 24))
                assert_same(found, expected, f"{sample.name}, {codec}, window {window}")


@pytest.mark.parametrize("api", recipes.APIS)
@pytest.mark.parametrize("shorter", [16, 40, 61, 64, 100])
@pytest.mark.parametrize("crop", [(32, 32), (31, 56), (64, 64), (97, 33), (1, 1)])
def test_resize_then_center_crop(api: str, shorter: int, crop: tuple[int, int]) -> None:
    """Also where the crop is larger than the resized picture, so that it is padded with black."""
    functions = recipes.APIS[api]
    for name in ("standard-tables", "orientation-6"):
        image, records = source(name)
        expected = planes(functions.center_crop(functions.resize(image, [shorter]), list(crop)))
        size = recipes.resized_size(image.height, image.width, shorter)
        window = recipes.center_window(*size, crop)
        whole = (0, 0, image.height, image.width)
        for codec, record in records.items():
            found = pixels.decode_resized_crop(record, whole, size, window=window)
            assert_same(found, expected, f"{name}, {codec}, {size}, {window}")


@pytest.mark.parametrize("api", recipes.APIS)
def test_center_crop_alone(api: str) -> None:
    """All parities of picture and crop: Python rounds half to even, and so must the window."""
    for sample in sampling_samples():
        if not sample.name.startswith("420-"):
            continue
        image, records = source_of(sample)
        size = image.height, image.width
        for crop in [(10, 10), (11, 10), (10, 11), (33, 64), (71, 131), (200, 200)]:
            expected = planes(recipes.APIS[api].center_crop(image, list(crop)))
            window = recipes.center_window(*size, crop)
            for codec, record in records.items():
                found = pixels.decode_resized_crop(record, (0, 0, *size), size, window=window)
                assert_same(found, expected, f"{sample.name}, {codec}, {crop}")


@pytest.mark.parametrize("horizontal", [False, True])
@pytest.mark.parametrize("vertical", [False, True])
def test_flips_come_last(horizontal: bool, vertical: bool) -> None:
    image, records = source("standard-tables")
    for window in random_windows(image.height, image.width, 6, seed=5):
        expected = recipes.v1.resized_crop(image, *window, [30, 41])
        expected = recipes.v1.hflip(expected) if horizontal else expected
        expected = recipes.v1.vflip(expected) if vertical else expected
        for codec, record in records.items():
            found = pixels.decode_resized_crop(
                record, window, (30, 41), flip_horizontal=horizontal, flip_vertical=vertical
            )
            assert_same(found, planes(expected), f"{codec}, window {window}")


@pytest.mark.parametrize("api", recipes.APIS)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_floats_through_a_table(api: str, normalize: bool, dtype: torch.dtype, layout: str) -> None:
    """to_tensor and normalize, v1 (which divides) and v2 (which multiplies), then a cast."""
    convert = recipes.to_float(api, normalize=normalize)
    table = recipes.ramp_table(convert, dtype)
    image, records = source("standard-tables")
    for window in random_windows(image.height, image.width, 5, seed=9):
        small = recipes.v1.hflip(recipes.v1.resized_crop(image, *window, [33, 47]))
        expected = recipes.bits(convert(small).to(dtype))  # type: ignore[operator]
        for codec, record in records.items():
            found = pixels.decode_resized_crop(
                record, window, (33, 47), flip_horizontal=True,
                table=table, dtype=table.dtype, layout=layout,
            )  # fmt: skip
            found = found.transpose(2, 0, 1) if layout == "NHWC" else found
            assert_same(found, expected, f"{codec}, window {window}")


def test_the_tables_of_v1_and_v2_are_not_the_same() -> None:
    """Why a table is made by the user's own transforms, and never by a formula of ours."""
    first = recipes.ramp_table(recipes.to_float("v1", normalize=True))
    second = recipes.ramp_table(recipes.to_float("v2", normalize=True))
    assert (first != second).any()
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)


def test_a_slot_of_a_batch_gets_its_picture_and_its_neighbours_nothing() -> None:
    image, records = source("standard-tables")
    window = (3, 5, 50, 90)
    expected = planes(recipes.v1.resized_crop(image, *window, [20, 24]))
    for record in records.values():
        batch = np.full((3, 3, 20, 24), 7, np.uint8)
        pixels.decode_resized_crop(record, window, (20, 24), out=batch[1])
        assert_same(batch[1], expected, "slot")
        assert (batch[0] == 7).all()
        assert (batch[2] == 7).all()
