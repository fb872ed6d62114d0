"""Points are turned as pixels are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from fastload.convert.labelled import PhotoSize
from fastload.convert.orientation import upright_boxes, upright_picture, upright_points


@pytest.mark.parametrize("orientation", range(9))
def test_a_marked_pixel_is_where_the_point_says(orientation: int) -> None:
    image = Image.new("L", (5, 3))
    image.putpixel((4, 1), 255)
    image.getexif()[0x0112] = orientation
    turned = upright_picture(image, orientation)
    assert turned.tobytes() == (ImageOps.exif_transpose(image) or image).tobytes()
    size = PhotoSize(3, 5, orientation)
    assert (turned.height, turned.width) == size.upright
    ((x, y),) = upright_points(np.array([[4.5, 1.5]]), size)
    assert np.asarray(turned)[int(y), int(x)] == 255
    box = upright_boxes(np.array([[4.0, 1.0, 5.0, 2.0]]), size)[0]
    np.testing.assert_array_equal(box, [x - 0.5, y - 0.5, x + 0.5, y + 0.5])
