"""How far one loader's values are from another's."""

from __future__ import annotations

from typing import Any

import numpy as np
from peers.protocol import MEAN, STD


def deviation(found: np.ndarray, expected: np.ndarray) -> dict[str, Any]:
    """Compare normalized images, in steps of a pixel's 0..255.

    Args:
        found, expected: float32 [N, 3, height, width].
    """
    step = np.array(STD, np.float32).reshape(1, 3, 1, 1) * 255
    differences = np.abs(found - expected) * step
    return {
        "bit_equal": bool(np.array_equal(found, expected)),
        "mean_steps": float(differences.mean()),
        "max_steps": float(differences.max()),
        "differing_share": float((differences > 0.5).mean()),
    }


def plausible(found: np.ndarray) -> str | None:
    """Why random crops cannot be photos normalized as asked, or None."""
    pixels = found * np.array(STD, np.float32).reshape(1, 3, 1, 1)
    pixels += np.array(MEAN, np.float32).reshape(1, 3, 1, 1)
    low, high, spread = float(pixels.min()), float(pixels.max()), float(pixels.std())
    if not np.isfinite(pixels).all() or low < -0.01 or high > 1.01 or spread < 0.02:
        return f"expected values of photos, found {low:.3f}..{high:.3f} with deviation {spread:.3f}"
    if np.array_equal(found[0], found[1]):
        return "the first two images are the same"
    return None
