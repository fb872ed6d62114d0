"""Which torchvision transform an object is, by its exact type and without importing torchvision."""

from __future__ import annotations

import sys
from typing import Any, Literal

from fastload.transforms.refusal import Refusal

__all__ = ["Api", "api_of", "check_unaltered", "members_of", "name_of"]

Api = Literal["v1", "v2"]

_MODULES: tuple[tuple[Api, str], ...] = (
    ("v1", "torchvision.transforms.transforms"),
    ("v2", "torchvision.transforms.v2"),
)
#: What an instance may carry to act otherwise than its class says.
_OVERRIDES = ("forward", "transform", "make_params", "_get_params", "get_params", "_call_kernel")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_NAME_LENGTH = 120


def api_of(transform: Any) -> Api | None:
    """Whose transform it is, or None where its class is not exactly one of torchvision's.

    A subclass may override anything, so it counts as none.
    """
    kind = type(transform)
    for api, module in _MODULES:
        if module in sys.modules and getattr(sys.modules[module], kind.__name__, None) is kind:
            return api
    return None


def members_of(transform: Any) -> list[Any] | None:
    """The transforms in a Compose (v1, v2) or a torch.nn.Sequential, or None for anything else.

    A container with a hook of the user's is left whole.
    """
    kind = type(transform)
    torch = sys.modules.get("torch")
    sequential = torch is not None and kind is torch.nn.Sequential
    if not sequential and not (kind.__name__ == "Compose" and api_of(transform) is not None):
        return None
    try:
        check_unaltered(transform)
    except Refusal:
        return None
    return list(transform if sequential else transform.transforms)


def check_unaltered(transform: Any) -> None:
    """Refuse an object of torchvision's that carries hooks or methods of its own."""
    attributes = vars(transform)
    if any(attributes.get(name) for name in _HOOKS):
        raise Refusal("it has hooks, which only run in Python")
    for name in _OVERRIDES:
        if name in attributes:
            raise Refusal(f"this object has a {name}() of its own")


def name_of(transform: Any) -> str:
    """How the plan calls a transform: its repr on one line, or a function's name."""
    name = getattr(transform, "__qualname__", None)
    if isinstance(name, str):
        return name
    try:
        text = " ".join(repr(transform).split())
    except Exception:  # a plan must not fail for a user's repr
        text = type(transform).__qualname__
    return text if len(text) <= _NAME_LENGTH else text[: _NAME_LENGTH - 3] + "..."
