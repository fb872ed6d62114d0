"""The annotations of one image of a COCO JSON, as objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastload.convert.labelled import MAX_COORDINATE, LabelError, shown
from fastload.convert.sources.coco.numbers import whole
from fastload.convert.sources.coco.rle import runs_of
from fastload.store import Objects

__all__ = ["CocoRules", "objects_of"]

_ID_LIMIT = 1 << 63
_NUMBERS = frozenset({int, float})
_LEAST_COORDINATES = 6  # of a polygon


@dataclass(frozen=True, slots=True)
class CocoRules:
    """What annotations may refer to.

    Attributes:
        class_ids: category id -> class id.
        keypoint_counts: category id -> how many it names.
        keypoint_count: the most of these; 0: annotations have none.
    """

    class_ids: dict[int, int]
    keypoint_counts: dict[int, int]
    keypoint_count: int = 0


def objects_of(
    annotations: Sequence[tuple[int, dict[Any, Any]]],
    rules: CocoRules,
    size: tuple[int, int] | None,
) -> tuple[Objects, list[str]]:
    """The objects, and what there is to remark.

    Args:
        annotations: (place in the file's list, annotation) of one image.
        rules: what they may refer to.
        size: the image's (height, width), where the file states it.

    Raises:
        LabelError: one of them cannot be read; says which.
    """
    classes, boxes, polygons, masks, notes = [], [], [], [], []
    fields: dict[str, list[Any]] = {"crowd": [], "id": [], "area": []}
    if rules.keypoint_count:
        fields["keypoints"] = []
    for place, annotation in annotations:
        try:
            x, y, width, height = map(float, _numbers(annotation.get("bbox"), 4, "bbox"))
            if width <= 0 or height <= 0:
                notes.append(
                    f"annotations[{place}]: a box of {width:g} x {height:g}; left out, as "
                    "COCO's own tools do"
                )
                continue
            classes.append(_class(annotation, rules))
            boxes.append((x, y, x + width, y + height))
            rings, runs = _segmentation(annotation.get("segmentation"), size)
            polygons.append([ring for ring in rings if len(ring) >= _LEAST_COORDINATES])
            if len(polygons[-1]) < len(rings):
                notes.append(f"annotations[{place}]: a polygon of fewer than 3 points; left out")
            masks.append(runs)
            area = annotation.get("area")
            if area is not None and _numbers([area], 1, "area")[0] < 0:
                notes.append(f"annotations[{place}]: an area of {area:g}; the box's is taken")
                area = None
            fields["area"].append(width * height if area is None else float(area))
            fields["crowd"].append(_flag(annotation))
            fields["id"].append(_identity(annotation))
            if rules.keypoint_count:
                fields["keypoints"].append(_keypoints(annotation, rules))
            elif annotation.get("keypoints"):
                notes.append(f"annotations[{place}]: keypoints, and no category names any; "
                             "left out")  # fmt: skip
        except LabelError as error:
            raise LabelError(
                f"annotations[{place}] (id {shown(annotation.get('id'))}): {error.detail}"
            ) from None
    arrays: dict[str, Any] = {name: values for name, values in fields.items() if classes}
    if classes and rules.keypoint_count:
        arrays["keypoints"] = np.array(fields["keypoints"], np.float64)
    found = masks if any(map(len, masks)) else None
    return Objects.of(classes, boxes, fields=arrays, polygons=polygons, masks=found), notes


def _numbers(value: object, count: int | None, name: str) -> list[float]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        wanted = "numbers" if count is None else f"{count} numbers"
        raise LabelError(f"{name}: expected {wanted}, found {shown(value)}")
    # Comparing, unlike converting, takes integers of any size; NaN is beyond any limit.
    if _NUMBERS.issuperset(map(type, value)) and all(abs(n) <= MAX_COORDINATE for n in value):
        return value
    raise LabelError(f"{name}: expected finite numbers up to 2**31, found {shown(value)}")


def _class(annotation: dict[Any, Any], rules: CocoRules) -> int:
    category = whole(annotation.get("category_id"))
    if type(category) is not int or category not in rules.class_ids:
        raise LabelError(f"category_id: no such category: {shown(category)}")
    return rules.class_ids[category]


def _flag(annotation: dict[Any, Any]) -> int:
    crowd = annotation.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise LabelError(f"iscrowd: expected 0 or 1, found {shown(crowd)}")
    return int(crowd)


def _identity(annotation: dict[Any, Any]) -> int:
    number = whole(annotation.get("id", -1))
    if type(number) is not int or not -_ID_LIMIT <= number < _ID_LIMIT:
        raise LabelError(f"id: expected an integer of 64 bits, found {shown(number)}")
    return number


def _segmentation(value: object, size: tuple[int, int] | None) -> tuple[list[Any], Any]:
    """Polygons and run lengths; either may be empty."""
    if value is None or value == []:
        return [], []
    if isinstance(value, dict):
        return [], runs_of(value, size)
    if not isinstance(value, list):
        raise LabelError(f"segmentation: expected polygons or a mask, found {shown(value)}")
    rings = [_numbers(ring, None, "segmentation") for ring in value]
    if any(len(ring) % 2 or not ring for ring in rings):
        raise LabelError("segmentation: expected pairs of coordinates")
    return rings, []


def _keypoints(annotation: dict[Any, Any], rules: CocoRules) -> list[list[float]]:
    """Keypoints of x, y and visibility; those that the category does not have are 0."""
    found = _numbers(annotation.get("keypoints") or [], None, "keypoints")
    own, most = rules.keypoint_counts[whole(annotation["category_id"])], rules.keypoint_count
    if found and len(found) != 3 * own:
        raise LabelError(
            f"keypoints: expected 3 numbers for each of the category's {own}, found {len(found)}"
        )
    found = found + [0.0] * (3 * most - len(found))
    return [found[place : place + 3] for place in range(0, 3 * most, 3)]
