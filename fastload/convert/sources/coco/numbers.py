"""Numbers as other programs write them."""

from __future__ import annotations

from typing import Any

__all__ = ["whole"]


def whole(value: Any) -> Any:
    """A float that is a whole number, as pandas writes a column of ids; others as they are."""
    return int(value) if type(value) is float and value.is_integer() else value
