"""The labels of one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LabelFile", "LabelState", "Objects", "SampleLabels"]


class LabelState(IntEnum):
    """What the source says about a sample; part of the format.

    MISSING: nothing: there is no label file, or the annotations do not name the picture.
    EMPTY: that there is no object in it.
    PRESENT: objects.
    DAMAGED: something that cannot be read; the store's problems say what.
    """

    MISSING = 0
    EMPTY = 1
    PRESENT = 2
    DAMAGED = 3


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A sample's own label file.

    Attributes:
        name: relative path with "/", as the samples' names.
        text: its bytes.
        mtime_ns: time of its last change, ns since 1970.
        mode: its ``st_mode``.
    """

    name: str
    text: bytes
    mtime_ns: int = 0
    mode: int = 0


@dataclass(frozen=True, eq=False)
class Objects:
    """The M objects of a sample (or of many), as arrays.

    Attributes:
        class_ids: int32 [M], 0 or more; may lie beyond the class names where the source's do.
        boxes: float64 [M, 4]: left, top, right, bottom in pixels; a pixel is 1 wide and the first
            begins at 0.
        fields: further facts by name, [M, ...] each; see ``AnnotationHeader.object_fields``:
            crowd, difficult, truncated, occluded (uint8), id (int64), area (float64), keypoints
            (float64 [M, K, 2 or 3]: x, y in pixels, and visibility 0, 1 or 2).
        polygon_counts: uint32 [M]: polygons of each object.
        point_counts: uint32 [polygons]: points of each polygon.
        points: float64 [points, 2]: x, y in pixels.
        run_counts: uint32 [M]: runs of each object's mask; 0: it has none.
        runs: uint32 [runs]: lengths of runs of pixels outside and inside, in turn, down the
            columns from left to right, as in COCO.
    """

    class_ids: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)))
    fields: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    polygon_counts: NDArray[np.uint32] | None = None
    point_counts: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    points: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    run_counts: NDArray[np.uint32] | None = None
    runs: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))

    def __len__(self) -> int:
        return len(self.class_ids)

    @classmethod
    def of(
        cls,
        class_ids: ArrayLike,
        boxes: ArrayLike,
        *,
        fields: Mapping[str, ArrayLike] | None = None,
        polygons: Sequence[Sequence[ArrayLike]] | None = None,
        masks: Sequence[ArrayLike] | None = None,
    ) -> Objects:
        """Objects from lists: ``polygons`` and ``masks`` have an item an object (maybe empty)."""
        every = [ring for rings_of_one in polygons or () for ring in rings_of_one]
        rings = [np.asarray(ring, np.float64).reshape(-1, 2) for ring in every]
        runs = [np.asarray(mask, np.uint32).reshape(-1) for mask in masks or ()]
        none = np.empty(0, np.uint32)
        return cls(
            np.asarray(class_ids, np.int32).reshape(-1),
            np.asarray(boxes, np.float64).reshape(-1, 4),
            {name: np.asarray(values) for name, values in (fields or {}).items()},
            None if polygons is None else _lengths(polygons),
            _lengths(rings),
            np.concatenate([np.empty((0, 2)), *rings]),
            None if masks is None else _lengths(runs),
            np.concatenate([none, *runs]),
        )

    def first(self, count: int) -> Objects:
        """The first ``count`` objects; views."""
        polygons = 0 if self.polygon_counts is None else int(self.polygon_counts[:count].sum())
        runs = 0 if self.run_counts is None else int(self.run_counts[:count].sum())
        return Objects(
            self.class_ids[:count],
            self.boxes[:count],
            {name: values[:count] for name, values in self.fields.items()},
            None if self.polygon_counts is None else self.polygon_counts[:count],
            self.point_counts[:polygons],
            self.points[: int(self.point_counts[:polygons].sum())],
            None if self.run_counts is None else self.run_counts[:count],
            self.runs[:runs],
        )

    @property
    def polygons(self) -> list[list[NDArray[np.float64]]]:
        """A list an object of its polygons, float64 [points, 2] each; views."""
        if self.polygon_counts is None:
            return [[] for _ in range(len(self))]
        ends = np.cumsum(self.point_counts)[:-1]
        rings = np.split(self.points, ends) if len(self.point_counts) else []
        stops = np.cumsum(self.polygon_counts).tolist()
        counts = self.polygon_counts.tolist()
        return [rings[stop - count : stop] for stop, count in zip(stops, counts, strict=True)]

    @property
    def masks(self) -> list[NDArray[np.uint32]]:
        """The runs of each object's mask, uint32 [runs]; empty where it has none; views."""
        if self.run_counts is None:
            return [np.empty(0, np.uint32) for _ in range(len(self))]
        return np.split(self.runs, np.cumsum(self.run_counts)[:-1]) if len(self) else []


@dataclass(frozen=True, eq=False)
class SampleLabels:
    """What a sample's labels are.

    Attributes:
        state: whether there are any.
        objects: they; none unless ``state`` is PRESENT.
        upright: coordinates count in the picture turned upright by its EXIF orientation; False: in
            the picture as it is stored.
        image_id: the source's own number of the picture.
        file: the label file, or None.
    """

    state: LabelState = LabelState.MISSING
    objects: Objects = field(default_factory=Objects)
    upright: bool = True
    image_id: int = 0
    file: LabelFile | None = None


def _lengths(items: Sequence[Sized]) -> NDArray[np.uint32]:
    return np.array([len(item) for item in items], np.uint32)
