"""A snapshot is what torch.save would have written at that moment, whatever happens after."""

from __future__ import annotations

import copy
import io
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fastload.checkpoint import AsyncCheckpointer
from fastload.checkpoint.arena import Arena, bytes_of
from fastload.checkpoint.plan import FilePlan
from fastload.checkpoint.record import make_info
from fastload.checkpoint.sink import Sink
from fastload.checkpoint.snapshot import take_snapshot
from fastload.checkpoint.storages import STORAGE_CLASSES, StorageTable
from fastload.checkpoint.torch_file import write_torch_file
from fastload.checkpoint.tree import NotPlainError, copy_tree


class Marked(torch.Tensor):
    """A subclass of a user's."""


class Thing:
    """An object of a user's."""

    def __init__(self, value: Any) -> None:
        self.value = value


def snapshot(state: object, arena: Arena) -> bytes:
    """The file of a snapshot."""
    parts: list[bytes] = []
    plan = take_snapshot(state, "torch", arena)(make_info(1, 1, {}))
    resolved: FilePlan = plan.resolve(arena.buffer)
    write_torch_file(resolved, Sink(lambda data: parts.append(bytes(data))))
    return b"".join(parts)


def load(data: bytes) -> Any:
    """By torch, objects and all."""
    return torch.load(io.BytesIO(data), weights_only=False)


def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer, Any]:
    """A model after two steps, its optimizer and scheduler."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(8, 2)
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(4, 3, 3, 3)).sum().backward()
        optimizer.step()
        scheduler.step()
    return model, optimizer, scheduler


def plain_states() -> dict[str, Any]:
    """States of which copy_tree makes copies."""
    model, optimizer, scheduler = trained()
    base = torch.arange(24.0)
    shared = [1, 2]
    return {
        "training": {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "rng": torch.get_rng_state(),
        },
        "views": {
            "base": base,
            "row": base.view(4, 6)[1],
            "turned": base.view(4, 6).t(),
            "every other": base[::2],
            "again": base,
            "expanded": torch.ones(1).expand(5),
        },
        "part of a storage alone": base.view(4, 6)[2],
        "parameters": {
            "tied": (parameter := torch.nn.Parameter(torch.randn(3, 3))),
            "same": parameter,
            "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
            "grad": torch.ones(2, requires_grad=True),
        },
        "dtypes": [torch.tensor([1, 0, 1]).to(dtype) for dtype in STORAGE_CLASSES],
        "containers": [shared, shared, (shared, {"x": shared}), np.arange(5), np.float64(3), b"b"],
        "scalar and empty": (torch.tensor(3.5), torch.empty(0), torch.empty(2, 0)),
    }


def other_states() -> dict[str, Any]:
    """States that only pickle knows."""
    model, optimizer, _ = trained()
    module = torch.nn.Linear(2, 2)
    hooked = torch.ones(3)
    hooked.note = "kept"  # type: ignore[attr-defined]
    base = torch.arange(6.0)
    return {
        "module": {"ema": module, "weights": module.state_dict(), "n": 3},
        "model and optimizer": {"model": model, "optimizer": optimizer},
        "subclass": {"t": torch.ones(3).as_subclass(Marked), "base": base, "view": base[1:]},
        "attribute": hooked,
        "conjugated": torch.tensor([1 + 2j]).conj(),
        "sparse": torch.eye(3).to_sparse(),
        "float8": torch.ones(3).to(torch.float8_e4m3fn),
        "objects": [Thing(base), {1, 2}, defaultdict(list, a=[1])],
        "storage": base.untyped_storage(),
        "meta": torch.ones(3, device="meta"),
        "negated": torch.imag(torch.tensor([1 + 2j]).conj()),
    }


@pytest.mark.parametrize("name", plain_states())
def test_plain_state_gives_the_bytes_of_a_live_pickle(name: str):
    """The quick copy and pickle's own walk come to the same storages and values."""
    state = plain_states()[name]
    buffer = io.BytesIO()
    torch.save(state, buffer)
    ours, theirs = load(snapshot(state, Arena())), load(buffer.getvalue())
    assert_same(ours, theirs)
    # Saving what was loaded shows sharing, strides and offsets, byte for byte.
    first, second = io.BytesIO(), io.BytesIO()
    torch.save(ours, first)
    torch.save(theirs, second)
    assert len(first.getvalue()) == len(second.getvalue())


@pytest.mark.parametrize("name", plain_states())
def test_plain_state_is_copied_quickly(name: str):
    """These must not fall back to pickling on the training thread."""
    copy_tree(plain_states()[name], StorageTable())


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("name", other_states())
def test_other_states_are_left_to_pickle(name: str):
    """Unusual things come back as with torch.save."""
    state = other_states()[name]
    with pytest.raises(NotPlainError):
        copy_tree(state, StorageTable())
    buffer = io.BytesIO()
    torch.save(state, buffer)
    assert_same(load(snapshot(state, Arena())), load(buffer.getvalue()))


def test_sharing_survives():
    """Views of one storage are views of one storage afterwards; tied parameters one object."""
    loaded = load(snapshot(plain_states()["views"], Arena()))
    loaded["base"][6] = -1
    assert loaded["row"][0] == -1
    assert loaded["turned"][0, 1] == -1
    assert loaded["again"] is loaded["base"]
    loaded = load(snapshot(plain_states()["parameters"], Arena()))
    assert loaded["tied"] is loaded["same"]
    assert isinstance(loaded["tied"], torch.nn.Parameter)
    assert loaded["tied"].requires_grad
    assert not loaded["frozen"].requires_grad


