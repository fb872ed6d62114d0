"""``data.pkl`` of a torch file: the one place in fastload that pickles. Nothing here unpickles."""

from __future__ import annotations

from collections import OrderedDict
from io import BytesIO
from pickle import Pickler
from typing import Any

import torch

from fastload.checkpoint.storages import StorageRef, StorageTable
from fastload.checkpoint.tree import TensorCopy

#: torch.save's; ``weights_only`` loading reads no higher one.
PROTOCOL = 2


def pickle_live(state: object, table: StorageTable) -> bytes:
    """The pickle of a state as it is, on the thread that may change it; storages in the table.

    Raises:
        Exception: whatever an object's own pickling raises, as from ``torch.save``.
    """
    buffer = BytesIO()
    _LivePickler(buffer, table).dump(state)
    return buffer.getvalue()


def pickle_tree(tree: object) -> bytes:
    """The pickle of ``copy_tree``'s result: what ``pickle_live`` of its original would be."""
    buffer = BytesIO()
    _TreePickler(buffer).dump(tree)
    return buffer.getvalue()


class _LivePickler(Pickler):
    def __init__(self, buffer: BytesIO, table: StorageTable) -> None:
        super().__init__(buffer, PROTOCOL)
        self._table = table

    def persistent_id(self, value: Any) -> object:
        if isinstance(value, (torch.storage.TypedStorage, torch.UntypedStorage)):
            return self._table.add_storage(value).persistent_id
        return None


class _TreePickler(Pickler):
    def __init__(self, buffer: BytesIO) -> None:
        super().__init__(buffer, PROTOCOL)

    def persistent_id(self, value: Any) -> object:
        return value.persistent_id if type(value) is StorageRef else None

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not TensorCopy:
            return NotImplemented
        # As Tensor.__reduce_ex__ and Parameter.__reduce_ex__ of a tensor without hooks.
        view = (value.storage, value.offset, tuple(value.size), value.stride)
        if not value.parameter:
            hooks: OrderedDict[str, Any] = OrderedDict()
            return torch._utils._rebuild_tensor_v2, (*view, value.requires_grad, hooks)
        return torch._utils._rebuild_parameter, (
            _ParameterData(view),
            value.requires_grad,
            OrderedDict(),
        )


class _ParameterData:
    """The tensor inside a parameter."""

    __slots__ = ("view",)

    def __init__(self, view: tuple[Any, ...]) -> None:
        self.view = view

    def __reduce__(self) -> Any:
        return torch._utils._rebuild_tensor_v2, (*self.view, False, OrderedDict())
