"""``snapshot``: values as they are now, whatever training does to them next."""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from typing import Any

import numpy as np
import torch

__all__ = ["snapshot"]

#: By id, the value itself, which keeps that id its own, and its copy.
Seen = dict[int, tuple[Any, Any]]


def snapshot(value: Any) -> Any:
    """A value with all its tensors and arrays copied; anything else is the same object.

    They are found in lists, tuples, sets, dicts, deques and dataclasses, also of derived classes
    unless these refuse to be filled. Tensors come back detached, on the CPU. What stands in several
    places is copied once.
    """
    return _copied(value, {})


def _copied(value: Any, seen: Seen) -> Any:
    if id(value) in seen:
        return seen[id(value)][1]
    if isinstance(value, torch.Tensor):
        # One copy either way: from another device to the CPU, or on it.
        result: Any = value.detach().to("cpu", copy=True)
    elif isinstance(value, np.ndarray):
        result = value.copy()
    elif isinstance(value, tuple | frozenset):
        result = _rebuilt(value, [_copied(item, seen) for item in value])
    elif isinstance(value, dict | list | deque | set) or _is_dataclass(value):
        try:
            result = copy.copy(value)  # keeps defaultdict, OrderedDict, a deque's length, ...
            seen[id(value)] = (value, result)  # before its items, among which it may be
            _fill(result, value, seen)
        except TypeError:  # a class of its own mind, such as a dict that takes no items
            result = value
    else:
        return value
    seen[id(value)] = (value, result)
    return result


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _rebuilt(value: Any, items: list[Any]) -> Any:
    """A tuple or frozenset of other items; itself where they are the same."""
    if all(new is old for new, old in zip(items, value, strict=True)):
        return value
    if isinstance(value, frozenset):
        return type(value)(items)
    try:
        result = tuple.__new__(type(value), items)  # whatever its own __new__ wants
    except TypeError:  # as C's do: torch.return_types
        return type(value)(items)
    if hasattr(value, "__dict__"):
        result.__dict__.update(value.__dict__)
    return result


def _fill(result: Any, value: Any, seen: Seen) -> None:
    """Give a container's copy copies of its items."""
    if isinstance(value, dict):
        for key, item in value.items():
            result[key] = _copied(item, seen)
    elif isinstance(value, list | deque | set):
        items = [_copied(item, seen) for item in value]
        result.clear()
        (result.update if isinstance(value, set) else result.extend)(items)
    else:
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                object.__setattr__(result, field.name, _copied(getattr(value, field.name), seen))
