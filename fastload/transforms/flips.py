"""RandomHorizontalFlip and RandomVerticalFlip, of PIL images and of tensors."""

from __future__ import annotations

from typing import Any

from fastload.transforms.arguments import probability
from fastload.transforms.crops import require_movable
from fastload.transforms.origin import Api
from fastload.transforms.state import State

__all__ = ["horizontal_flip", "vertical_flip"]

_WHY = "pixels are moved, not changed"


def horizontal_flip(state: State, transform: Any, api: Api) -> tuple[State, str]:
    """Left to right, with probability p."""
    return _flip(state, "horizontal_flip", transform, api)


def vertical_flip(state: State, transform: Any, api: Api) -> tuple[State, str]:
    """Top to bottom, with probability p."""
    return _flip(state, "vertical_flip", transform, api)


def _flip(state: State, op: str, transform: Any, api: Api) -> tuple[State, str]:
    require_movable(state, api)
    return state.with_op(op, probability(transform.p), flipped=True), _WHY
