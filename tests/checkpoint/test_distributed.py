"""DistributedCheckpointer: torch's sharded checkpoints, complete or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from fastload.checkpoint import DistributedCheckpointer
from fastload.errors import CheckpointError

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(params=["alone", "gloo"])
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """With and without a process group of one."""
    if request.param == "gloo":
        store = f"file://{tmp_path / 'rendezvous'}"
        dist.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield request.param
    if request.param == "gloo":
        dist.destroy_process_group()


def state(step: int) -> dict[str, Any]:
    """Tensors and a number."""
    return {"weights": torch.full((1000,), float(step)), "step": step}


def test_saved_published_kept_and_loaded(tmp_path: Path, group: str):
    """Two stay, and nothing else."""
    folder = tmp_path / "run"
    with DistributedCheckpointer(folder, keep_last=2) as checkpointer:
        for step in (1, 2, 3, 3):
            value = state(step)
            handle = checkpointer.save(value, step=step)
            value["weights"].fill_(-1)
        assert handle.result(60) == folder / "step-000000003"
        into = state(0)
        assert checkpointer.load_latest(into) == 3
        assert into["step"] == 3
        assert into["weights"].unique().tolist() == [3]
    assert sorted(os.listdir(folder)) == ["step-000000002", "step-000000003"]


def test_error_is_raised_by_the_next_call(tmp_path: Path):
    """And the checkpoint before is still the newest."""
    folder = tmp_path / "run"
    checkpointer = DistributedCheckpointer(folder)
    checkpointer.save(state(1), step=1).result(60)
    checkpointer.save({"f": lambda: None}, step=2)
    with pytest.raises(CheckpointError, match="step 2"):
        checkpointer.close()
    assert os.listdir(folder) == ["step-000000001"]


def test_leftovers_go_at_the_next_start(tmp_path: Path):
    """Killed in the middle of a save: not under its name."""
    code = f"""
import os, torch
from fastload import DistributedCheckpointer
from fastload.checkpoint import distributed
distributed.DistributedCheckpointer._publish = lambda *a: os.kill(os.getpid(), 9)
DistributedCheckpointer({str(tmp_path)!r}).save(dict(a=torch.ones(3)), step=1).result()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=False, timeout=100, cwd="/"
    )
    assert done.returncode == -9
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == []
    assert len(os.listdir(tmp_path)) == 1
    checkpointer = DistributedCheckpointer(tmp_path)
    assert os.listdir(tmp_path) == []
    assert checkpointer.load_latest(state(0)) is None
