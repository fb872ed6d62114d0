"""``inspect``: what is in a store, without reading the photos."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.findings import Severity, Tally
from fastload.convert.histograms import SIDE_BINS, Histograms, binned
from fastload.convert.summary import Contents, problems_of
from fastload.store import Store, StoreHeader

__all__ = ["Inspection", "inspect"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What ``inspect`` returns.

    Attributes:
        path: the store; of a remote one, its file of columns in the cache.
        location: the same as text; of a remote store, its URL.
        header: what it says about itself.
        contents: figures over its samples.
        store_bytes: size of its file.
        class_counts: samples by class, in the order of class ids; labelled objects where the store
            has these.
        unclassed: samples without a class; 0 where objects have the classes.
        sides: samples by the longer side in pixels: ``"<= 256"``, ..., ``"> 4096"``.
        sides_quantiles: smallest, median and largest (height, width), each on its own.
        turned: samples with an EXIF orientation other than upright.
        histograms: of classes, sizes, and boxes.
        tally: the problems that packing reported, by kind.
    """

    path: Path
    location: str
    header: StoreHeader
    contents: Contents
    store_bytes: int
    class_counts: dict[str, int]
    unclassed: int
    sides: dict[str, int]
    sides_quantiles: dict[str, tuple[int, int]]
    turned: int
    histograms: Histograms
    tally: Tally

    def as_json(self) -> dict[str, Any]:
        """The figures for programs."""
        header, contents = self.header, self.contents
        return {
            "store": self.location,
            "format_version": header.format_version,
            "store_id": header.store_id,
            "created_by": header.created_by,
            "source": header.source,
            "options": dict(header.options),
            "tile_width": header.tile_width,
            "photos": contents.photos,
            "source_bytes": contents.source_bytes,
            "label_bytes": contents.label_bytes,
            "record_bytes": contents.record_bytes,
            "store_bytes": self.store_bytes,
            "codecs": contents.codecs,
            "formats": contents.formats,
            "splits": contents.splits,
            "classes": self.class_counts,
            "labels": contents.labels,
            "objects": contents.objects,
            "photos_without_class": self.unclassed,
            "longer_side_pixels": self.sides,
            "height_width": {key: list(value) for key, value in self.sides_quantiles.items()},
            "photos_with_orientation": self.turned,
            "histograms": self.histograms.as_json(),
            "photos_with_warnings": contents.with_warnings,
            "photos_reduced": contents.reduced,
            "problems_count": header.problems_count,
            "problems": self.tally.as_json(Severity.PROBLEM),
        }


def inspect(store: str | os.PathLike[str]) -> Inspection:
    """Count what is in ``store``; the photos themselves are not read.

    Raises:
        StoreFormatError: not a store, or a damaged one.
        OSError: the file cannot be opened.
    """
    with Store(store) as opened:
        header = opened.header
        height, width = opened.column("height"), opened.column("width")
        annotations = opened.annotations
        classes = opened.column("class_id") if annotations is None else annotations.class_ids
        # Labels may lie beyond the names.
        classes = classes[classes < len(header.class_names)]
        counts = np.bincount(classes[classes >= 0], minlength=len(header.class_names))
        return Inspection(
            path=opened.path,
            location=opened.location,
            header=header,
            contents=Contents.of(opened),
            store_bytes=opened.store_bytes,
            class_counts=dict(zip(header.class_names, counts.tolist(), strict=False)),
            unclassed=int(np.count_nonzero(classes < 0)),
            sides=binned(np.maximum(height, width), SIDE_BINS),
            sides_quantiles=_quantiles(height, width),
            turned=int(np.count_nonzero(opened.column("orientation") > 1)),
            histograms=Histograms.of(opened),
            tally=Tally(problems_of(opened)),
        )


def _quantiles(height: NDArray[Any], width: NDArray[Any]) -> dict[str, tuple[int, int]]:
    if not len(height):
        return {}
    return {
        "smallest": (int(height.min()), int(width.min())),
        "median": (int(np.median(height)), int(np.median(width))),
        "largest": (int(height.max()), int(width.max())),
    }
