"""``Refusal``: raised where the engine cannot run a transform; its text becomes the plan's."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """The transform runs in Python instead, for the reason given. Never leaves this package."""
