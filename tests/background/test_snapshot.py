"""Values as they were, whatever happens to them next."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
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
        "latest": deque([tensor], maxlen=2),
        "set": {tensor},
    }
    copied = snapshot(value)
    with torch.no_grad():
        tensor.zero_()
    array[:] = 0
    assert [type(copied[name]) for name in value] == [type(item) for item in value.values()]
    found = [
        copied["list"][0], copied["list"][1][0], copied["tuple"][0], copied["named"].left,
        copied["ordered"]["a"], copied["default"]["a"][0], copied["class"].values,
        copied["latest"][0], *copied["set"],
    ]  # fmt: skip
    for one in found:
        assert float(one.sum()) == 3
    assert not copied["list"][0].requires_grad
    assert copied["named"].right == "x"
    assert copied["default"]["new"] == []
    assert copied["latest"].maxlen == 2


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


class Frozen(dict[str, Any]):
    """Takes no items."""

    def __setitem__(self, key: str, value: Any) -> None:
        raise TypeError("frozen")


def test_containers_that_cannot_be_filled_are_passed_as_they_are():
    """Training is not stopped by a class of its own mind."""
    frozen = Frozen(a=torch.ones(1))
    copied = snapshot([frozen, frozen])
    assert copied[0] is copied[1] is frozen


class Two(tuple[Any, ...]):
    """Made of two values, and not of a list of them."""

    def __new__(cls, one: Any, other: Any) -> Any:
        return super().__new__(cls, (one, other))


class Doubled(Pair):
    """Made of fewer values than it has."""

    def __new__(cls, left: Any) -> Any:
        made = super().__new__(cls, left, 2 * left)
        made.note = "doubled"
        return made


def test_tuples_that_make_themselves_are_copied():
    """Not by their own ways, which may want other arguments; those without tensors are the same."""
    tensor = torch.ones(2)
    packed = torch.nn.utils.rnn.pack_sequence([tensor])
    values = (Two(tensor, 1), Doubled(tensor), packed, torch.max(torch.ones(2, 2), 0))
    copied = snapshot(values)
    assert [type(one) for one in copied] == [type(one) for one in values]
    for old, new in zip(values, copied, strict=True):
        assert new[0] is not old[0]
        assert torch.equal(new[0], old[0])
    assert copied[1].right.tolist() == [2, 2]
    assert copied[1].note == "doubled"
    plain = Two(1, 2)
    assert snapshot([plain])[0] is plain


class Lazy(dict[int, Any]):
    """Makes its values when they are asked for, and keeps none."""

    def items(self) -> Any:
        return ((key, torch.full((1,), key)) for key in range(9))


@dataclass
class LazyFields:
    """Likewise."""

    a: Any = 0
    b: Any = 1
    c: Any = 2

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        return value if name.startswith("_") else np.full(1, value)


def test_values_that_are_made_as_they_are_read_are_not_taken_for_each_other():
    """An object may stand where another one stood."""
    copied = snapshot(Lazy())
    assert [int(copied[key][0]) for key in range(9)] == list(range(9))
    fields = snapshot(LazyFields()).__dict__
    assert [int(fields[name][0]) for name in "abc"] == [0, 1, 2]


def test_lists_and_mappings_are_not_the_callers():
    """A list of losses goes on growing."""
    losses = [1.0]
    copied = snapshot({"losses": losses})
    losses.append(2.0)
    assert copied == {"losses": [1.0]}