def test_metadata_of_a_state_dict_survives():
    """load_state_dict reads versions from an attribute of the OrderedDict."""
    state = torch.nn.BatchNorm1d(3).state_dict()
    assert isinstance(state, OrderedDict)
    loaded = load(snapshot({"model": state}, Arena()))["model"]
    assert loaded._metadata == state._metadata


def test_a_state_that_holds_itself():
    """As torch.save: cycles through lists and dicts are kept."""
    state: dict[str, Any] = {"t": torch.ones(2)}
    state["self"] = state
    loaded = load(snapshot(state, Arena()))
    assert loaded["self"] is loaded
    loop: Any = ([],)
    loop[0].append(loop)
    again = load(snapshot(loop, Arena()))
    assert again[0][0] is again


@pytest.mark.parametrize("kind", ["plain", "with a module"])
def test_changes_after_save_are_not_in_the_file(tmp_path: Path, kind: str):
    """Everything is changed right after save returns, long before the file is written."""
    state: dict[str, Any] = {
        "weights": torch.zeros(3_000_000),
        "array": np.zeros(4),
        "list": [1, [2]],
        "small": torch.zeros(3),
    }
    if kind == "with a module":
        state["module"] = torch.nn.Linear(2, 2)
    expected = copy.deepcopy(state)
    with AsyncCheckpointer(tmp_path) as checkpointer:
        handle = checkpointer.save(state, step=1)
        state["weights"].fill_(1)
        state["small"].fill_(1)
        state["array"][:] = 1
        state["list"][1].append(3)
        if kind == "with a module":
            torch.nn.init.zeros_(state["module"].weight)
        loaded = torch.load(handle.result(), weights_only=False)
    assert_same(loaded, expected)


def test_memory_viewed_as_two_dtypes_is_refused_as_by_torch():
    """torch.load could give back only one of them."""
    base = torch.ones(4)
    for state in ([base, base.view(torch.int32)], [Thing(base), base.view(torch.int32)]):
        with pytest.raises(RuntimeError, match=r"as torch\.float32 and as torch\.int32"):
            take_snapshot(state, "torch", Arena())


def test_freed_memory_is_refused():
    """torch.save would write a file that cannot be loaded."""
    tensor = torch.ones(3)
    tensor.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match=r"shape \(3,\), found none"):
        take_snapshot({"a": tensor}, "torch", Arena())


def test_what_cannot_be_pickled_is_an_error_of_save(tmp_path: Path):
    """And the next save goes on."""
    with AsyncCheckpointer(tmp_path, snapshots=1) as checkpointer:
        with pytest.raises((AttributeError, TypeError)):
            checkpointer.save({"f": lambda: None}, step=1)
        checkpointer.save({"f": 1}, step=2).result()


def test_bytes_of_every_dtype_are_a_view():
    """Copies from devices and plain files go by bytes."""
    for dtype in STORAGE_CLASSES:
        for tensor in (torch.ones(2, 3, dtype=dtype), torch.ones((), dtype=dtype)):
            found = bytes_of(tensor.requires_grad_(dtype.is_floating_point))
            assert found.shape == (tensor.nbytes,)
            assert found.data_ptr() == tensor.data_ptr()
        assert bytes_of(torch.empty(0, 3, dtype=dtype)).shape == (0,)


def test_the_buffer_is_used_again_while_shapes_stay():
    """Fresh pages cost three times as much as the copy."""
    arena = Arena()
    state = {"a": torch.zeros(1000, 1000), "b": torch.zeros(7)}
    snapshot(state, arena)
    generation, size = arena.generation, arena.size_bytes
    for value in range(3):
        state["a"].fill_(value)
        assert load(snapshot(state, arena))["a"][5, 5] == value
    assert arena.generation == generation
    state["c"] = torch.ones(2_000_000)
    assert torch.equal(load(snapshot(state, arena))["c"], state["c"])
    assert arena.size_bytes > size
    assert load(snapshot({"a": torch.ones(3)}, arena))["a"].tolist() == [1, 1, 1]
    assert arena.size_bytes <= 4096, "memory of a state that shrank is given back"


def assert_same(ours: Any, theirs: Any) -> None:
    """Equal in type, value, layout and attributes."""
    assert type(ours) is type(theirs)
    if isinstance(ours, torch.Tensor):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert ours.layout == theirs.layout
        assert ours.requires_grad == theirs.requires_grad
        assert ours.__dict__ == theirs.__dict__
        if ours.layout is torch.strided:
            assert ours.stride() == theirs.stride()
            assert ours.storage_offset() == theirs.storage_offset()
            assert ours.untyped_storage().nbytes() == theirs.untyped_storage().nbytes()
        if ours.is_meta:
            return
        if ours.layout is not torch.strided:
            ours, theirs = ours.to_dense(), theirs.to_dense()
        if ours.dtype is torch.float8_e4m3fn:
            ours, theirs = ours.float(), theirs.float()
        assert torch.equal(ours.as_subclass(torch.Tensor), theirs.as_subclass(torch.Tensor))
    elif isinstance(ours, np.ndarray):
        assert np.array_equal(ours, theirs)
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, (torch.UntypedStorage, torch.storage.TypedStorage)):
        assert list(ours) == list(theirs)
    elif isinstance(ours, (torch.nn.Module, torch.optim.Optimizer)):
        assert_same(ours.state_dict(), theirs.state_dict())
    elif isinstance(ours, Thing):
        assert_same(ours.value, theirs.value)
    else:
        assert ours == theirs
