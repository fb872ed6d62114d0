"""Real photos, where there are any: tiles, windows and resized crops, against Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastload import jpeg, pixels
from fastload.errors import NotTileableError
from fastload.records import decode_record, source_bytes
from support import photos
from support.compare import assert_same, assert_windows
from support.records import jpeg_record, tile_record
from support.reference import PILLOW_IS_SIMD, pillow_rgb
from support.windows import random_windows

pytestmark = [
    pytest.mark.pillow,
    pytest.mark.slow,
    pytest.mark.skipif(not photos.FOLDER.is_dir(), reason=photos.ABSENT_REASON),
]

FILES = [
    *photos.find("imagenet", 40), *photos.find("bccd", 20), *photos.find("orientation"),
]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_photo_is_exact_in_every_way(path: Path) -> None:
    """Restored byte for byte; whole, windows and a resized crop equal to Pillow's."""
    data = path.read_bytes()
    expected = pillow_rgb(data)
    height, width = expected.shape[:2]
    assert jpeg.check(data) == 0
    records = {"own bytes": jpeg_record(data)}
    try:
        records["tiles"] = tile_record(data)
    except NotTileableError:
        assert jpeg.parse_header(data).progressive or width < 64
    else:
        assert source_bytes(decode_record(records["tiles"])) == data
    windows = random_windows(height, width, 6)
    third = (height // 3 + 1, width // 3 + 1)
    windows += [(0, 0, *third), (height - third[0], width - third[1], *third)]
    for codec, record in records.items():
        assert_same(pixels.decode(record), expected, codec)
        assert_windows(record, expected, windows, codec)
        if PILLOW_IS_SIMD:
            continue
        for window in windows[:3]:
            top, left, tall, wide = window
            crop = Image.fromarray(expected).crop((left, top, left + wide, top + tall))
            resized = np.asarray(crop.resize((224, 224), Image.Resampling.BILINEAR))
            found = pixels.decode_resized_crop(record, window, (224, 224), layout="NHWC")
            assert_same(found, resized, f"{codec}, window {window}")


def test_nearly_all_photos_are_tiled() -> None:
    """The reason for tiles: it holds for real photos, not just for made ones."""
    tiled = 0
    for path in FILES:
        try:
            jpeg.tile(path.read_bytes())
            tiled += 1
        except NotTileableError:
            continue
    assert tiled >= 0.9 * len(FILES)
