"""A plot as they are drawn behind an epoch; a background process imports it by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def draw(matrix: np.ndarray[Any, Any], path: str) -> None:
    """A confusion matrix with its figures, and two curves, as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(12, 6))
    axes[0].imshow(matrix, cmap="Blues")
    for row, column in np.ndindex(*matrix.shape):
        axes[0].text(column, row, f"{matrix[row, column]:.0f}", ha="center", size=5)
    axes[1].plot(np.cumsum(matrix.sum(0)))
    axes[1].plot(np.cumsum(matrix.sum(1)))
    figure.savefig(path, dpi=150)
    plt.close(figure)


def is_png(path: Path) -> bool:
    """Whether a plot was written whole."""
    data = path.read_bytes()
    return data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND"
