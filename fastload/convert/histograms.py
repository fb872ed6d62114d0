"""How a store's classes, sizes and boxes are spread: counted from columns, no photo is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.originals import original_name
from fastload.store import Annotations, Store

__all__ = ["SIDE_BINS", "Histograms", "binned"]

#: Upper ends of bins; the last one is open.
SIDE_BINS = (64, 128, 256, 384, 512, 640, 768, 1024, 1536, 2048, 4096)
_BYTES_BINS = tuple(step * 10**power for power in range(3, 9) for step in (1, 2, 5))
_OBJECT_BINS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
#: 32 and 96 divide COCO's small, medium and large.
_BOX_BINS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
_SHARE_BINS = (0.1, 0.3, 1, 3, 10, 30, 60, 100)
_SIZES_KEPT = 20
OTHER_SIZES = "other sizes"


@dataclass(frozen=True, slots=True)
class Histograms:
    """Counts by bin; a bin's name is its upper end: ``"<= 256"``, ..., ``"> 4096"``.

    Those of objects are empty where the store has none. Memory does not grow with the store.

    Attributes:
        photos_by_class: photos in which a class occurs, in the order of class ids. Classes beyond
            the names are ``"class 7"``.
        objects_by_class: labelled objects.
        photos_by_objects: photos by their number of objects; those without a label file and those
            with damaged labels are left out.
        photos_by_height_width: the most frequent sizes, ``"480 x 640"``, and ``"other sizes"``.
        photos_by_height: pixels.
        photos_by_width: pixels.
        photos_by_bytes: bytes of the original file.
        objects_by_box_side: square root of the box's area, in pixels.
        objects_by_box_share: percent of the picture's area that the box takes.
        height_by_width: photos [height bin, width bin], both by ``SIDE_BINS``.
    """

    photos_by_class: dict[str, int]
    objects_by_class: dict[str, int]
    photos_by_objects: dict[str, int]
    photos_by_height_width: dict[str, int]
    photos_by_height: dict[str, int]
    photos_by_width: dict[str, int]
    photos_by_bytes: dict[str, int]
    objects_by_box_side: dict[str, int]
    objects_by_box_share: dict[str, int]
    height_by_width: NDArray[np.int64]

    @classmethod
    def of(cls, store: Store) -> Histograms:
        """Count what is in ``store``."""
        height, width = store.column("height"), store.column("width")
        names, annotations = store.header.class_names, store.annotations
        file_bytes = store.column(original_name("source_size", store.column_names))
        if annotations is None:
            photos = _by_class(store.column("class_id"), names)
            objects: dict[str, int] = {}
            counted = dict.fromkeys(("objects", "side", "share"), objects)
        else:
            photos = _by_class(_classes_of_photos(annotations), names)
            objects = _by_class(annotations.class_ids, names)
            counted = _of_objects(annotations, height, width)
        return cls(
            photos_by_class=photos,
            objects_by_class=objects,
            photos_by_objects=counted["objects"],
            photos_by_height_width=_frequent_sizes(height, width),
            photos_by_height=binned(height, SIDE_BINS),
            photos_by_width=binned(width, SIDE_BINS),
            photos_by_bytes=binned(file_bytes, _BYTES_BINS),
            objects_by_box_side=counted["side"],
            objects_by_box_share=counted["share"],
            height_by_width=_grid(height, width),
        )

    def as_json(self) -> dict[str, Any]:
        """The counts for programs."""
        return {
            **{name: getattr(self, name) for name in self.__slots__ if name != "height_by_width"},
            "height_by_width": {
                "side_bins": list(SIDE_BINS),
                "photos": self.height_by_width.tolist(),
            },
        }


def binned(values: NDArray[Any], bins: Sequence[float]) -> dict[str, int]:
    """Counts by bin, from the first that has any to the last."""
    counts = np.bincount(np.searchsorted(bins, values), minlength=len(bins) + 1)
    labels = [f"<= {end:,}" for end in bins] + [f"> {bins[-1]:,}"]
    filled = np.flatnonzero(counts)
    if not len(filled):
        return {}
    shown = slice(int(filled[0]), int(filled[-1]) + 1)
    return dict(zip(labels[shown], counts[shown].tolist(), strict=True))


def _by_class(class_ids: NDArray[np.int32], names: tuple[str, ...]) -> dict[str, int]:
    found, counts = np.unique(class_ids[class_ids >= 0], return_counts=True)
    by_class = dict.fromkeys(names, 0)
    for class_id, count in zip(found.tolist(), counts.tolist(), strict=True):
        name = names[class_id] if class_id < len(names) else f"class {class_id}"
        by_class[name] = by_class.get(name, 0) + count
    return by_class


def _object_counts(annotations: Annotations) -> NDArray[np.int64]:
    """Objects of each photo."""
    offsets = annotations.offsets.astype(np.int64)
    return offsets[1:] - offsets[:-1]


def _classes_of_photos(annotations: Annotations) -> NDArray[np.int32]:
    """The class of each pair of a photo and a class that occurs in it, int32 [pairs]."""
    per_photo = _object_counts(annotations)
    photo = np.repeat(np.arange(len(per_photo), dtype=np.int64), per_photo)
    pairs = np.unique(photo << 31 | annotations.class_ids)
    return (pairs & 0x7FFFFFFF).astype(np.int32)


def _of_objects(
    annotations: Annotations, height: NDArray[Any], width: NDArray[Any]
) -> dict[str, dict[str, int]]:
    per_photo = _object_counts(annotations)
    with np.errstate(over="ignore", invalid="ignore"):  # a box may be of any size
        sides = np.maximum(annotations.boxes[:, 2:] - annotations.boxes[:, :2], 0)
        areas = sides.prod(axis=1)
    picture = np.repeat(height.astype(np.float64) * width, per_photo)
    known = np.isin(annotations.states, (1, 2))  # LabelState.EMPTY and PRESENT
    return {
        "objects": binned(per_photo[known], _OBJECT_BINS),
        "side": binned(np.sqrt(areas), _BOX_BINS),
        "share": binned(100 * areas / np.maximum(picture, 1), _SHARE_BINS),
    }


def _frequent_sizes(height: NDArray[Any], width: NDArray[Any]) -> dict[str, int]:
    pairs = height.astype(np.uint64) << np.uint64(32) | width
    found, counts = np.unique(pairs, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    sizes = {
        f"{int(found[place]) >> 32} x {int(found[place]) & 0xFFFFFFFF}": int(counts[place])
        for place in order[:_SIZES_KEPT].tolist()
    }
    others = int(counts[order[_SIZES_KEPT:]].sum())
    return {**sizes, OTHER_SIZES: others} if others else sizes


def _grid(height: NDArray[Any], width: NDArray[Any]) -> NDArray[np.int64]:
    side = len(SIDE_BINS) + 1
    place = np.searchsorted(SIDE_BINS, height) * side + np.searchsorted(SIDE_BINS, width)
    return np.bincount(place, minlength=side * side).reshape(side, side)
