"""Deterministic pictures: smooth shades, hard edges and noise, so that every coefficient occurs."""

from __future__ import annotations

import zlib

import numpy as np


def picture(height: int, width: int, *, seed: int = 0, noise: float = 24.0) -> np.ndarray:
    """A made RGB picture, uint8 [height, width, 3]; the same for the same arguments."""
    key = zlib.crc32(f"{height} {width} {seed}".encode())
    generator = np.random.Generator(np.random.PCG64(key))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    phases = generator.uniform(0, 6.28, size=(3, 2))
    speeds = generator.uniform(0.02, 0.35, size=(3, 2))
    planes = [
        128
        + 70 * np.sin(speeds[c, 0] * x + phases[c, 0])
        + 50 * np.cos(speeds[c, 1] * y + phases[c, 1])
        for c in range(3)
    ]
    image = np.stack(planes, axis=2)
    for _ in range(3):  # flat patches with sharp borders in strong colours
        top, left = generator.integers(0, height), generator.integers(0, width)
        bottom, right = top + height // 3 + 1, left + width // 3 + 1
        image[top:bottom, left:right] = generator.integers(0, 256, size=3)
    image += generator.normal(0, noise, size=image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
