"""The colour of a pad, as a pixel's value before any conversion."""

from __future__ import annotations

from typing import Any

from fastload.transforms.origin import Api
from fastload.transforms.refusal import Refusal
from fastload.transforms.state import Color, State

__all__ = ["fill_color"]


def fill_color(state: State, fill: Any, api: Api) -> Color:
    """The R, G, B that the core has to pad with.

    Args:
        state: what is padded.
        fill: the transform's argument: a number, a sequence, None, or v2's dict of types.
        api: v1 or v2.

    Raises:
        Refusal: no pixel could have this value.
    """
    if isinstance(fill, dict):
        fill = _of_type(state, fill)
    values = _numbers(state, fill, api)
    if state.ramp is None:
        found = [int(value) for value in values]  # as torchvision does for PIL images
    else:
        found = [_byte_of(state, channel, value) for channel, value in enumerate(values)]
    if min(found) < 0 or max(found) > 255:
        raise Refusal(f"expected a fill from 0 to 255, found {fill!r}")
    return (found[0], found[0], found[0]) if len(found) == 1 else (found[0], found[1], found[2])


def _of_type(state: State, fills: dict[Any, Any]) -> Any:
    """v2's choice by the exact type; nothing at all means None, which is 0."""
    if state.ramp is None:
        from PIL import Image

        kind: type = Image.Image
    else:
        kind = type(state.ramp)
    return fills.get(kind, fills.get("others"))


def _numbers(state: State, fill: Any, api: Api) -> list[float]:
    """A number for each channel."""
    channels = state.channels if state.ramp is None else state.ramp.shape[0]
    if fill is None:
        fill = 0
    values = list(fill) if isinstance(fill, (list, tuple)) else [fill]
    if not all(isinstance(value, (int, float)) for value in values):
        raise Refusal(f"expected fill to be numbers, found {fill!r}")
    if isinstance(fill, (list, tuple)) and api == "v1" and state.ramp is not None:
        raise Refusal("torchvision's v1 pads tensors with a single number only")
    if len(values) not in (1, channels):
        raise Refusal(f"expected a fill of 1 or {channels} numbers, found {fill!r}")
    return values * channels if len(values) == 1 else values


def _byte_of(state: State, channel: int, value: float) -> int:
    """Which byte has become ``value`` in a tensor: whatever follows treats both alike."""
    import torch

    ramp = state.ramp
    assert ramp is not None
    wanted = torch.tensor(float(value)).to(ramp.dtype)
    if not ramp.is_floating_point() and wanted.item() != value:
        raise Refusal(f"a fill of {value} does not fit into {ramp.dtype}")
    equal = ramp.as_subclass(torch.Tensor)[channel, 0, :256] == wanted
    if not bool(equal.any()):
        raise Refusal(f"no pixel can have the value {value} here, so the engine cannot pad with it")
    return int(equal.nonzero()[0])
