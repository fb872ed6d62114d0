"""``snapshot``: values as they are now, whatever training does to them next."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import torch

__all__ = ["snapshot"]


def snapshot(value: Any) -> Any:
    """A value with all its tensors and arrays copied; anything else is the same object.

    They are found in lists, tuples, mappings and dataclasses. Tensors come back detached, on the
    CPU. What stands in several places is copied once.
    """
    return _copied(value, {})


def _copied(value: Any, seen: dict[int, Any]) -> Any:
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, torch.Tensor):
        # One copy either way: from another device to the CPU, or on it.
        result: Any = value.detach().to("cpu", copy=True)
    elif isinstance(value, np.ndarray):
        result = value.copy()
    elif isinstance(value, dict):
        result = seen[id(value)] = copy.copy(value)  # keeps defaultdict, OrderedDict, ...
        for key, item in value.items():
            result[key] = _copied(item, seen)
    elif isinstance(value, list):
        result = seen[id(value)] = copy.copy(value)
        result[:] = [_copied(item, seen) for item in value]
    elif isinstance(value, tuple):
        items = [_copied(item, seen) for item in value]
        result = type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    elif isinstance(value, set | frozenset):
        result = copy.copy(value)  # its members have hashes, so they do not change
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        result = seen[id(value)] = copy.copy(value)
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                object.__setattr__(result, field.name, _copied(getattr(value, field.name), seen))
    else:
        return value
    seen[id(value)] = result
    return result
