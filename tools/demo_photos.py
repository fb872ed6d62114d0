"""Photo-like JPEGs in class folders: several sizes, subsamplings and codings, always the same.

A photo's entropy comes from its spectrum, which falls with the frequency; so these are made of
noise with that spectrum, over which lies what the class is about.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["CLASSES", "make_folder"]

CLASSES = ("bars", "boxes", "discs", "rings")

#: height, width: what cameras and scrapers leave behind, odd numbers included.
_SIZES = ((375, 500), (500, 375), (333, 499), (480, 640), (768, 1024), (97, 150), (1200, 801))
#: Pillow's names for 4:4:4, 4:2:2 and 4:2:0.
_SUBSAMPLINGS = (2, 2, 0, 1)


def make_folder(folder: Path, count: int) -> None:
    """Make ``count`` photos in ``folder``, unless exactly those are there."""
    stamp = folder / ".made"
    if stamp.is_file() and stamp.read_text() == str(count):
        return
    if folder.exists():
        shutil.rmtree(folder)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(partial(_save, folder), range(count)):
            pass
    stamp.write_text(str(count))


def _save(folder: Path, number: int) -> None:
    name = CLASSES[number % len(CLASSES)]
    random = np.random.default_rng(number)
    height, width = _SIZES[number % len(_SIZES)]
    image = Image.fromarray(_photo(random, name, height, width))
    if number % 29 == 0:
        image = image.convert("L")
    image.save(
        folder / name / f"{number:05d}.jpg",
        quality=int(random.integers(70, 96)),
        subsampling=-1 if image.mode == "L" else _SUBSAMPLINGS[number % len(_SUBSAMPLINGS)],
        progressive=number % 17 == 0,
        optimize=number % 5 == 0,
    )


def _photo(random: np.random.Generator, name: str, height: int, width: int) -> NDArray[np.uint8]:
    """A picture of class ``name``, RGB [height, width, 3]."""
    light, tint = _clouds(random, height, width)
    ground = random.uniform(60, 190, 3)
    pixels = ground + 45 * light[..., None] + 20 * tint[..., None] * random.uniform(-1, 1, 3)
    colour = 255 - ground + random.uniform(-30, 30, 3)
    cover = _shape(random, name, height, width)[..., None]
    pixels = pixels * (1 - cover) + (colour + 30 * light[..., None]) * cover
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _clouds(random: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Two layers of noise whose amplitude falls with the frequency, of mean 0 and deviation 1.

    Returns:
        float32 [2, height, width].
    """
    # Sizes without large prime factors transform several times faster.
    tall, wide = 32 * -(-height // 32), 32 * -(-width // 32)
    down = np.fft.fftfreq(tall)[:, None] * tall
    across = np.fft.fftfreq(wide)[None, :] * wide
    waves = random.standard_normal((2, tall, wide), dtype=np.float32)
    falloff = (1 / (1 + np.hypot(down, across)) ** 1.4).astype(np.float32)
    noise = np.fft.ifft2((waves[0] + 1j * waves[1]) * falloff)[:height, :width]
    layers = np.stack([noise.real, noise.imag])
    layers -= layers.mean(axis=(1, 2), keepdims=True)
    return layers / layers.std(axis=(1, 2), keepdims=True)


def _shape(random: np.random.Generator, name: str, height: int, width: int) -> NDArray[np.float64]:
    """Where the class's shape covers the ground: 0..1 [height, width]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    size = min(height, width) * random.uniform(0.25, 0.4)
    y -= height * random.uniform(0.4, 0.6)
    x -= width * random.uniform(0.4, 0.6)
    if name == "bars":
        inside = size / 6 - np.abs((x + size) % (size * 0.8) - size * 0.4)
    elif name == "boxes":
        inside = size - np.maximum(np.abs(x), np.abs(y))
    elif name == "discs":
        inside = size - np.hypot(x, y)
    else:
        inside = size / 5 - np.abs(np.hypot(x, y) - size)
    return np.clip(inside / 2 + 0.5, 0, 1)
