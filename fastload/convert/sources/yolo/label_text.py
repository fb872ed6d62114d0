"""A YOLO label file, read as YOLOv5 or ultralytics would read it.

Rows are ``class x y width height`` (a box), ``class x1 y1 x2 y2 ...`` (a polygon; an oriented box
is one of four points) or ``class x y width height`` and keypoints, in shares of the upright
picture. One row that a client does not take costs it the whole picture, so it is an error here.
What the two take differs, and is described in docs/layouts.md; tests compare with both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.labelled import LabelError
from fastload.convert.safe_text import utf8_text
from fastload.store import Objects

__all__ = ["PROFILES", "YoloRules", "read_label_text"]

PROFILES = ("ultralytics", "yolov5")
_TOLERANCE = 0.01  # ultralytics'
_CLASS_LIMIT = 1 << 31

Rows = list[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class YoloRules:
    """How label files are read.

    Attributes:
        profile: one of ``PROFILES``.
        class_count: classes that the data set names; 0: it names none.
        keypoint_shape: (K, 2 or 3), or () without keypoints.
    """

    profile: str
    class_count: int = 0
    keypoint_shape: tuple[int, ...] = ()


def read_label_text(
    text: bytes, rules: YoloRules, height: int, width: int
) -> tuple[Objects, list[str]]:
    """The objects in a label file, and what there is to remark.

    Args:
        text: the file's bytes.
        rules: how to read it.
        height: of the upright picture.
        width: of the upright picture.

    Raises:
        LabelError: the client would not take it.
    """
    lines, rows = _rows(text, rules)
    if not rows:
        return Objects(), []
    notes: list[str] = []
    polygons: list[NDArray[np.float32]] | None = None
    if any(len(row) > 6 for row in rows) and not rules.keypoint_shape:
        mixed = next((n for n, row in zip(lines, rows, strict=True) if len(row) == 5), 0)
        if mixed and rules.profile == "ultralytics":
            raise LabelError("a box among polygons", mixed)
        if mixed:
            notes.append(f"line {mixed}: a box among polygons; YOLOv5 takes it for two points")
        polygons = _polygons(lines, rows)
        rows = [_as_box_row(row[0], polygon) for row, polygon in zip(rows, polygons, strict=True)]
    _check_columns(lines, rows, rules)
    table = np.stack(rows)
    _check_values(lines, table, rules)
    keep = _unique(table, polygons, rules)
    if len(keep) < len(rows):
        first = lines[int(np.argmin(np.isin(np.arange(len(rows)), keep)))]
        notes.append(
            f"line {first}: {len(rows) - len(keep)} duplicate rows, of which this is the first, "
            "are left out, as both clients do"
        )
    broken = table[:, 0] % 1 != 0
    if broken.any():
        notes.append(
            f"line {lines[int(np.argmax(broken))]}: classes that are no integers are rounded down"
        )
    table = table[keep]
    chosen = None if polygons is None else [polygons[row] for row in keep.tolist()]
    return _objects(table, chosen, rules, height, width), notes


def _rows(text: bytes, rules: YoloRules) -> tuple[list[int], Rows]:
    """Line numbers and numbers of all rows."""
    decoded = utf8_text(text, byte_order_mark=rules.profile == "ultralytics")
    lines: list[int] = []
    rows: Rows = []
    whole = decoded.rstrip()
    for number, line in enumerate(whole.splitlines(), start=1):
        fields = line.split()
        if not fields:
            if line and rows and rules.profile == "yolov5":
                raise LabelError("a line of blanks, which YOLOv5 does not take", number)
            continue
        try:
            with np.errstate(all="ignore"):
                row = np.array(fields, np.float32)
        except ValueError:
            raise LabelError(f"expected numbers, found {line[:80]!a}", number) from None
        if not np.isfinite(row).all():
            raise LabelError(f"expected finite numbers, found {line[:80]!a}", number)
        lines.append(number)
        rows.append(row)
    return lines, rows


def _polygons(lines: list[int], rows: Rows) -> list[NDArray[np.float32]]:
    polygons = []
    for number, row in zip(lines, rows, strict=True):
        if len(row) < 3 or len(row) % 2 == 0:
            raise LabelError(
                f"expected a class and pairs of coordinates, found {len(row)} numbers", number
            )
        polygons.append(row[1:].reshape(-1, 2))
    return polygons


def _as_box_row(class_id: np.float32, polygon: NDArray[np.float32]) -> NDArray[np.float32]:
    """The row of a box around a polygon, computed in float32 as the clients do."""
    (left, top), (right, bottom) = polygon.min(0), polygon.max(0)
    two = np.float32(2)
    return np.array(
        [class_id, (left + right) / two, (top + bottom) / two, right - left, bottom - top],
        np.float32,
    )


def _check_columns(lines: list[int], rows: Rows, rules: YoloRules) -> None:
    shape = rules.keypoint_shape
    expected = 5 + shape[0] * shape[1] if shape else 5
    for number, row in zip(lines, rows, strict=True):
        if len(row) != expected:
            raise LabelError(f"expected {expected} numbers, found {len(row)}", number)


def _check_values(lines: list[int], table: NDArray[np.float32], rules: YoloRules) -> None:
    classes, sides = table[:, 0], table[:, 3:5]
    if rules.profile == "yolov5":
        least, most = (table < 0).any(1), (table[:, 1:] > 1).any(1)
    else:
        shape = rules.keypoint_shape
        # With keypoints, ultralytics looks at these and not at the box.
        points = table[:, 5:].reshape(len(table), -1, shape[1])[..., :2] if shape else table[:, 1:]
        most = (points.reshape(len(table), -1) > np.float32(1 + _TOLERANCE)).any(1)
        least = (table < np.float32(-_TOLERANCE)).any(1) | (sides < 0).any(1)
        _refuse(lines, classes, classes % 1 != 0, "expected an integer class")
        if rules.class_count:
            wanted = f"expected a class of 0..{rules.class_count - 1}"
            _refuse(lines, classes, classes >= rules.class_count, wanted)
    _refuse(lines, table, least, "expected numbers of 0 or more")
    _refuse(lines, table, most, "expected coordinates of at most 1")
    too_large = (classes < 0) | (classes >= _CLASS_LIMIT)
    _refuse(lines, classes, too_large, "expected a class of 0 or more, below 2**31")


def _refuse(lines: list[int], values: NDArray[np.float32], wrong: Any, expected: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        found = " ".join(f"{value:g}" for value in np.atleast_1d(values[row]).tolist()[:8])
        raise LabelError(f"{expected}, found {found}", lines[row])


def _unique(
    table: NDArray[np.float32], polygons: list[NDArray[np.float32]] | None, rules: YoloRules
) -> NDArray[np.int64]:
    """The rows that stay, in the clients' order: sorted where any was a duplicate."""
    count = len(table)
    _, keep = np.unique(table, axis=0, return_index=True)
    if len(keep) < count and polygons is not None and rules.profile == "ultralytics":
        # Polygons may differ though their boxes do not.
        keys = [row[0].tobytes() + p.tobytes() for row, p in zip(table, polygons, strict=True)]
        first = {key: number for number, key in reversed(list(enumerate(keys)))}
        keep = np.array([first[key] for key in sorted(first)], np.int64)
    return keep if len(keep) < count else np.arange(count)


def _objects(
    table: NDArray[np.float32],
    polygons: list[NDArray[np.float32]] | None,
    rules: YoloRules,
    height: int,
    width: int,
) -> Objects:
    scale = np.array([width, height], np.float64)
    rows = table.astype(np.float64)
    centres, halves = rows[:, 1:3] * scale, rows[:, 3:5] * scale / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    rings = [[polygon.astype(np.float64) * scale] for polygon in polygons or []]
    if polygons is not None:
        corners = [np.concatenate([ring.min(0), ring.max(0)]) for (ring,) in rings]
        boxes = np.stack(corners)
    fields = {}
    if rules.keypoint_shape:
        keypoints = rows[:, 5:].reshape(-1, *rules.keypoint_shape)
        keypoints[..., :2] *= scale
        fields["keypoints"] = keypoints
    class_ids = np.floor(rows[:, 0]).astype(np.int32)
    return Objects.of(class_ids, boxes, fields=fields, polygons=rings or None)
