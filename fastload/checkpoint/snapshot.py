"""A state as it was at one moment, in a buffer: what the background writes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from fastload.checkpoint.arena import Arena, bytes_of
from fastload.checkpoint.pickling import pickle_live, pickle_tree
from fastload.checkpoint.plan import Entry, FilePlan, Format
from fastload.checkpoint.storages import StorageTable
from fastload.checkpoint.torch_file import torch_entries
from fastload.checkpoint.tree import NotPlainError, copy_tree

#: Makes the plan; run in the background, once.
Finish = Callable[[Mapping[str, Any]], FilePlan]

_SAFETENSORS_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}


def take_snapshot(state: object, file_format: Format, arena: Arena) -> Finish:
    """Copy a state; when this returns, it may be changed.

    Args:
        state: for "torch" anything that ``torch.save`` takes, for "safetensors" a flat mapping of
            names to dense tensors.
        arena: not in use by another snapshot.

    Returns:
        a function of the file's info that gives the file's plan, with ranges of the arena.

    Raises:
        TypeError: safetensors cannot hold this.
        Exception: whatever pickling an object of the state raises.
    """
    if file_format == "safetensors":
        return _snapshot_tensors(state, arena)
    table = StorageTable()
    tree, pickled = None, b""
    try:
        tree = copy_tree(state, table)
    except NotPlainError:
        table = StorageTable()
        pickled = pickle_live(state, table)
    ranges = arena.copy(table.sources)

    def finish(info: Mapping[str, Any]) -> FilePlan:
        storages = [Entry(f"data/{i}", place) for i, place in enumerate(ranges)]
        return FilePlan("torch", torch_entries(pickled or pickle_tree(tree), storages), info)

    return finish


def plan_live(state: object) -> FilePlan:
    """A plan of a state itself, for writing it while nobody changes it; no copy on the CPU."""
    table = StorageTable()
    pickled = pickle_live(state, table)
    storages = []
    for i, source in enumerate(table.sources):
        view: memoryview = bytes_of(source).cpu().numpy().data
        storages.append(Entry(f"data/{i}", view))
    return FilePlan("torch", torch_entries(pickled, storages))


def _snapshot_tensors(state: object, arena: Arena) -> Finish:
    if not isinstance(state, Mapping):
        raise TypeError(
            f"safetensors: expected a flat mapping of names to tensors, found {type(state)}; "
            'save model.state_dict(), or use format="torch"'
        )
    for name, value in state.items():
        # Of a wrapper's memory nothing is known, and a tensor on "meta" has none.
        dense = type(value) in (torch.Tensor, torch.nn.Parameter)
        dense = dense and value.layout is torch.strided and not value.is_meta
        if not isinstance(name, str) or not dense or value.dtype not in _SAFETENSORS_DTYPES:
            found = value
            if isinstance(value, torch.Tensor):
                found = f"{type(value).__name__} {value.dtype} {value.layout} {value.device}"
            raise TypeError(
                f"safetensors: expected names and dense tensors only, found {found!r} at {name!r}; "
                'use format="torch"'
            )
    # Larger elements first, so that every tensor is aligned to its own; the library does so, too.
    names = sorted(state, key=lambda name: (-state[name].itemsize, name))
    tensors = [state[name].detach().contiguous().resolve_neg() for name in names]
    ranges = arena.copy(tensors)
    kinds = [(_SAFETENSORS_DTYPES[tensor.dtype], tuple(tensor.shape)) for tensor in tensors]

    def finish(info: Mapping[str, Any]) -> FilePlan:
        entries = [
            Entry(name, place, dtype, shape)
            for name, place, (dtype, shape) in zip(names, ranges, kinds, strict=True)
        ]
        return FilePlan("safetensors", tuple(entries), info)

    return finish
