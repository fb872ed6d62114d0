"""CenterCrop, RandomCrop and Pad."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastload.transforms.arguments import padding_sides, size_pair
from fastload.transforms.fill import fill_color
from fastload.transforms.origin import Api
from fastload.transforms.refusal import Refusal
from fastload.transforms.state import State

__all__ = ["center_crop", "pad", "random_crop", "require_movable"]

_WHY = "pixels are moved, not changed"


def center_crop(state: State, transform: Any, api: Api) -> tuple[State, str]:
    """Pads with zeros where the picture is too small, then crops."""
    require_movable(state, api)
    height, width = size = size_pair(transform.size)
    if state.size == size:
        return state, "the picture has this size already"
    if not state.holds(height, width):
        state = state.grown(fill_color(state, 0, api))
        if state.fill != (0, 0, 0):
            raise Refusal("it may pad with a value that is not black's here")
    return state.with_op("center_crop", height, width, size=size, cut=True), _WHY


def random_crop(state: State, transform: Any, api: Api) -> tuple[State, str]:
    """Its place is drawn by the core; ``padding`` and ``pad_if_needed`` as torchvision has them."""
    require_movable(state, api)
    height, width = size = size_pair(transform.size)
    padding = transform.padding
    if padding is not None and api == "v2":  # which keeps it as left, right, top, bottom
        left, right, top, bottom = padding
        padding = [left, top, right, bottom]
    if padding is not None:
        state = _padded(state, padding, transform, api)
    if state.size == size:
        return state, "the picture has this size already"
    needs_padding = transform.pad_if_needed and not state.holds(height, width)
    if needs_padding:
        state = state.grown(_fill(state, transform, api))
    elif state.size is not None and not state.holds(height, width):
        raise Refusal(f"the picture of {state.size[0]} x {state.size[1]} is smaller than the crop")
    op = ("random_crop", height, width, bool(needs_padding), state.fill)
    return state.with_op(*op, size=size, cut=True), _WHY


def pad(state: State, transform: Any, api: Api) -> tuple[State, str]:
    """Pads with one colour."""
    require_movable(state, api)
    return _padded(state, transform.padding, transform, api), _WHY


def require_movable(state: State, api: Api) -> None:
    """Whether the core may move pixels here and the result keeps the type that it has."""
    state.require_unerased()
    if api == "v1" and state.ramp is not None:
        import torch

        if type(state.ramp) is not torch.Tensor:
            raise Refusal("a v1 transform turns a v2 Image into a plain tensor only when it acts")


def _padded(state: State, padding: Any, transform: Any, api: Api) -> State:
    left, top, right, bottom = padding_sides(padding)
    fill = _fill(state, transform, api)  # torchvision checks it for a pad by nothing too
    if max(left, top, right, bottom) == 0:
        return state
    state = state.grown(fill)
    if state.size is not None:
        height, width = state.size
        state = replace(state, size=(height + top + bottom, width + left + right))
    return state.with_op("pad", left, top, right, bottom, state.fill)


def _fill(state: State, transform: Any, api: Api) -> tuple[int, int, int]:
    if transform.padding_mode != "constant":
        raise Refusal(f"the engine pads with one colour, not with mode {transform.padding_mode!r}")
    return fill_color(state, transform.fill, api)
