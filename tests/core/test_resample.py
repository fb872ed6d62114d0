"""Crop, resize, window and flip equal the installed Pillow bit for bit, with AVX2 and without."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fastload import pixels
from support.compare import assert_same
from support.pictures import picture
from support.reference import PILLOW_IS_SIMD, SIMD_REASON
from support.two_pass import resample_horizontal_first, resample_vertical_first
from support.windows import edge_windows, random_windows

pytestmark = [pytest.mark.pillow, pytest.mark.usefixtures("each_simd")]

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

# (source height, width), (resized height, width)
SIZES = [
    ((40, 60), (20, 30)),  # both smaller by a whole factor
    ((37, 53), (64, 91)),  # both larger
    ((90, 31), (17, 64)),  # one of each
    ((31, 90), (64, 17)),
    ((50, 50), (50, 23)),  # one side stays: Pillow leaves that pass out
    ((50, 50), (23, 50)),
    ((50, 47), (50, 47)),  # both stay: a copy
    ((1, 1), (5, 7)),
    ((3, 2), (2, 1)),
    ((2, 300), (9, 11)),
    ((300, 2), (11, 9)),  # over 100 times as tall as wide: Pillow 12.2 has a rule of its own
    ((300, 200), (1, 1)),
    ((5, 4), (80, 90)),
    ((333, 500), (224, 224)),
]


def pillow_resize(
    image: np.ndarray,
    size: tuple[int, int],
    filter_name: str,
    box: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Pillow's crop to ``box`` (top, left, height, width) and resize to (height, width)."""
    if PILLOW_IS_SIMD:
        pytest.skip(SIMD_REASON)
    picture_ = Image.fromarray(image)
    if box is not None:
        top, left, height, width = box
        picture_ = picture_.crop((left, top, left + width, top + height))
    return np.asarray(picture_.resize((size[1], size[0]), FILTERS[filter_name]))


def ours(image: np.ndarray, size: tuple[int, int], **options: object) -> np.ndarray:
    """`pixels.resample` as [height, width, channels]."""
    return pixels.resample(image, size, layout="NHWC", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("filter_name", FILTERS)
@pytest.mark.parametrize(("source", "size"), SIZES)
def test_whole_pictures_equal_pillow(
    source: tuple[int, int], size: tuple[int, int], filter_name: str
) -> None:
    image = picture(*source)
    expected = pillow_resize(image, size, filter_name)
    assert_same(ours(image, size, filter=filter_name), expected, f"{source} to {size}")


@pytest.mark.parametrize("filter_name", FILTERS)
def test_hard_contrasts_do_not_overflow(filter_name: str) -> None:
    generator = np.random.Generator(np.random.PCG64(1))
    image = generator.integers(0, 2, (61, 83, 3), dtype=np.uint8) * np.uint8(255)
    for size in [(200, 190), (30, 31), (61, 200), (7, 83)]:
        expected = pillow_resize(image, size, filter_name)
        assert_same(ours(image, size, filter=filter_name), expected, f"to {size}")


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_flat_pictures_stay_flat(value: int) -> None:
    image = np.full((33, 47, 3), value, np.uint8)
    for filter_name in FILTERS:
        found = ours(image, (224, 20), filter=filter_name)
        assert_same(found, np.full((224, 20, 3), value, np.uint8), filter_name)


def test_random_sizes_and_boxes_equal_pillow() -> None:
    generator = np.random.Generator(np.random.PCG64(2))
    names = list(FILTERS)
    for case in range(300):
        height, width = (int(n) for n in generator.integers(1, 160, 2))
        image = picture(height, width, seed=case)
        (box,) = random_windows(height, width, 1, seed=case)
        size = (int(generator.integers(1, 160)), int(generator.integers(1, 160)))
        name = names[case % len(names)]
        expected = pillow_resize(image, size, name, box)
        found = ours(image, size, filter=name, box=box)
        assert_same(found, expected, f"{name}, {height} x {width}, box {box}, to {size}")


def test_the_box_hides_what_lies_outside() -> None:
    image = picture(60, 70)
    other = np.full_like(image, 255)
    other[10:40, 20:50] = image[10:40, 20:50]
    for name in FILTERS:
        first = ours(image, (45, 33), filter=name, box=(10, 20, 30, 30))
        assert_same(ours(other, (45, 33), filter=name, box=(10, 20, 30, 30)), first, name)


@pytest.mark.parametrize("filter_name", FILTERS)
@pytest.mark.parametrize(("source", "size"), [((70, 90), (48, 41)), ((20, 90), (48, 41))])
def test_windows_equal_the_whole_result(
    source: tuple[int, int], size: tuple[int, int], filter_name: str
) -> None:
    image = picture(*source)
    whole = pillow_resize(image, size, filter_name)
    for window in edge_windows(*size) + random_windows(*size, 10):
        top, left, height, width = window
        expected = whole[top : top + height, left : left + width]
        assert_same(ours(image, size, filter=filter_name, window=window), expected, f"{window}")


@pytest.mark.parametrize("size", [(48, 41), (70, 41), (48, 90), (70, 90)])
@pytest.mark.parametrize(("horizontal", "vertical"), [(1, 0), (0, 1), (1, 1)])
def test_flips_turn_the_window(size: tuple[int, int], horizontal: int, vertical: int) -> None:
    image = picture(70, 90)
    for window in [(0, 0, *size), (3, 5, 20, 31), (-4, -6, size[0] + 9, size[1] + 13)]:
        options = {"window": window, "fill": (9, 200, 77)}
        expected = ours(image, size, **options)
        if horizontal:
            expected = expected[:, ::-1]
        if vertical:
            expected = expected[::-1]
        found = ours(
            image,
            size,
            flip_horizontal=bool(horizontal),
            flip_vertical=bool(vertical),
            **options,
        )
        assert_same(found, expected, f"{window}")


def test_beyond_the_picture_lies_the_fill_colour() -> None:
    image = picture(30, 40)
    whole = pillow_resize(image, (20, 20), "bilinear")
    padded = np.empty((50, 60, 3), np.uint8)
    padded[:] = (1, 2, 3)
    padded[15:35, 15:35] = whole
    for top, left, height, width in edge_windows(50, 60) + random_windows(50, 60, 20):
        found = ours(image, (20, 20), window=(top - 15, left - 15, height, width), fill=(1, 2, 3))
        expected = padded[top : top + height, left : left + width]
        assert_same(found, expected, f"{(top, left, height, width)}")


def test_gray_pictures_equal_pillow() -> None:
    image = picture(61, 45)[:, :, 0].copy()
    for name in FILTERS:
        expected = pillow_resize(image, (30, 77), name)
        assert_same(ours(image, (30, 77), filter=name).reshape(30, 77), expected, name)


# The next ones show passes in both orders, whatever the installed Pillow does.


@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("source", "size"), [((90, 60), (20, 50)), ((60, 45), (33, 90))])
def test_pillow_11_runs_columns_first(
    source: tuple[int, int], size: tuple[int, int], filter_name: str
) -> None:
    image = picture(*source)
    expected = resample_horizontal_first(image, size, filter_name)
    found = ours(image, size, filter=filter_name, pillow_major=11)
    assert_same(found, expected, f"{source} to {size}")


