"""The objects of photos in a column of a table: a struct of lists, or a list of structs."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.labelled import MAX_COORDINATE, LabelError, shown
from fastload.store import LabelState, Objects

__all__ = ["ObjectFields", "ObjectTable", "find_object_fields"]

_BOXES = ("bbox", "bboxes", "box", "boxes")
_CATEGORIES = ("category", "categories", "label", "labels", "category_id", "class", "classes")
_ID_LIMIT = 1 << 63
#: Without names; larger numbers would each be a class.
_CLASS_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class ObjectFields:
    """What objects have, by the names of it; "" where they have it not.

    Attributes:
        box: x, y, width, height in pixels.
        category: a class's number or name.
        identity: a number.
        area: in pixels.
        crowd: a truth value.
        names: of the classes; () where only numbers are known.
    """

    box: str
    category: str = ""
    identity: str = ""
    area: str = ""
    crowd: str = ""
    names: tuple[str, ...] = ()

    @property
    def optional(self) -> tuple[str, ...]:
        """Those of the store's object fields that there are."""
        found = (("crowd", self.crowd), ("id", self.identity), ("area", self.area))
        return tuple(name for name, column in found if column)


def find_object_fields(names: Collection[str]) -> ObjectFields | None:
    """What objects with parts of these names have; None: they are no objects with boxes."""

    def first(*choices: str) -> str:
        return next((name for name in choices if name in names), "")

    box = first(*_BOXES)
    if not box:
        return None
    return ObjectFields(box, first(*_CATEGORIES), first("id"), first("area"), first("iscrowd"))


class ObjectTable:
    """The objects of all rows, about 60 bytes each.

    Args:
        fields: which there are; None: those of the first row that has any.

    Attributes:
        fields: which there are, once that is known.
    """

    def __init__(self, fields: ObjectFields | None = None) -> None:
        self.fields = fields
        self._ends = array("Q", [0])
        self._states = bytearray()
        self._classes, self._boxes = array("i"), array("d")
        self._ids, self._areas, self._crowds = array("q"), array("d"), array("B")
        self._errors: dict[int, str] = {}
        self._texts: dict[str, int] = {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """As the file has them; else the names that occur, sorted, or numbers from 0."""
        if self.fields is not None and self.fields.names:
            return self.fields.names
        if self._texts:
            return tuple(sorted(self._texts))
        return tuple(map(str, range(max(self._classes, default=-1) + 1)))

    def add(self, value: object) -> None:
        """The objects of one more row."""
        row = len(self._states)
        kept = len(self._classes)
        try:
            rows = self._rows(value)
            self._states.append(_state(rows))
            for one in rows or ():
                self._add(one, self._fields(one))
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
        names = self.fields.optional if self.fields is not None and first < last else ()
        fields = {name: np.array(columns[name][first:last]) for name in names}
        boxes = np.array(self._boxes[4 * first : 4 * last]).reshape(-1, 4)
        classes = np.array(self._classes[first:last], np.int32)
        if self._texts:
            classes = self._sorted_ids[classes]
        objects = Objects.of(classes, boxes, fields=fields)
        return LabelState(self._states[row]), objects, self._errors.get(row, "")

    @cached_property
    def _sorted_ids(self) -> NDArray[np.int32]:
        """By the order in which names occurred; asked for when all have."""
        ids = {name: number for number, name in enumerate(self.class_names)}
        return np.array([ids[name] for name in self._texts], np.int32)

    def _rows(self, value: object) -> list[Mapping[str, object]] | None:
        """A struct of lists, or a list of structs, as the latter."""
        if value is None or isinstance(value, list):
            return value
        if not isinstance(value, Mapping):
            raise LabelError(f"expected objects, found {shown(value)}")
        fields = self._fields(value)
        names = [name for name in (fields.box, fields.category, fields.identity, fields.area,
                                   fields.crowd) if name]  # fmt: skip
        lists = [value.get(name) or [] for name in names]
        if len(set(map(len, lists))) > 1:
            raise LabelError(
                f"expected as many of each, found {dict(zip(names, map(len, lists), strict=True))}"
            )
        return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]

    def _fields(self, value: Mapping[str, object]) -> ObjectFields:
        if not isinstance(value, Mapping):
            raise LabelError(f"expected an object, found {shown(value)}")
        if self.fields is None:
            self.fields = find_object_fields(value.keys())
        if self.fields is None:
            raise LabelError(f"expected bbox in objects, found {shown(list(value))}")
        return self.fields

    def _add(self, one: Mapping[str, object], columns: ObjectFields) -> None:
        box = one.get(columns.box)
        if not isinstance(box, (list, tuple)) or len(box) != 4:
            raise LabelError(f"{columns.box}: expected 4 numbers, found {shown(box)}")
        x, y, width, height = map(float, box)
        is_near = all(abs(number) <= MAX_COORDINATE for number in (x, y, width, height))
        if not is_near or width < 0 or height < 0:
            raise LabelError(
                f"{columns.box}: expected x, y, width, height in pixels, found {shown(box)}"
            )
        class_id = self._class(one.get(columns.category), columns) if columns.category else 0
        area = one.get(columns.area) if columns.area else None
        number = _integer(one.get(columns.identity), columns.identity) if columns.identity else -1
        crowd = bool(one.get(columns.crowd)) if columns.crowd else False
        known = width * height if area is None else float(area)  # type: ignore[arg-type]
        if not math.isfinite(known):
            raise LabelError(f"{columns.area}: expected a number, found {shown(area)}")
        self._boxes.extend((x, y, x + width, y + height))
        self._ids.append(number)
        self._areas.append(known)
        self._crowds.append(crowd)
        self._classes.append(class_id)

    def _class(self, value: object, columns: ObjectFields) -> int:
        names = columns.names
        if isinstance(value, str):
            if names:
                return names.index(value)
            if self._classes and not self._texts:
                raise LabelError(f"{columns.category}: a name among numbers: {shown(value)}")
            return self._texts.setdefault(value, len(self._texts))
        number = _integer(value, columns.category)
        if self._texts:
            raise LabelError(f"{columns.category}: a number among names: {number}")
        if not 0 <= number < (len(names) or _CLASS_LIMIT):
            raise LabelError(f"{columns.category}: no such class: {number}")
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
