"""Values as they were, whatever happens to them next."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from fastload.background.snapshot import snapshot


class Pair(NamedTuple):
    """With fields of any kind."""

    left: Any
    right: Any


@dataclass(frozen=True)
class Result:
    """With an array inside."""

    values: np.ndarray
    name: str = "result"
    made: list[Any] = field(default_factory=list, init=False)


def test_tensors_and_arrays_are_copied_wherever_they_are():
    """In all kinds of containers, which keep their types."""
    tensor, array = torch.ones(3, requires_grad=True), np.ones(3)
    value = {
        "list": [tensor, [array]],
        "tuple": (tensor, 1),
        "named": Pair(tensor, "x"),
        "ordered": OrderedDict(a=array),
        "default": defaultdict(list, a=[tensor]),
        "class": Result(array),
    }
    copied = snapshot(value)
    with torch.no_grad():
        tensor.zero_()
    array[:] = 0
    assert [type(copied[name]) for name in value] == [type(item) for item in value.values()]
    found = [
        copied["list"][0], copied["list"][1][0], copied["tuple"][0], copied["named"].left,
        copied["ordered"]["a"], copied["default"]["a"][0], copied["class"].values,
    ]  # fmt: skip
    for one in found:
        assert float(one.sum()) == 3
    assert not copied["list"][0].requires_grad
    assert copied["named"].right == "x"
    assert copied["default"]["new"] == []


def test_what_stands_twice_is_copied_once():
    """Also in a circle."""
    tensor = torch.ones(2)
    loop: list[Any] = [tensor]
    loop.append(loop)
    first, second, copied = snapshot((tensor, tensor, loop))
    assert first is second is copied[0]
    assert copied[1] is copied


def test_other_objects_are_passed_as_they_are():
    """Nobody can know how to copy a figure or a model."""
    model = torch.nn.Linear(2, 2)
    assert snapshot([model, "text", 3])[0] is model
    assert snapshot(Result) is Result


def test_lists_and_mappings_are_not_the_callers():
    """A list of losses goes on growing."""
    losses = [1.0]
    copied = snapshot({"losses": losses})
    losses.append(2.0)
    assert copied == {"losses": [1.0]}
