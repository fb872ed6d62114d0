"""DistributedCheckpointer: torch's sharded checkpoints, complete or not there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from fastload.checkpoint import DistributedCheckpointer
from fastload.checkpoint.file_ops import FileOps
from fastload.errors import CheckpointDamagedError, CheckpointError
from support.forked import in_child
from support.programs import run_programs

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
    """Two stay, and nothing else; nothing of the state as it was after save."""
    folder = tmp_path / "run"
    with DistributedCheckpointer(folder, keep_last=2) as checkpointer:
        for step in (1, 2, 3, 3):
            value = state(step)
            handle = checkpointer.save(value, step=step, metrics={"loss": 1 / step})
            value["weights"].fill_(-1)
        assert handle.result(60) == folder / "step-000000003"
        into = state(0)
        found = checkpointer.load_latest(into)
    assert found is not None
    assert (found.step, found.metrics, found.skipped) == (3, {"loss": 1 / 3}, [])
    assert found.state is into
    assert into["step"] == 3
    assert into["weights"].unique().tolist() == [3]
    assert sorted(os.listdir(folder)) == ["step-000000002", "step-000000003"]


def test_the_best_and_every_tenth_stay_and_the_newest_is_what_was_saved_last(tmp_path: Path):
    """As in AsyncCheckpointer, also in a run that goes back."""
    folder = tmp_path / "run"
    with DistributedCheckpointer(folder, keep_last=1, keep_every=10, best="m") as checkpointer:
        for step, value in ((10, 1), (11, 9), (12, 3), (5, 2)):
            checkpointer.save(state(step), step=step, metrics={"m": value})
        found = checkpointer.load_latest(state(0))
    assert found is not None
    assert found.step == 5
    assert sorted(int(name[5:]) for name in os.listdir(folder)) == [5, 10, 11]


def test_error_is_raised_by_the_next_call(tmp_path: Path):
    """And the checkpoint before is still the newest."""
    folder = tmp_path / "run"
    checkpointer = DistributedCheckpointer(folder)
    checkpointer.save(state(1), step=1).result(60)
    checkpointer.save({"f": lambda: None}, step=2)
    with pytest.raises(CheckpointError, match="step 2"):
        checkpointer.close()
    assert os.listdir(folder) == ["step-000000001"]


def test_an_error_that_ends_the_loop_is_not_hidden_by_that_of_a_save(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Which is printed."""

    def train() -> None:
        with DistributedCheckpointer(tmp_path) as checkpointer:
            checkpointer.save({"f": lambda: None}, step=2)
            raise KeyError("in the loop")

    with pytest.raises(KeyError, match="in the loop"):
        train()
    assert "step 2 could not be saved" in capsys.readouterr().err


def test_unreadable_ones_are_skipped_and_named(tmp_path: Path):
    """As far as torch's format can tell."""
    checkpointer = DistributedCheckpointer(tmp_path)
    for step in (1, 2):
        checkpointer.save(state(step), step=step).result(60)
    (tmp_path / "step-000000002" / ".metadata").unlink()
    found = checkpointer.load_latest(state(0))
    assert found is not None
    assert found.step == 1
    assert [skip.path.name for skip in found.skipped] == ["step-000000002"]
    (tmp_path / "step-000000001" / ".metadata").unlink()
    with pytest.raises(CheckpointDamagedError, match="2 checkpoints, and none can be read"):
        checkpointer.load_latest(state(0))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("killed_at", [1, 2, 3])
def test_killed_while_a_step_is_replaced(tmp_path: Path, killed_at: int):
    """There is one of that step at any time, or the next start puts it back; nothing is left."""
    with DistributedCheckpointer(tmp_path) as checkpointer:
        checkpointer.save(state(1), step=1).result(60)

    def run() -> None:
        rename, calls = FileOps.rename, []

        def counted(ops: FileOps, source: Path, target: Path) -> None:
            calls.append(source)
            if len(calls) == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(ops, source, target)

        FileOps.rename = counted  # type: ignore[method-assign]
        DistributedCheckpointer(tmp_path).save(state(2), step=1).result()

    assert in_child(run) == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) > 1
    checkpointer = DistributedCheckpointer(tmp_path)
    assert os.listdir(tmp_path) == ["step-000000001"]
    into = state(0)
    assert checkpointer.load_latest(into) is not None
    assert into["weights"].unique().tolist() == [2 if killed_at == 3 else 1]


RANK = """
import sys, warnings, torch, torch.distributed as dist
from fastload import DistributedCheckpointer
warnings.simplefilter("ignore")
folder = sys.argv[1]
dist.init_process_group("gloo", init_method=f"file://{folder}.meet", rank=rank, world_size=2)
with DistributedCheckpointer(folder, keep_last=2, on_busy="skip") as checkpointer:
    for step in range(5):
        handle = checkpointer.save({f"part{rank}": torch.full((100_000,), step + rank)}, step=step)
        for _ in range(20):  # training's own collectives, meanwhile
            total = torch.ones(1)
            dist.all_reduce(total)
            assert total == 2
        if step in (0, 4):
            checkpointer.wait()
    checkpointer.save({f"part{rank}": torch.full((100_000,), 9 + rank)}, step=9).result()
    into = {f"part{rank}": torch.zeros(100_000, dtype=torch.int64)}
    found = checkpointer.load_latest(into)
    assert found.step == 9 and found.skipped == []
    assert into[f"part{rank}"].unique().tolist() == [9 + rank]
dist.destroy_process_group()
"""


def test_two_ranks_save_one_checkpoint(tmp_path: Path):
    """Together, skipping together, while training talks, too."""
    folder = tmp_path / "run"
    ranks = run_programs([f"rank = {rank}\n{RANK}" for rank in range(2)], folder, together=True)
    assert [rank.returncode for rank in ranks] == [0, 0], ranks
    assert len(os.listdir(folder)) == 2
    names = os.listdir(folder / "step-000000009")
    assert {"__0_0.distcp", "__1_0.distcp", ".metadata", "fastload.json"} <= set(names)
