"""Bars of the rates."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any


def bars(path: Path, modes: dict[str, list[dict[str, Any]]], caption: str) -> None:
    """Draw a row of bars a loader, a panel a mode.

    Args:
        path: of the picture; its suffix tells the format.
        modes: mode -> rows with label, images_per_second (median, min, max), ratio, ours.
        caption: below the panels.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    most = max(len(rows) for rows in modes.values())
    figure, panels = plt.subplots(
        1, len(modes), figsize=(6.5 * len(modes), 1.3 + 0.42 * most), squeeze=False
    )
    for panel, (mode, rows) in zip(panels[0], modes.items(), strict=True):
        rows = sorted(rows, key=lambda row: row["images_per_second"]["median"])
        rates = [row["images_per_second"]["median"] for row in rows]
        ends = [
            [row["images_per_second"]["median"] - row["images_per_second"]["min"] for row in rows],
            [row["images_per_second"]["max"] - row["images_per_second"]["median"] for row in rows],
        ]
        colors = ["#d1495b" if row["ours"] else "#8d99ae" for row in rows]
        labels = [row["label"] for row in rows]
        panel.barh(labels, rates, color=colors, xerr=ends, ecolor="#444444", capsize=2)
        for place, (row, rate) in enumerate(zip(rows, rates, strict=True)):
            text = f"  {rate:,.0f}  ({row['ratio']:.1f}x)"
            panel.text(row["images_per_second"]["max"], place, text, va="center", fontsize=9)
        panel.set_xlim(0, max(row["images_per_second"]["max"] for row in rows) * 1.3)
        panel.set_title(f"{mode}: images a second")
        panel.spines[["top", "right"]].set_visible(False)
    figure.text(0.01, 0.01, textwrap.fill(caption, 95 * len(modes)), fontsize=7.5, color="#555555")
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, dpi=130)
    plt.close(figure)
