"""Numbers as other programs write them."""

from __future__ import annotations

from typing import Any

__all__ = ["identity_of", "whole"]


#: Above this, floats leave numbers out: what was written may have been another.
_EXACT = 1 << 53


def whole(value: Any) -> Any:
    """A float that is a whole number, as pandas writes a column of ids; others as they are."""
    is_whole = type(value) is float and value.is_integer() and abs(value) < _EXACT
    return int(value) if is_whole else value


def identity_of(value: Any) -> int | str | None:
    """What names an image, or None where it cannot; True is no 1."""
    found = whole(value)
    return found if type(found) in (int, str) else None
