"""What save does while the disk is behind, and when errors are raised."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fastload.checkpoint import (
    AsyncCheckpointer,
    load_checkpoint,
)
from fastload.errors import CheckpointError, CheckpointSkippedError
from support.checkpoints import names, state
from support.disks import BrokenDisk, HeldDisk


def test_save_does_not_wait_for_the_disk(tmp_path: Path):
    """With two buffers, two saves return while nothing can be written."""
    disk = HeldDisk()
    checkpointer = AsyncCheckpointer(tmp_path, file_ops=disk, last_name="")
    handles = [checkpointer.save(state(step), step=step) for step in range(2)]
    assert not any(handle.done() for handle in handles)
    assert "under way" in repr(handles[0])
    with pytest.raises(TimeoutError):
        handles[0].result(0.05)
    assert not any(name.startswith("step") for name in names(tmp_path))
    disk.let_through(10)
    assert handles[0].result(10) == handles[0].path
    checkpointer.close()
    assert handles[1].done()


def test_wait_blocks_until_a_buffer_is_free(tmp_path: Path):
    """The default: nothing is lost."""
    disk = HeldDisk()
    checkpointer = AsyncCheckpointer(tmp_path, file_ops=disk, snapshots=1, last_name="")
    checkpointer.save(state(0), step=0)
    order = []

    def go_on() -> None:
        order.append("disk")
        disk.let_through(100)

    threading.Timer(0.3, go_on).start()
    handle = checkpointer.save(state(1), step=1)
    order.append("saved")
    assert order == ["disk", "saved"]
    assert handle.result(10)
    checkpointer.close()
    assert len(names(tmp_path)) == 2


def test_skip_leaves_out_what_the_disk_is_too_slow_for(tmp_path: Path):
    """The handle says so."""
    disk = HeldDisk()
    options: Any = {"file_ops": disk, "on_busy": "skip", "last_name": ""}
    checkpointer = AsyncCheckpointer(tmp_path, **options)
    handles = [checkpointer.save(state(step), step=step) for step in range(4)]
    disk.let_through(100)
    checkpointer.close()
    assert [handle.skipped for handle in handles] == [False, False, True, True]
    with pytest.raises(CheckpointSkippedError, match="step 3"):
        handles[3].result()
    assert "skipped" in repr(handles[3])
    assert names(tmp_path) == ["step-000000000.pt", "step-000000001.pt"]


def test_latest_takes_the_place_of_what_waits(tmp_path: Path):
    """The one being written is finished, and the last one is never lost."""
    disk = HeldDisk()
    options: Any = {"file_ops": disk, "on_busy": "latest", "last_name": ""}
    checkpointer = AsyncCheckpointer(tmp_path, **options)
    first = checkpointer.save(state(0), step=0)
    assert disk.reached.wait(60)  # it is being written
    others = [checkpointer.save(state(step), step=step) for step in range(1, 5)]
    disk.let_through(100)
    checkpointer.close()
    assert not first.skipped
    assert [handle.skipped for handle in others] == [True, True, True, False]
    assert names(tmp_path) == ["step-000000000.pt", "step-000000004.pt"]


def test_an_error_is_raised_once_where_it_is_met_first(tmp_path: Path):
    """By result; or by the next save, wait or close where nobody asked."""
    disk = BrokenDisk()
    checkpointer = AsyncCheckpointer(tmp_path, file_ops=disk)
    good = checkpointer.save(state(0), step=0).result()
    disk.broken = True
    with pytest.raises(CheckpointError, match=r"no space left.*Earlier checkpoints are as they"):
        checkpointer.save(state(1), step=1).result()
    checkpointer.save(state(2), step=2)
    with pytest.raises(CheckpointError, match=r"step-000000002.*no space left"):
        checkpointer.wait()
    failed = checkpointer.save(state(3), step=3)
    while not failed.done():
        time.sleep(0.01)
    assert "failed" in repr(failed)
    with pytest.raises(CheckpointError, match="step-000000003"):
        checkpointer.save(state(4), step=4)
    checkpointer.save(state(5), step=5)
    checkpointer.save(state(6), step=6)
    with pytest.raises(CheckpointError, match=r"step-000000005.*1 more"):
        checkpointer.close()
    checkpointer.close()
    assert names(tmp_path) == ["last.pt", good.name]
    assert load_checkpoint(good).state["value"] == 0


def test_a_disk_that_recovers_is_written_to_again(tmp_path: Path):
    """One failed save costs that save."""
    disk = BrokenDisk()
    with AsyncCheckpointer(tmp_path, file_ops=disk) as checkpointer:
        disk.broken = True
        with pytest.raises(CheckpointError):
            checkpointer.save(state(1), step=1).result()
        disk.broken = False
        checkpointer.save(state(2), step=2).result()
    assert names(tmp_path) == ["last.pt", "step-000000002.pt"]


def test_the_writing_process_may_be_killed(tmp_path: Path):
    """That save fails and says why; the next one starts another."""
    with AsyncCheckpointer(tmp_path, writer="process") as checkpointer:
        checkpointer.save(state(0), step=0).result()
        process = checkpointer._publisher._process
        assert process is not None
        assert process._process is not None
        process._process.kill()
        process._process.wait()
        with pytest.raises(CheckpointError, match="writing process ended with -9"):
            checkpointer.save(state(1), step=1).result()
        checkpointer.save(state(2), step=2).result()
        found = checkpointer.load_latest()
    assert found is not None
    assert found.step == 2
