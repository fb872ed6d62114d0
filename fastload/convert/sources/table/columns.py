"""Which column of a table is what, by its name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastload.convert.labelled import MAX_COORDINATE, LabelError, shown

__all__ = ["Columns", "find_columns"]

_PATHS = ("path", "file_name", "filename", "file", "filepath", "file_path", "image", "image_path")
_CLASSES = ("label", "class", "class_name", "category", "target")
_SPLITS = ("split", "subset", "set")
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
_SIDES = (("x", "y", "width", "height"), ("x", "y", "w", "h"))


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns by what they hold; "" where there is none.

    Attributes:
        path: of the photo.
        label: a class name or number.
        split: a split's name.
        box: four numbers in pixels, or ().
        has_sides: the last two of the box are width and height, not right and bottom.
        objects: of the photo's objects, as a list or a struct of lists.
    """

    path: str
    label: str
    split: str
    box: tuple[str, ...]
    has_sides: bool
    objects: str = ""

    def box_of(self, row: dict[str, Any]) -> tuple[float, float, float, float] | None:
        """The box of a row, as left, top, right, bottom; None where all its cells are empty.

        Raises:
            LabelError: it is none.
        """
        cells: list[Any] = [row.get(column) for column in self.box]
        if all(cell is None or cell == "" for cell in cells):
            return None
        try:
            left, top, right, bottom = (float(cell) for cell in cells if not isinstance(cell, bool))
        except (TypeError, ValueError, OverflowError):
            left = top = right = bottom = math.nan
        if self.has_sides:
            right, bottom = left + right, top + bottom
        is_near = all(abs(number) <= MAX_COORDINATE for number in (left, top, right, bottom))
        if not is_near or right < left or bottom < top:
            raise LabelError(f"{', '.join(self.box)}: expected a box, found {shown(cells)}")
        return left, top, right, bottom


def find_columns(names: Sequence[str]) -> Columns:
    """What the columns of these names are; case does not count.

    Raises:
        LabelError: none is a path.
    """
    lower = {name.lower(): name for name in reversed(names)}

    def first(choices: Sequence[str]) -> str:
        return next((lower[name] for name in choices if name in lower), "")

    path = first(_PATHS)
    if not path:
        raise LabelError(f"expected a column {', '.join(_PATHS)}, found {shown(list(names))}")
    corners = next((form for form in _CORNERS if set(form) <= set(lower)), ())
    sides = next((form for form in _SIDES if set(form) <= set(lower)), ())
    box = tuple(lower[name] for name in corners or sides)
    has_sides, objects = not corners and bool(sides), "" if box else lower.get("objects", "")
    return Columns(path, first(_CLASSES), first(_SPLITS), box, has_sides, objects)
