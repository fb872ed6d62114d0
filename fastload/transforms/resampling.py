"""RandomResizedCrop and Resize."""

from __future__ import annotations

from typing import Any

from fastload.pixels import FILTERS
from fastload.transforms.arguments import interval, pixel_filter, size_pair, whole
from fastload.transforms.origin import Api
from fastload.transforms.refusal import Refusal
from fastload.transforms.state import State

__all__ = ["random_resized_crop", "resize"]


def random_resized_crop(state: State, transform: Any, _api: Api) -> tuple[State, str]:
    """Its box is drawn by the core, as ``RandomResizedCrop.get_params`` would draw it."""
    _require_resizable(state)
    height, width = size_pair(transform.size)
    filter_name = pixel_filter(transform.interpolation)
    scale = interval(transform.scale, "scale", zero=True)
    ratio = interval(transform.ratio, "ratio", zero=False)
    op = ("random_resized_crop", height, width, *scale, *ratio, FILTERS[filter_name])
    return _resized(state, op, (height, width)), _why(filter_name)


def resize(state: State, transform: Any, _api: Api) -> tuple[State, str]:
    """To a size, or with the shorter side to a length, its longer side cut down by ``int()``."""
    size, limit = transform.size, transform.max_size
    filter_name = pixel_filter(transform.interpolation)
    if size is None:
        raise Refusal("the engine resizes to a size or by the shorter side, not by max_size alone")
    if not isinstance(size, int) and len(size) == 2:
        if limit is not None:
            raise Refusal("torchvision allows no max_size beside a size of two numbers")
        return _to_size(state, size_pair(size), filter_name)
    shorter, _ = size_pair(size)
    if limit is not None and whole(limit, "max_size") <= shorter:
        raise Refusal(f"torchvision asks for a max_size above the size {shorter}, found {limit}")
    if state.size is not None:  # the core takes a size for known only where an operation names it
        return _to_size(state, _shorter_size(state.size, shorter, limit), filter_name)
    _require_resizable(state)
    op = ("resize_shorter", shorter, limit or 0, FILTERS[filter_name])
    return _resized(state, op, None), _why(filter_name)


def _to_size(state: State, size: tuple[int, int], filter_name: str) -> tuple[State, str]:
    if state.size == size:
        return state, "the picture has this size already"
    _require_resizable(state)
    return _resized(state, ("resize", *size, FILTERS[filter_name]), size), _why(filter_name)


def _require_resizable(state: State) -> None:
    if state.ramp is not None:
        raise Refusal("torch resizes tensors with a kernel of its own, which is not Pillow's")
    if state.resized:
        raise Refusal("the engine resamples once")
    if state.flipped:
        raise Refusal("a mirrored picture is rounded otherwise; flip after resizing instead")
    if state.padded:
        raise Refusal("the engine pads after resampling, not before")


def _resized(state: State, op: tuple[Any, ...], size: tuple[int, int] | None) -> State:
    return state.with_op(*op, size=size, resized=True, cut=False)


def _shorter_size(size: tuple[int, int], shorter: int, limit: int | None) -> tuple[int, int]:
    """As torchvision's ``_compute_resized_output_size``, for a size that all pictures have."""
    height, width = size
    short, long = min(size), max(size)
    new_short, new_long = shorter, int(shorter * long / short)
    if limit is not None and new_long > limit:
        new_short, new_long = int(limit * new_short / new_long), limit
    if new_short < 1:
        raise Refusal(f"max_size leaves nothing of the shorter side of {height} x {width}")
    return (new_long, new_short) if width <= height else (new_short, new_long)


def _why(filter_name: str) -> str:
    return f"only the pixels needed, resampled ({filter_name}) as Pillow does it"
