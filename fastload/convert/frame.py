"""Whether coordinates count in a picture as it is stored, or turned upright."""

from __future__ import annotations

from fastload.convert.labelled import PhotoSize

__all__ = ["coordinates_of"]


def coordinates_of(stated: tuple[int, int] | None, size: PhotoSize) -> tuple[bool, str]:
    """Whether coordinates are upright, by the (height, width) that labels state; and a remark.

    Upright, unless only the picture as it is stored has that size.
    """
    stored = size.height, size.width
    if stated in (None, size.upright):
        return True, ""
    if stated == stored:
        return False, ""
    return True, f"a picture of height, width {stated}; the photo has {size.upright}"
