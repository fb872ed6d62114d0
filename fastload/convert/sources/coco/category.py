"""The categories of a COCO JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastload.convert.labelled import LabelError, shown

__all__ = ["Category", "read_categories"]

_ID_LIMIT = 1 << 63
_MAX_KEYPOINTS = 1000


@dataclass(frozen=True, slots=True)
class Category:
    """A category as a file states it."""

    identity: int
    name: str
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()


def read_categories(values: Sequence[object]) -> dict[int, Category]:
    """The list ``categories`` of a file, by id.

    Raises:
        LabelError: one is none, or has an id that stands twice.
    """
    categories = [_category(place, value) for place, value in enumerate(values)]
    found = {category.identity: category for category in categories}
    if len(found) != len(categories):
        raise LabelError("categories: an id stands twice")
    return found


def _category(place: int, value: object) -> Category:
    if not isinstance(value, dict) or type(value.get("id")) is not int:
        raise LabelError(f"categories[{place}]: expected an id and a name, found {shown(value)}")
    identity, name = value["id"], value.get("name")
    if not isinstance(name, str) or abs(identity) >= _ID_LIMIT:
        raise LabelError(f"categories[{place}]: expected an id and a name, found {shown(value)}")
    keypoints = value.get("keypoints") or []
    if not isinstance(keypoints, list) or len(keypoints) > _MAX_KEYPOINTS:
        raise LabelError(f"categories[{place}]: keypoints: found {shown(keypoints)}")
    return Category(identity, name, tuple(map(str, keypoints)), _skeleton(value.get("skeleton")))


def _skeleton(value: object) -> tuple[tuple[int, int], ...]:
    """Pairs of keypoints from 0; COCO counts them from 1. A help for drawing, and no more."""
    if not isinstance(value, list):
        return ()
    pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
    return tuple(
        (pair[0] - 1, pair[1] - 1)
        for pair in pairs
        if all(type(end) is int and 0 < end <= _MAX_KEYPOINTS for end in pair)
    )
