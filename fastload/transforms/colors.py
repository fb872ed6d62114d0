"""Grayscale, RandomGrayscale and RGB."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastload.transforms.arguments import probability
from fastload.transforms.origin import Api
from fastload.transforms.refusal import Refusal
from fastload.transforms.state import State, is_gray

__all__ = ["grayscale", "random_grayscale", "rgb"]

_WHY = "the weights that Pillow has for mode L"
_DONE = "the picture is gray already"


def grayscale(state: State, transform: Any, _api: Api) -> tuple[State, str]:
    """To one channel, or to three equal ones."""
    channels = transform.num_output_channels
    if channels not in (1, 3):
        raise Refusal(f"expected 1 or 3 output channels, found {channels!r}")
    return _gray(replace(state, channels=channels), 1.0)


def random_grayscale(state: State, transform: Any, _api: Api) -> tuple[State, str]:
    """With probability p; the number of channels stays."""
    return _gray(state, probability(transform.p))


def rgb(state: State, _transform: Any, _api: Api) -> tuple[State, str]:
    """v2's RGB: gray pictures get three equal channels, others stay as they are."""
    if state.ramp is not None:
        raise Refusal("the engine changes channels before the conversion to a tensor only")
    return replace(state, channels=3), "the engine's pictures are RGB"


def _gray(state: State, chance: float) -> tuple[State, str]:
    if state.ramp is not None:
        raise Refusal("torch turns tensors gray with other weights than Pillow's")
    if state.gray:
        if ("grayscale", 1.0) in state.ops:
            return state, _DONE
        raise Refusal("the engine turns a picture gray once")
    if state.padded and not state.resized and not is_gray(state.fill):
        raise Refusal(f"the picture was padded with {state.fill}, which would turn gray too")
    return state.with_op("grayscale", chance, gray=True), _WHY
