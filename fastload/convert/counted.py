"""Numbers of things in words."""

from __future__ import annotations

__all__ = ["counted", "tallied"]


def counted(count: int, singular: str, plural: str = "") -> str:
    """``1 photo``, ``2 photos``, ``1,234 photos``; what follows the noun may follow in either.

    Args:
        count: how many.
        singular: of one: ``photo is``.
        plural: of any other number; "": with an s at the end.
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def tallied(what: str, count: int) -> str:
    """``crowds (1): left out``: a count behind the plural that it counts, and before a colon."""
    head, colon, rest = what.partition(":")
    return f"{head} ({count:,}){colon}{rest}"
