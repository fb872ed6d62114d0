"""Pixels that are only moved, mirrored or turned gray: no resampling, every width, all layouts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fastload import _core, pixels
from support.compare import assert_same
from support.pictures import picture
from support.records import jpeg_record
from support.samples import save

pytestmark = pytest.mark.usefixtures("each_simd")

IMAGE = picture(6, 81)
WIDTHS = range(1, 71)  # every remainder of what a vector holds


def mirrored(image: np.ndarray, horizontal: bool, vertical: bool) -> np.ndarray:
    """[height, width, ...], as a flip leaves it."""
    return image[:: -1 if vertical else 1, :: -1 if horizontal else 1]


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("horizontal", [False, True])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_crops_are_copies(layout: str, horizontal: bool, vertical: bool) -> None:
    """From pixels of one, three and (out of a JPEG) four bytes."""
    record = jpeg_record(save(IMAGE, quality=95))
    flips = {"flip_horizontal": horizontal, "flip_vertical": vertical}
    for width in WIDTHS:
        left = 81 - width if width % 2 else width % 11  # the last column too
        box, size = (1, left, 5, width), (5, width)
        sources = {
            "gray": (IMAGE[..., 0], pixels.resample),
            "RGB": (IMAGE, pixels.resample),
            "RGBX": (pixels.decode(record), None),
        }
        for name, (whole, call) in sources.items():
            if call is None:
                found = pixels.decode_resized_crop(record, box, size, layout=layout, **flips)
            else:
                found = call(np.ascontiguousarray(whole), size, box=box, layout=layout, **flips)
            expected = mirrored(whole[1:6, left : left + width], horizontal, vertical)
            expected = expected.reshape(5, width, -1)
            if layout == "NCHW":
                expected = expected.transpose(2, 0, 1)
            assert_same(found, expected, f"{name}, {width} wide")


def test_one_side_may_stay() -> None:
    """Where only one pass runs, the other side's pixels are still moved."""
    for width in WIDTHS:
        image = picture(9, width)
        high = pixels.resample(image, (20, width), flip_horizontal=True, layout="NHWC")
        assert_same(high[:, ::-1], pixels.resample(image, (20, width), layout="NHWC"), f"{width}")
        assert_same(
            pixels.resample(image, (20, width), window=(3, 0, 4, width), layout="NHWC"),
            high[3:7, ::-1],
            f"{width}",
        )


def rendered(source: np.ndarray | bytes, ops: list[tuple[object, ...]], **shape: int) -> np.ndarray:
    """uint8 [channels, height, width] that a recipe makes of pixels or of a JPEG file."""
    recipe = _core.Recipe(ops, **shape)
    out = np.zeros((shape["channels"], shape["height"], shape["width"]), np.uint8)
    if isinstance(source, bytes):
        recipe.render_jpeg(source, 0, 0, out)
    else:
        recipe.render(source, 0, 0, out)
    return out


@pytest.mark.pillow
@pytest.mark.exact_pillow
def test_gray_is_pillows_for_every_colour() -> None:
    """All 256^3 of them, an eighth at a time."""
    green, blue = (plane.ravel() for plane in np.mgrid[0:256, 0:256].astype(np.uint8))
    for first in range(0, 256, 32):
        rows = [
            np.stack((np.full_like(green, red), green, blue), 1) for red in range(first, first + 32)
        ]
        image = np.stack(rows)
        height, width = image.shape[:2]
        shape = {"height": height, "width": width, "channels": 1}
        found = rendered(image, [("center_crop", height, width), ("grayscale", 1.0)], **shape)
        assert_same(found[0], np.asarray(Image.fromarray(image).convert("L")), f"red {first}")


@pytest.mark.pillow
@pytest.mark.exact_pillow
@pytest.mark.parametrize("behind_resize", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_gray_of_every_width(channels: int, behind_resize: bool) -> None:
    """Out of a JPEG (four bytes a pixel) and out of an array, before and after resampling."""
    for width in WIDTHS:
        data = save(picture(5, width), quality=95)
        image = _decoded(data)
        height = 7 if behind_resize else 5
        ops: list[tuple[object, ...]] = [("resize", height, width, 2), ("grayscale", 1.0)]
        if not behind_resize:
            ops[0] = ("center_crop", height, width)
        resized = pixels.resample(image, (height, width), layout="NHWC")
        expected = np.asarray(Image.fromarray(resized).convert("L"))
        for source in (data, image):
            found = rendered(source, ops, height=height, width=width, channels=channels)
            for plane in found:
                assert_same(plane, expected, f"{width} wide")


def _decoded(data: bytes) -> np.ndarray:
    return pixels.decode(jpeg_record(data))
