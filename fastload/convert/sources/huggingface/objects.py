"""The objects of photos in a column of a table: COCO's boxes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastload.convert.labelled import LabelError, shown
from fastload.convert.sources.huggingface.features import Columns
from fastload.store import LabelState, Objects

__all__ = ["ObjectTable"]

_ID_LIMIT = 1 << 63
#: Without names; larger numbers would each be a class.
_CLASS_LIMIT = 1 << 16


class ObjectTable:
    """The objects of all rows, about 60 bytes each.

    Args:
        columns: which fields there are.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._ends = array("Q", [0])
        self._states = bytearray()
        self._classes, self._boxes = array("i"), array("d")
        self._ids, self._areas, self._crowds = array("q"), array("d"), array("B")
        self._errors: dict[int, str] = {}
        self._texts: dict[str, int] = {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """As the file has them; else names, or numbers, that occur."""
        if self._columns.names:
            return self._columns.names
        if self._texts:
            return tuple(self._texts)
        return tuple(map(str, range(max(self._classes, default=-1) + 1)))

    def add(self, value: object) -> None:
        """The objects of one more row."""
        row = len(self._states)
        kept = len(self._classes)
        try:
            rows = self._rows(value)
            self._states.append(_state(rows))
            for one in rows or ():
                self._add(one)
        except (LabelError, KeyError, TypeError, ValueError, OverflowError) as error:
            self._cut(kept)
            self._states[row:] = bytes([LabelState.DAMAGED])
            self._errors[row] = str(error)
        self._ends.append(len(self._classes))

    def labels(self, row: int) -> tuple[LabelState, Objects, str]:
        """State and objects of a row, and why they cannot be read, or ""."""
        first, last = self._ends[row], self._ends[row + 1]
        columns: dict[str, array[Any]] = {
            "id": self._ids, "area": self._areas, "crowd": self._crowds,
        }  # fmt: skip
        fields = {name: np.array(columns[name][first:last])
                  for name in (self._columns.object_fields if first < last else ())}  # fmt: skip
        boxes = np.array(self._boxes[4 * first : 4 * last]).reshape(-1, 4)
        objects = Objects.of(np.array(self._classes[first:last]), boxes, fields=fields)
        return LabelState(self._states[row]), objects, self._errors.get(row, "")

    def _rows(self, value: object) -> list[Mapping[str, object]] | None:
        """A struct of lists, or a list of structs, as the latter."""
        if value is None or isinstance(value, list):
            return value
        if not isinstance(value, Mapping):
            raise LabelError(f"expected objects, found {shown(value)}")
        columns = self._columns
        names = [name for name in (columns.box, columns.category, columns.identity, columns.area,
                                   columns.crowd) if name]  # fmt: skip
        lists = [value.get(name) or [] for name in names]
        if len(set(map(len, lists))) > 1:
            raise LabelError(
                f"expected as many of each, found {dict(zip(names, map(len, lists), strict=True))}"
            )
        return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]

    def _add(self, one: Mapping[str, object]) -> None:
        columns = self._columns
        box = one[columns.box]
        if not isinstance(box, (list, tuple)) or len(box) != 4:
            raise LabelError(f"{columns.box}: expected 4 numbers, found {shown(box)}")
        x, y, width, height = map(float, box)
        if not all(map(math.isfinite, (x, y, width, height))) or width < 0 or height < 0:
            raise LabelError(
                f"{columns.box}: expected x, y, width, height in pixels, found {shown(box)}"
            )
        class_id = self._class(one[columns.category]) if columns.category else 0
        area = one[columns.area] if columns.area else None
        number = _integer(one[columns.identity], columns.identity) if columns.identity else -1
        crowd = bool(one[columns.crowd]) if columns.crowd else False
        known = width * height if area is None else float(area)  # type: ignore[arg-type]
        if not math.isfinite(known):
            raise LabelError(f"{columns.area}: expected a number, found {shown(area)}")
        self._boxes.extend((x, y, x + width, y + height))
        self._ids.append(number)
        self._areas.append(known)
        self._crowds.append(crowd)
        self._classes.append(class_id)

    def _class(self, value: object) -> int:
        names = self._columns.names
        if isinstance(value, str):
            if names:
                return names.index(value)
            return self._texts.setdefault(value, len(self._texts))
        number = _integer(value, self._columns.category)
        if not 0 <= number < (len(names) or _CLASS_LIMIT):
            raise LabelError(f"{self._columns.category}: no such class: {number}")
        return number

    def _cut(self, count: int) -> None:
        """Forget the objects from ``count`` on."""
        del self._classes[count:], self._ids[count:], self._areas[count:], self._crowds[count:]
        del self._boxes[4 * count :]


def _state(rows: object) -> int:
    if rows is None:
        return LabelState.MISSING
    return LabelState.PRESENT if rows else LabelState.EMPTY


def _integer(value: object, name: str) -> int:
    if type(value) is not int or not -_ID_LIMIT <= value < _ID_LIMIT:
        raise LabelError(f"{name}: expected an integer, found {shown(value)}")
    return value
