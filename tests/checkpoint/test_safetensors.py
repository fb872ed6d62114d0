"""Format "safetensors": weights without pickle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from fastload.checkpoint import (
    AsyncCheckpointer,
)
from fastload.errors import CheckpointError


def test_safetensors_refuses_what_it_cannot_hold(tmp_path: Path):
    """On the training thread, where the mistake is."""
    with AsyncCheckpointer(tmp_path, format="safetensors") as checkpointer:
        for bad in ([torch.ones(1)], {"a": {"b": torch.ones(1)}}, {"a": torch.eye(2).to_sparse()}):
            with pytest.raises(TypeError, match="safetensors"):
                checkpointer.save(bad, step=0)
        shared = torch.arange(6.0)
        checkpointer.save({"a": shared, "b": shared[2:]}, step=0)
        found = checkpointer.load_latest()
    assert found is not None
    assert found.state["b"].tolist() == [2, 3, 4, 5]


def test_safetensors_missing_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(CheckpointError, match=r"pip install 'fastload\[safetensors\]'"):
        AsyncCheckpointer(tmp_path, format="safetensors")


def test_every_dtype_and_layout_of_memory_comes_back(tmp_path: Path):
    """Read by the library itself, too; what views other memory is written as it looks."""
    base = torch.arange(24.0).view(4, 6)
    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32]
    kinds += [torch.int16, torch.int8, torch.uint8, torch.bool, torch.float8_e4m3fn]
    weights = {str(kind): torch.tensor([1, 0, 1]).to(kind) for kind in kinds}
    weights |= {
        "turned": base.t(),
        "every other": base[:, ::2],
        "expanded": torch.ones(1).expand(5),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "negated": torch.imag(torch.tensor([1 + 2j]).conj()),
    }
    with AsyncCheckpointer(tmp_path, format="safetensors") as checkpointer:
        path = checkpointer.save(weights, step=0).result()
        found = checkpointer.load_latest()
    assert found is not None
    for loaded in (found.state, safetensors.torch.load_file(path)):
        assert set(loaded) == set(weights)
        for name, tensor in weights.items():
            assert loaded[name].dtype == tensor.dtype, name
            assert loaded[name].tolist() == tensor.tolist(), name


def test_tensors_without_memory_are_refused(tmp_path: Path):
    """Rather than read from address 0."""
    with AsyncCheckpointer(tmp_path, format="safetensors") as checkpointer:
        for bad in (torch.ones(3, device="meta"), torch.ones(3, dtype=torch.complex64)):
            with pytest.raises(TypeError, match="safetensors"):
                checkpointer.save({"a": bad}, step=0)
