"""A quick copy of a state made of plain things: containers, numbers, text and tensors.

Most states are: ``state_dict()`` of models, optimizers and schedulers. Copying one takes about
3 us a tensor on the training thread, and its pickle can be made elsewhere; pickling at once takes
25 us a tensor. What is not plain (modules, objects, tensors of unusual kinds) is left to pickle.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch

from fastload.checkpoint.storages import STORAGE_CLASSES, StorageRef, StorageTable

#: Never changed by anyone, so the copy may hold the same object.
_IMMUTABLE = frozenset(
    {type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size}
    | {np.float64, np.float32, np.int64, np.int32, np.bool_}
)


class NotPlainError(Exception):
    """The state holds something that only pickle can copy."""


class TensorCopy:
    """Stands for a tensor: how it views its storage."""

    __slots__ = ("offset", "parameter", "requires_grad", "size", "storage", "stride")

    def __init__(self, tensor: torch.Tensor, storage: StorageRef, parameter: bool) -> None:
        self.storage = storage
        self.parameter = parameter
        self.offset = tensor.storage_offset()
        self.size = tensor.shape
        self.stride = tensor.stride()
        self.requires_grad = tensor.requires_grad


def copy_tree(state: object, table: StorageTable) -> Any:
    """The state with a ``TensorCopy`` for each tensor and new containers; storages in the table.

    What is one object in the state is one in the copy.

    Raises:
        NotPlainError: the state is not plain; the table is spoiled.
    """
    try:
        return _Copier(table).copy(state)
    except RecursionError:
        raise NotPlainError("nested too deeply") from None


class _Copier:
    def __init__(self, table: StorageTable) -> None:
        self.table = table
        self.copies: dict[int, Any] = {}
        # An id is unique only while its object lives; properties may make objects on the fly.
        self.originals: list[object] = []

    def copy(self, value: Any) -> Any:
        kind = type(value)
        if kind in _IMMUTABLE:
            return value
        known = self.copies.get(id(value))
        if known is not None:
            return known
        self.originals.append(value)
        if kind is torch.Tensor or kind is torch.nn.Parameter:
            made = self.copies[id(value)] = self.tensor(value, kind is torch.nn.Parameter)
            return made
        if kind is dict or kind is OrderedDict:
            return self.mapping(value, kind)
        if kind is list:
            made = self.keep(value, [])
            made.extend([self.copy(item) for item in value])
            return made
        if kind is tuple:
            items = tuple([self.copy(item) for item in value])
            # One that holds itself, through a list, was copied on the way.
            return self.copies.get(id(value)) or self.keep(value, items)
        if kind is np.ndarray and not value.dtype.hasobject:
            return self.keep(value, value.copy(order="K"))
        raise NotPlainError(kind.__qualname__)

    def keep(self, value: object, copy: Any) -> Any:
        self.copies[id(value)] = copy
        return copy

    def mapping(self, value: dict[Any, Any], kind: type[dict[Any, Any]]) -> Any:
        made = self.keep(value, kind())
        for key, item in value.items():
            if type(key) not in _IMMUTABLE:
                if type(key) is not tuple:
                    raise NotPlainError("a mapping's key")
                key = self.copy(key)
            made[key] = self.copy(item)
        if kind is OrderedDict and value.__dict__:  # such as _metadata of a module's state_dict
            made.__dict__.update(self.mapping(value.__dict__, dict))
        return made

    def tensor(self, value: torch.Tensor, parameter: bool) -> TensorCopy:
        if (
            value.layout is not torch.strided
            or value.dtype not in STORAGE_CLASSES
            or not (value.is_cpu or value.is_cuda)  # its device.type takes five times as long
            or value.is_nested
            or value.is_conj()
            or value.is_neg()
            or value.__dict__
            or value._backward_hooks
        ):
            raise NotPlainError("an unusual tensor")
        return TensorCopy(value, self.table.add_tensor(value), parameter)
