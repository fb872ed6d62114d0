"""What users pass to torchvision's transforms, checked and in one form each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

from fastload.pixels import FILTERS
from fastload.transforms.refusal import Refusal

__all__ = ["interval", "padding_sides", "pixel_filter", "probability", "size_pair", "whole"]

#: torchvision's (v1 and v2) own rule for PIL images: nearest-exact is Pillow's nearest.
_ALIASES = {"nearest-exact": "nearest"}
_FILTER_NAMES = {code: name for name, code in FILTERS.items()}


def whole(value: Any, what: str, least: int = 1) -> int:
    """An int of at least ``least``; bools and floats are refused."""
    if type(value) is not int or value < least:
        raise Refusal(f"expected {what} to be an int of at least {least}, found {value!r}")
    return value


def size_pair(size: Any) -> tuple[int, int]:
    """(height, width) of an int, or of a sequence of one or two."""
    sides = [size] if isinstance(size, int) else list(size)
    if len(sides) not in (1, 2):
        raise Refusal(f"expected a size of one or two numbers, found {size!r}")
    return whole(sides[0], "a height"), whole(sides[-1], "a width")


def probability(value: Any) -> float:
    """A number from 0 to 1."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise Refusal(f"expected p to be a number from 0 to 1, found {value!r}")
    return float(value)


def interval(value: Any, what: str, *, zero: bool) -> tuple[float, float]:
    """(low, high) with 0 < low <= high, or low = 0 where ``zero`` allows it."""
    pair = list(value) if isinstance(value, Sequence) else []
    if len(pair) != 2 or not all(_is_number(bound) for bound in pair):
        raise Refusal(f"expected {what} to be two numbers, found {value!r}")
    low, high = float(pair[0]), float(pair[1])
    if not ((low > 0 or (zero and low == 0)) and low <= high < math.inf):
        least = "0 or more" if zero else "above 0"
        raise Refusal(f"expected {what} to be (min, max), min {least}, found {value!r}")
    return low, high


def pixel_filter(interpolation: Any) -> str:
    """The name in ``pixels.FILTERS`` of torchvision's enum, name, or Pillow's number."""
    value = interpolation.value if isinstance(interpolation, Enum) else interpolation
    name = str(_FILTER_NAMES.get(value) if isinstance(value, int) else value)
    name = _ALIASES.get(name, name)
    if name not in FILTERS:
        raise Refusal(f"Pillow has no interpolation {interpolation!r}")
    return name


def padding_sides(padding: Any) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of torchvision's one, two or four numbers."""
    sides = [padding] if isinstance(padding, int) else list(padding)
    sides = [whole(side, "padding", least=0) for side in sides]
    if len(sides) == 1:
        sides *= 4
    elif len(sides) == 2:
        sides *= 2
    if len(sides) != 4:
        raise Refusal(f"expected padding of one, two or four numbers, found {padding!r}")
    left, top, right, bottom = sides
    return left, top, right, bottom


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