@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
def test_pillow_13_runs_rows_first_where_the_height_shrinks_more(filter_name: str) -> None:
    image = picture(90, 60)
    columns_first, rows_first = resample_horizontal_first, resample_vertical_first
    for size, reference in [
        ((20, 50), rows_first),  # 70 rows less, 10 columns less
        ((49, 40), rows_first),  # 41 and 20
        ((50, 40), columns_first),  # 40 and 20: not more than twice as many
        ((120, 110), columns_first),  # larger
        ((89, 70), rows_first),  # 1 row less, more columns
    ]:
        found = ours(image, size, filter=filter_name, pillow_major=13)
        assert_same(found, reference(image, size, filter_name), f"to {size}")


def test_the_order_is_settled_by_the_whole_resize_not_the_window() -> None:
    image = picture(90, 60)
    whole = resample_vertical_first(image, (20, 50), "bilinear")
    for window in random_windows(20, 50, 20):
        top, left, height, width = window
        found = ours(image, (20, 50), window=window, pillow_major=13)
        assert_same(found, whole[top : top + height, left : left + width], f"{window}")


def test_orders_differ_where_they_matter() -> None:
    """Otherwise the two tests above would show nothing."""
    image = picture(90, 60)
    first = resample_horizontal_first(image, (20, 50), "bilinear")
    assert (first != resample_vertical_first(image, (20, 50), "bilinear")).any()


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((0, 5), {}),
        ((5, -1), {}),
        ((5, 5), {"box": (0, 0, 31, 10)}),
        ((5, 5), {"box": (-1, 0, 10, 10)}),
        ((5, 5), {"box": (0, 0, 0, 10)}),
        ((5, 5), {"box": (0, 35, 10, 10)}),
        ((5, 5), {"window": (0, 0, 0, 3)}),
        ((5, 5), {"filter": "gaussian"}),
        ((1 << 30, 5), {}),
    ],
)
def test_impossible_sizes_are_refused(size: tuple[int, int], options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ours(picture(30, 40), size, **options)
