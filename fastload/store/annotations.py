"""``Annotations``: the labels of all samples, as views of the store's file."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.store.annotation_header import AnnotationHeader
from fastload.store.labels import LabelFile, LabelState, Objects, SampleLabels

__all__ = ["Annotations"]


class Annotations:
    """The labels of a store's N samples; nothing is read before it is asked for.

    Arrays are read-only views of the file, whose checksum was compared when they were first asked
    for. ``offsets`` divide what follows them: the objects of sample i are rows ``offsets[i]`` to
    ``offsets[i + 1]`` of all arrays [M, ...]. ``annotations[i]`` gives one sample's labels.

    Attributes:
        header: what the labels are.
    """

    def __init__(
        self, header: AnnotationHeader, sample_count: int, column: Callable[[str], NDArray[Any]]
    ) -> None:
        self.header = header
        self._count = sample_count
        self._column = column

    def __len__(self) -> int:
        return self._count

    @property
    def states(self) -> NDArray[np.uint8]:
        """A ``LabelState`` a sample, uint8 [N]."""
        return self._column("label_state")

    @property
    def upright(self) -> NDArray[np.uint8]:
        """1 where coordinates count in the picture turned by its EXIF orientation, uint8 [N]."""
        return self._column("label_upright")

    @property
    def image_ids(self) -> NDArray[np.int64] | None:
        """The source's own number of each picture, int64 [N], or None."""
        return self._column("label_image_id") if self.header.image_ids else None

    @property
    def offsets(self) -> NDArray[np.uint64]:
        """Where each sample's objects begin, uint64 [N + 1]."""
        return self._column("objects.offsets")

    @property
    def class_ids(self) -> NDArray[np.int32]:
        """int32 [M]; may lie beyond the class names where the source's do."""
        return self._column("objects.class_id")

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Left, top, right, bottom in pixels, float64 [M, 4]."""
        return self._column("objects.box")

    def field(self, name: str) -> NDArray[Any]:
        """A further fact about each object, [M, ...]; see ``Objects.fields``.

        Raises:
            KeyError: the labels have no such field; ``header.object_fields`` names them.
        """
        if name not in self.header.object_fields:
            raise KeyError(
                f"expected one of the fields {self.header.object_fields}, found {name!r}"
            )
        return self._column(f"objects.{name}")

    @property
    def polygon_offsets(self) -> NDArray[np.uint64] | None:
        """Where each object's polygons begin, uint64 [M + 1], or None without polygons."""
        return self._column("polygons.offsets") if self.header.polygons else None

    @property
    def point_offsets(self) -> NDArray[np.uint64] | None:
        """Where each polygon's points begin, uint64 [polygons + 1], or None."""
        return self._column("points.offsets") if self.header.polygons else None

    @property
    def points(self) -> NDArray[np.float64] | None:
        """Pixels from the left and the top, float64 [points, 2], or None."""
        return self._column("points.xy") if self.header.polygons else None

    @property
    def run_offsets(self) -> NDArray[np.uint64] | None:
        """Where each object's runs begin, uint64 [M + 1], or None without masks."""
        return self._column("runs.offsets") if self.header.masks else None

    @property
    def runs(self) -> NDArray[np.uint32] | None:
        """Lengths of runs, uint32 [runs], or None."""
        return self._column("runs.lengths") if self.header.masks else None

    def corners(self) -> NDArray[np.float64]:
        """Oriented boxes: the four corners of each object, float64 [M, 4, 2], a view.

        Raises:
            ValueError: not every object is one polygon of four points.
        """
        count = len(self.class_ids)
        points, rings, polygons = self.points, self.point_offsets, self.polygon_offsets
        if points is not None and rings is not None and polygons is not None:
            one = np.array_equal(polygons, np.arange(count + 1, dtype=np.uint64))
            if one and np.array_equal(rings, np.arange(count + 1, dtype=np.uint64) * 4):
                return points.reshape(count, 4, 2)
        raise ValueError("oriented boxes: expected one polygon of four points for each object")

    def label_file(self, index: int) -> LabelFile | None:
        """The label file of a sample as it was packed, or None."""
        position = self._check(index)
        if not self.header.label_files:
            return None
        name = self._bytes("label_name", position)
        if not name:
            return None
        return LabelFile(
            name.decode("utf-8", "surrogateescape"),
            self._bytes("label_text", position),
            int(self._column("label_mtime_ns")[position]),
            int(self._column("label_mode")[position]),
        )

    def __getitem__(self, index: int) -> SampleLabels:
        """One sample's labels, as views; ``file`` is None: ``label_file`` gives it.

        Raises:
            IndexError: no such sample.
        """
        position = self._check(index)
        first, last = _span(self.offsets, position)
        ids = self.image_ids
        return SampleLabels(
            LabelState(int(self.states[position])),
            self._objects(first, last),
            bool(self.upright[position]),
            0 if ids is None else int(ids[position]),
        )

    def _objects(self, first: int, last: int) -> Objects:
        rows = slice(first, last)
        values: dict[str, Any] = {}
        polygons, points = self.polygon_offsets, self.point_offsets
        if polygons is not None and points is not None and self.points is not None:
            part = polygons[first : last + 1]
            rings = points[int(part[0]) : int(part[-1]) + 1]
            values["polygon_counts"] = np.diff(part).astype(np.uint32)
            values["point_counts"] = np.diff(rings).astype(np.uint32)
            values["points"] = self.points[int(rings[0]) : int(rings[-1])]
        if self.run_offsets is not None and self.runs is not None:
            part = self.run_offsets[first : last + 1]
            values["run_counts"] = np.diff(part).astype(np.uint32)
            values["runs"] = self.runs[int(part[0]) : int(part[-1])]
        fields = {name: self.field(name)[rows] for name in self.header.object_fields}
        return Objects(self.class_ids[rows], self.boxes[rows], fields, **values)

    def _check(self, index: int) -> int:
        position = operator.index(index)
        if not 0 <= position < self._count:
            raise IndexError(f"expected a sample of 0..{self._count - 1}, found {position}")
        return position

    def _bytes(self, table: str, position: int) -> bytes:
        first, last = _span(self._column(f"{table}.offsets"), position)
        return self._column(f"{table}.bytes")[first:last].tobytes()


def _span(offsets: NDArray[np.uint64], position: int) -> tuple[int, int]:
    return int(offsets[position]), int(offsets[position + 1])
