"""Format "safetensors": weights without pickle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
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
