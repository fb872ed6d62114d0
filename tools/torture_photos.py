"""A folder of made photos for the torture programmes, large enough to be killed while packing."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["make_source"]

DISTINCT = 12


def make_source(root: Path, photos: int = 240, *, bad: bool = True) -> Path:
    """``photos`` JPEGs of about 60 kB in 4 class folders, and some files that cannot be packed."""
    generator = np.random.default_rng(1)
    files = []
    for number in range(DISTINCT):
        small = generator.integers(0, 256, size=(24, 32 + number, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((480 + 8 * number, 360), Image.Resampling.BICUBIC)
        noisy = np.asarray(image, dtype=np.int16) + generator.integers(
            -24, 24, (*image.size[::-1], 1)
        )
        buffer = BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
        files.append(buffer.getvalue())
    for number in range(photos):
        folder = root / f"class_{number % 4}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"photo_{number:05}.jpg").write_bytes(files[number % DISTINCT])
        if bad and number % 40 == 0:
            (folder / f"photo_{number:05}_bad.jpg").write_bytes(files[0][: number * 7])
    return root
