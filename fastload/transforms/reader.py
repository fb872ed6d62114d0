"""``lower``: reads a transform list from its beginning, as far as the engine can follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import PIL

from fastload.pixels import FILTERS
from fastload.transforms import colors, conversion, crops, erasing, flips, resampling
from fastload.transforms.lowered import Lowered
from fastload.transforms.origin import Api, api_of, check_unaltered, members_of, name_of
from fastload.transforms.refusal import Refusal
from fastload.transforms.state import State
from fastload.transforms.step import Step
from fastload.transforms.table import DTYPES, dtype_name, erase_values, table_of

__all__ = ["lower"]

Handler = Callable[[State, Any, Api], tuple[State, str]]

#: By the name of torchvision's class, in v1 and v2 alike.
HANDLERS: dict[str, Handler] = {
    "CenterCrop": crops.center_crop,
    "ConvertImageDtype": conversion.by_value,
    "Grayscale": colors.grayscale,
    "Identity": conversion.unchanged,
    "Normalize": conversion.normalize,
    "PILToTensor": conversion.by_value,
    "Pad": crops.pad,
    "RGB": colors.rgb,
    "RandomCrop": crops.random_crop,
    "RandomErasing": erasing.random_erasing,
    "RandomGrayscale": colors.random_grayscale,
    "RandomHorizontalFlip": flips.horizontal_flip,
    "RandomResizedCrop": resampling.random_resized_crop,
    "RandomVerticalFlip": flips.vertical_flip,
    "Resize": resampling.resize,
    "ToDtype": conversion.by_value,
    "ToImage": conversion.by_value,
    "ToPureTensor": conversion.by_value,
    "ToTensor": conversion.by_value,
}

#: pillow-simd calls its releases those of Pillow with a ".post" behind.
_SIMD_MARK = ".post"
#: Operations of the core's that end with a filter's number.
_RESAMPLING = ("random_resized_crop", "resize", "resize_shorter")


def lower(transform: Any, *, picture_size: tuple[int, int] | None = None) -> Lowered:
    """Splits a transform into what the engine runs and what stays in Python.

    The engine gets the longest beginning that it can run exactly and that gives every sample the
    same shape. Only objects whose class is exactly one of torchvision's are read.

    Args:
        transform: a data set's ``transform``, for RGB PIL images; None for none.
        picture_size: the height and width of every picture, where all are the same.

    Returns:
        the result, whose text is the plan. It holds what the objects say now: lower again when
        they have changed.
    """
    transforms = list(_leaves(transform))
    states, whys, obstacle = _follow(State(), transforms)
    kept = _kept(states)
    if picture_size is not None and kept < len(transforms):
        longer = _follow(_of_size(*picture_size), transforms)
        if _kept(longer[0]) > kept:
            states, whys, obstacle = longer
            kept = _kept(states)
    steps = [Step(name_of(transforms[n]), "engine", whys[n]) for n in range(kept)]
    steps += _python_steps(transforms, kept, states, obstacle)
    tail = tuple(transforms[kept:])
    if kept == 0:
        return Lowered("nothing", tuple(steps), tail)
    return _finished(states[kept], tuple(steps), tail)


def _of_size(height: int, width: int) -> State:
    """The beginning for pictures of one size: a crop that moves nothing tells the core of it."""
    pad_if_needed = False
    op = ("random_crop", height, width, pad_if_needed, (0, 0, 0))
    return State(size=(height, width), cut=True, ops=(op,))


def _kept(states: list[State]) -> int:
    """How many transforms the engine can run, given the states behind 0, 1, ... of them."""
    return max((n for n, state in enumerate(states) if n and _why_not(state) is None), default=0)


def _leaves(transform: Any) -> Iterator[Any]:
    """The transforms in order, those in nested containers too."""
    if transform is None:
        return
    members = members_of(transform)
    if members is None:
        yield transform
        return
    for member in members:
        if member is None:  # torchvision raises there, and so will the tail
            yield member
        else:
            yield from _leaves(member)


def _follow(state: State, transforms: list[Any]) -> tuple[list[State], list[str], str]:
    """The states behind 0, 1, ... transforms, how each came about, and why there are no more."""
    states = [state]
    whys: list[str] = []
    for transform in transforms:
        try:
            state, why = _handler(transform)(state, transform, api_of(transform) or "v1")
        except Refusal as refusal:
            return states, whys, str(refusal)
        states.append(state)
        whys.append(why)
    return states, whys, ""


def _handler(transform: Any) -> Handler:
    kind = type(transform)
    api = api_of(transform)
    if api is None:
        ours = next((c for c in kind.__mro__[1:] if c.__module__.startswith("torchvision.")), None)
        if ours is not None and not kind.__module__.startswith("torchvision."):
            raise Refusal(f"a class derived from torchvision's {ours.__name__} may do otherwise")
        raise Refusal("it is not one of torchvision's transforms")
    if kind.__name__ not in HANDLERS:
        raise Refusal(f"the engine has no {kind.__name__}")
    check_unaltered(transform)
    return HANDLERS[kind.__name__]


def _why_not(state: State) -> str | None:
    """Why the engine cannot end here, or None if it can."""
    if state.size is None:
        return "its output has not the same size for every picture"
    if state.ramp is not None and dtype_name(state.ramp.dtype) not in DTYPES:
        return f"the engine makes no {dtype_name(state.ramp.dtype)}"
    return None


def _python_steps(
    transforms: list[Any], kept: int, states: list[State], obstacle: str
) -> Iterator[Step]:
    followed = len(states) - 1
    for number, transform in enumerate(transforms[kept:], start=kept):
        if number < followed:  # the engine could run it, but could not stop behind it
            why = _why_not(states[number + 1]) or "the engine could not stop behind it"
        elif number == followed:
            why = obstacle
        else:
            why = f"it comes after {type(transforms[followed]).__name__}, which runs in Python"
        yield Step(name_of(transform), "python", why)


def _finished(state: State, steps: tuple[Step, ...], tail: tuple[Any, ...]) -> Lowered:
    assert state.size is not None
    height, width = state.size
    ops, ramp = state.ops, state.ramp
    inexact = None
    rounds = any(op[0] in _RESAMPLING and op[-1] != FILTERS["nearest"] for op in ops)
    if rounds and _SIMD_MARK in PIL.__version__:
        inexact = (
            f"Pillow {PIL.__version__} is pillow-simd, which rounds otherwise when it resamples; "
            "the engine rounds as Pillow itself"
        )
    if ramp is None:
        return Lowered("picture", steps, tail, ops, state.channels, height, width, inexact=inexact)
    if state.erasing is not None:
        erasing = state.erasing
        op = ("erase", erasing.probability, *erasing.scale, *erasing.ratio, erase_values(ramp))
        ops = (*ops, op)
    return Lowered(
        "tensor", steps, tail, ops, ramp.shape[0], height, width, dtype_name(ramp.dtype),
        table_of(ramp), type(ramp), inexact,
    )  # fmt: skip
