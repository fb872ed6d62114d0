"""The numbers of annotations, packed while their JSON is read: 8 bytes each in place of 32."""

from __future__ import annotations

from array import array
from typing import Any

__all__ = ["compact"]

_FLOATS: set[type[Any]] = {int, float}
_INTEGERS: set[type[Any]] = {int}
#: What is read of an image; the rest (its addresses, dates, licences) takes more than that.
_IMAGE = ("file_name", "id", "height", "width")


def compact(fields: dict[str, Any]) -> dict[str, Any]:
    """An object of the JSON with its lists of numbers as arrays; what is no such list stays.

    Boxes, polygons and keypoints become arrays of doubles, as they are read later; run lengths
    become arrays of unsigned integers.
    """
    if "image_id" in fields:
        rings = fields.get("segmentation")
        if type(rings) is list:
            fields["segmentation"] = [_packed(ring, "d", _FLOATS) for ring in rings]
        for name in ("bbox", "keypoints"):
            if name in fields:
                fields[name] = _packed(fields[name], "d", _FLOATS)
    elif "file_name" in fields:
        return {name: fields[name] for name in _IMAGE if name in fields}
    elif "counts" in fields:
        fields["counts"] = _packed(fields["counts"], "I", _INTEGERS)
    return fields


def _packed(values: Any, code: str, types: set[type[Any]]) -> Any:
    if type(values) is not list or not values or not types.issuperset(map(type, values)):
        return values
    try:
        return array(code, values)
    except OverflowError:  # reported with the annotation
        return values
