"""``plot_histograms``: an inspection's histograms as one picture."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastload.convert.counted import counted
from fastload.convert.histograms import SIDE_BINS
from fastload.convert.names import printable
from fastload.convert.output_file import write_output
from fastload.errors import MissingLibraryError, PackError

if TYPE_CHECKING:
    from fastload.convert.inspector import Inspection

__all__ = ["plot_histograms"]

_CLASSES_SHOWN = 40
_COLOUR = "#3878c0"


def plot_histograms(inspection: Inspection, out: str | os.PathLike[str]) -> None:
    """Draw the histograms of ``inspection`` into the file ``out``.

    Args:
        inspection: what ``inspect`` returned.
        out: its ending says in which format: .png, .svg, .pdf, ...

    Raises:
        MissingLibraryError: matplotlib is not installed.
        NoSpaceError: the disk of ``out`` is full.
        PackError: matplotlib does not write such files, or ``out`` cannot be written.
    """
    figure, formats = _figure()
    ending = os.path.splitext(os.fspath(out))[1].lower().lstrip(".")
    if ending not in formats:
        raise PackError(f"{out}: expected a name that ends in one of {', '.join(sorted(formats))}")
    found = inspection.histograms
    charts: list[tuple[str, dict[str, int]]] = [
        ("Photos a class", _most(found.photos_by_class)),
        ("Objects a class", _most(found.objects_by_class)),
        ("Objects a photo", found.photos_by_objects),
        ("Height, pixels", found.photos_by_height),
        ("Width, pixels", found.photos_by_width),
        ("Bytes a photo", found.photos_by_bytes),
        ("Side of boxes, pixels (root of the area)", found.objects_by_box_side),
        ("Boxes, percent of the picture", found.objects_by_box_share),
    ]
    charts = [(title, counts) for title, counts in charts if counts]
    columns = 3
    rows = -(-(len(charts) + 1) // columns)
    figure.set_size_inches(15, 4.5 * rows)
    for place, (title, counts) in enumerate(charts, start=1):
        _bars(figure.add_subplot(rows, columns, place), title, counts)
    axes = figure.add_subplot(rows, columns, len(charts) + 1)
    _grid(figure, axes, found.height_by_width)
    title = f"{inspection.path.name}: {counted(inspection.contents.photos, 'photo')}"
    figure.suptitle(_plain(title))
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending)
    write_output(out, buffer.getvalue(), inspection.path)


def _figure() -> tuple[Any, set[str]]:
    """A figure without a window, and the formats it can be written in."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingLibraryError(
            "histograms as a picture need matplotlib: pip install 'fastload[plot]'; "
            "without it, they are shown in the terminal and given by --json"
        ) from error
    figure = Figure()
    return figure, set(figure.canvas.get_supported_filetypes())


def _most(counts: dict[str, int]) -> dict[str, int]:
    """All classes, in their order; or the most frequent ones where they are too many."""
    if len(counts) <= _CLASSES_SHOWN:
        return counts
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    rest = sum(count for _, count in ranked[_CLASSES_SHOWN:])
    return dict(ranked[:_CLASSES_SHOWN]) | {f"{len(ranked) - _CLASSES_SHOWN} others": rest}


def _bars(axes: Any, title: str, counts: dict[str, int]) -> None:
    places = np.arange(len(counts))
    axes.bar(places, list(counts.values()), color=_COLOUR)
    size = 8 if len(counts) <= 20 else 5
    axes.set_xticks(places, [_plain(name)[:24] for name in counts], rotation=90, fontsize=size)
    axes.set_title(title, fontsize=10)


def _grid(figure: Any, axes: Any, counts: Any) -> None:
    shown = np.where(counts > 0, counts, np.nan)
    image = axes.imshow(
        shown, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=max(1, counts.max())
    )
    labels = [f"<= {end}" for end in SIDE_BINS] + [f"> {SIDE_BINS[-1]}"]
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_xlabel("width", fontsize=8)
    axes.set_ylabel("height", fontsize=8)
    axes.set_title("Photos by height and width", fontsize=10)
    figure.colorbar(image, ax=axes)


def _plain(text: str) -> str:
    """A text that matplotlib neither reads as a formula nor warns about."""
    escaped = printable(text).encode("latin-1", "backslashreplace").decode("latin-1")
    return escaped.replace("$", r"\$")
