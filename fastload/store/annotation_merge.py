"""One description of the labels of several stores, and their labels made to fit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.errors import PackError
from fastload.store.annotation_header import OPTIONAL_FIELDS, AnnotationHeader
from fastload.store.labels import Objects, SampleLabels

__all__ = ["LabelAdapter", "merged_annotations"]


def merged_annotations(headers: Sequence[AnnotationHeader]) -> AnnotationHeader:
    """What holds the labels of all of them, but for the attached files and the categories' ids.

    Args:
        headers: one or more, those of stores that have any.

    Raises:
        PackError: their keypoints are not the same ones.
    """
    first = headers[0]
    if all(replace(h, files=(), category_ids=()) == replace(first, files=(), category_ids=())
           for h in headers):  # fmt: skip
        return replace(first, files=(), category_ids=())
    with_objects = [header for header in headers if header.objects]
    fields = {name for header in with_objects for name in header.object_fields}
    keypoints = {
        (header.keypoint_shape, header.keypoint_names): header
        for header in with_objects
        if header.keypoint_shape
    }
    if len(keypoints) > 1:
        raise PackError(
            f"keypoints: expected the same in all stores, found {' and '.join(map(str, keypoints))}"
        )
    points = next(iter(keypoints.values()), None)
    return AnnotationHeader(
        layout=_common([header.layout for header in headers], "merged"),
        profile=_common([header.profile for header in headers], ""),
        objects=bool(with_objects),
        object_fields=tuple(name for name in OPTIONAL_FIELDS if name in fields),
        polygons=any(header.polygons for header in with_objects),
        masks=any(header.masks for header in with_objects),
        image_ids=bool(with_objects) and all(header.image_ids for header in with_objects),
        label_files=any(header.label_files for header in headers),
        keypoint_shape=points.keypoint_shape if points else (),
        keypoint_names=points.keypoint_names if points else (),
        keypoint_flip=points.keypoint_flip if points else (),
        skeleton=points.skeleton if points else (),
    )


class LabelAdapter:
    """Makes a store's labels fit another's description.

    What labels do not state is filled in: an object that is not said to be crowded, difficult,
    truncated or occluded is not; its area is its box's, its keypoints are not visible, its id is 0.

    Args:
        target: what they are to fit.
        class_ids: the new id of each class id; None: they stay. Ids beyond are refused.
    """

    def __init__(self, target: AnnotationHeader, class_ids: NDArray[np.int32] | None) -> None:
        self._target = target
        self._class_ids = class_ids
        self._fills: dict[str, Callable[[Objects], NDArray[Any]]] = {
            "area": _box_areas,
            "id": lambda objects: np.zeros(len(objects), np.int64),
            "keypoints": lambda objects: np.zeros((len(objects), *target.keypoint_shape)),
        }

    def adapt(self, labels: SampleLabels) -> SampleLabels:
        """The labels, fitting.

        Raises:
            PackError: an object's class has no name.
        """
        objects, target = labels.objects, self._target
        if not len(objects):
            return replace(labels, objects=Objects())
        count = len(objects)
        fields = {
            name: objects.fields[name] if name in objects.fields else self._fill(name, objects)
            for name in target.object_fields
        }
        adapted = replace(objects, class_ids=self._classes(objects.class_ids), fields=fields)
        if target.polygons and objects.polygon_counts is None:
            adapted = replace(adapted, polygon_counts=np.zeros(count, np.uint32))
        if target.masks and objects.run_counts is None:
            adapted = replace(adapted, run_counts=np.zeros(count, np.uint32))
        return replace(labels, objects=adapted)

    def _classes(self, class_ids: NDArray[np.int32]) -> NDArray[np.int32]:
        if self._class_ids is None:
            return class_ids
        most = int(class_ids.max())
        if most >= len(self._class_ids):
            raise PackError(
                f"class {most}: expected one of the {len(self._class_ids)} that have names, as "
                "classes are brought together by their names"
            )
        return self._class_ids[class_ids]

    def _fill(self, name: str, objects: Objects) -> NDArray[Any]:
        fill = self._fills.get(name)
        return np.zeros(len(objects), np.uint8) if fill is None else fill(objects)


def _box_areas(objects: Objects) -> NDArray[np.float64]:
    left, top, right, bottom = objects.boxes.T
    return np.asarray((right - left) * (bottom - top))


def _common(values: Sequence[str], otherwise: str) -> str:
    return values[0] if len(set(values)) == 1 else otherwise
