"""RandomErasing of tensors, with a value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastload.transforms.arguments import interval, probability
from fastload.transforms.crops import require_movable
from fastload.transforms.origin import Api
from fastload.transforms.refusal import Refusal
from fastload.transforms.state import Erasing, State

__all__ = ["random_erasing"]


def random_erasing(state: State, transform: Any, api: Api) -> tuple[State, str]:
    """Its rectangle is drawn by the core, as ``RandomErasing.get_params`` would draw it.

    The value is written into the ramp's last column, so that a Normalize that follows changes it
    as it changes the erased pixels.
    """
    import torch

    if state.ramp is None:
        raise Refusal("the engine erases after the conversion to a tensor only")
    if state.erasing is not None:
        raise Refusal("the engine erases once")
    require_movable(state, api)
    value = transform.value
    if value is None or isinstance(value, str):
        raise Refusal("the engine erases with a value, not with random ones")
    values = [float(one) for one in (value if isinstance(value, (list, tuple)) else [value])]
    if len(values) not in (1, state.ramp.shape[0]):
        raise Refusal(f"expected 1 or {state.ramp.shape[0]} values, found {value!r}")
    erasing = Erasing(
        probability(transform.p),
        interval(transform.scale, "scale", zero=True),
        interval(transform.ratio, "ratio", zero=False),
    )
    ramp = state.ramp.clone()
    ramp[..., 256:] = torch.tensor(values)[:, None, None]  # F.erase's own statement
    return replace(state, ramp=ramp, erasing=erasing), "its rectangle is drawn by the engine"
