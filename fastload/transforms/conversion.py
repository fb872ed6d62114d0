"""Conversions and Normalize: what depends on a pixel's value and channel alone.

They are not imitated. The user's own objects run once on a ramp of all 256 values, and what comes
out is the table that the core looks values up in. So v1, which divides by 255, and v2, which
multiplies by its inverse, both come out as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from fastload.transforms.origin import Api
from fastload.transforms.refusal import Refusal
from fastload.transforms.state import State

__all__ = ["COLUMNS", "by_value", "normalize", "unchanged"]

#: One for each byte, and one for the value that RandomErasing writes.
COLUMNS = 257

_WHY = "a table of 256 values a channel, made by this very object"


def by_value(state: State, transform: Any, _api: Api) -> tuple[State, str]:
    """ToTensor, PILToTensor, ToImage, ToDtype, ConvertImageDtype and ToPureTensor.

    Raises:
        Refusal: the object raises an exception, or does more than change values.
    """
    import torch

    before = _pil_ramp(state.channels) if state.ramp is None else _copy(state.ramp)
    try:
        with torch.no_grad():
            after = transform(before)
    except Exception as error:  # whatever it is, the user shall meet it where torch raises it
        raise Refusal(f"it raises {type(error).__name__}: {error}") from error
    if after is before and state.ramp is None:
        return state, "it leaves a PIL image as it is"
    if not isinstance(after, torch.Tensor):
        raise Refusal(f"it makes a {type(after).__name__}, not a tensor")
    if after.ndim != 3 or after.shape[0] not in (1, 3) or tuple(after.shape[1:]) != (1, COLUMNS):
        raise Refusal("it changes the picture's shape")
    if after.device.type != "cpu" or after.requires_grad:
        raise Refusal("its result is more than values in memory")
    if after.shape[0] == 1 and state.channels == 3:
        raise Refusal("it drops channels")
    return replace(state, ramp=after), _WHY


def normalize(state: State, transform: Any, api: Api) -> tuple[State, str]:
    """Normalize with a mean and a deviation for each channel, not for each pixel."""
    import torch

    for name in ("mean", "std"):
        try:
            shape = torch.as_tensor(getattr(transform, name)).shape
        except Exception as error:
            raise Refusal(f"its {name} is not a list of numbers: {error}") from error
        if len(shape) > 1:
            raise Refusal(f"its {name} has the shape {list(shape)}, not one number a channel")
    return by_value(state, transform, api)


def unchanged(state: State, _transform: Any, _api: Api) -> tuple[State, str]:
    """v2's Identity."""
    return state, "it does nothing"


def _pil_ramp(channels: int) -> Image.Image:
    """A picture one row high: bytes 0 to 255 in every channel, and a zero behind them."""
    row = np.append(np.arange(256, dtype=np.uint8), np.uint8(0))[None]
    return Image.fromarray(row if channels == 1 else np.repeat(row[:, :, None], 3, axis=2))


def _copy(ramp: Any) -> Any:
    """A copy of the same type, for transforms that work in place. v2's clone() keeps the type."""
    return ramp.clone()
