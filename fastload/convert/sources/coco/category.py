"""The categories of a COCO JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastload.convert.labelled import LabelError, shown
from fastload.convert.sources.coco.numbers import whole

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


def read_categories(
    values: Sequence[object],
) -> tuple[dict[int, Category], list[tuple[int, str]]]:
    """The list ``categories`` of a file, by id; and (place, remark) of those to be remarked.

    Raises:
        LabelError: one is none, or has an id that stands twice.
    """
    remarks: list[tuple[int, str]] = []
    categories = [_category(place, value, remarks) for place, value in enumerate(values)]
    found = {category.identity: category for category in categories}
    if len(found) != len(categories):
        raise LabelError("categories: an id stands twice")
    return found, remarks


def _category(place: int, value: object, remarks: list[tuple[int, str]]) -> Category:
    if not isinstance(value, dict) or type(whole(value.get("id"))) is not int:
        raise LabelError(f"categories[{place}]: expected an id and a name, found {shown(value)}")
    identity, name = whole(value["id"]), value.get("name")
    if not isinstance(name, str) or abs(identity) >= _ID_LIMIT:
        raise LabelError(f"categories[{place}]: expected an id and a name, found {shown(value)}")
    keypoints = value.get("keypoints") or []
    if not isinstance(keypoints, list) or len(keypoints) > _MAX_KEYPOINTS:
        raise LabelError(f"categories[{place}]: keypoints: found {shown(keypoints)}")
    stated = value.get("skeleton") or []
    skeleton = _skeleton(stated, len(keypoints))
    if not isinstance(stated, list) or len(skeleton) < len(stated):
        remark = (f"skeleton: expected pairs of keypoints from 1 to {len(keypoints)}, found "
                  f"{shown(stated)}; others are left out")  # fmt: skip
        remarks.append((place, remark))
    return Category(identity, name, tuple(map(str, keypoints)), skeleton)


def _skeleton(value: object, count: int) -> tuple[tuple[int, int], ...]:
    """Pairs of keypoints from 0; COCO counts them from 1. A help for drawing, and no more."""
    if not isinstance(value, list):
        return ()
    pairs = [[*map(whole, pair)] for pair in value if isinstance(pair, list) and len(pair) == 2]
    return tuple(
        (pair[0] - 1, pair[1] - 1)
        for pair in pairs
        if all(type(end) is int and 0 < end <= count for end in pair)
    )
