"""Windows of a picture to decode: every edge and corner, single pixels, and random ones."""

from __future__ import annotations

import zlib

import numpy as np

Window = tuple[int, int, int, int]  # top, left, height, width


def edge_windows(height: int, width: int) -> list[Window]:
    """Windows that touch each edge and corner, one-pixel ones and ones off every border."""
    tall, wide = max(1, height // 3), max(1, width // 3)
    tops = sorted({0, (height - tall) // 2, height - tall})
    lefts = sorted({0, (width - wide) // 2, width - wide})
    found = [(top, left, tall, wide) for top in tops for left in lefts]
    corners = [(y, x) for y in {0, height - 1} for x in {0, width - 1}]
    found += [(y, x, 1, 1) for y, x in [*corners, (height // 2, width // 2)]]
    found += [(0, 0, height, width), (0, 0, height, 1), (0, width - 1, height, 1)]
    found += [(0, 0, 1, width), (height - 1, 0, 1, width)]
    if height > 2 and width > 2:
        found.append((1, 1, height - 2, width - 2))
    for border in range(8, max(height, width), 8):  # both sides of each block's border, in turn
        if border < width:
            found.append((height // 4, border - 1, height - height // 4, 2))
        if border < height:
            found.append((border - 1, width // 4, 2, width - width // 4))
    return list(dict.fromkeys(found))


def random_windows(height: int, width: int, count: int, *, seed: int = 0) -> list[Window]:
    """``count`` windows of any size and place; the same ones for the same arguments."""
    key = zlib.crc32(f"{height} {width} {seed}".encode())
    generator = np.random.Generator(np.random.PCG64(key))
    found = []
    for _ in range(count):
        tall = int(generator.integers(1, height + 1))
        wide = int(generator.integers(1, width + 1))
        top = int(generator.integers(0, height - tall + 1))
        left = int(generator.integers(0, width - wide + 1))
        found.append((top, left, tall, wide))
    return found
