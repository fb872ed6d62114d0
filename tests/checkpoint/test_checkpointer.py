"""AsyncCheckpointer: handles, names, what stays, back-pressure, and when errors are raised."""

from __future__ import annotations

import errno
import gc
import math
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from fastload.checkpoint import (
    AsyncCheckpointer,
    gather_state,
    load_checkpoint,
    load_latest,
    restore_state,
)
from fastload.checkpoint.file_ops import FileOps
from fastload.errors import CheckpointError, CheckpointSkippedError


def state(value: float = 0) -> dict[str, Any]:
    """Something small."""
    return {"weights": torch.full((1000,), float(value)), "value": value}


def names(folder: Path) -> list[str]:
    """All names in a folder, hidden ones too."""
    return sorted(os.listdir(folder))


class SlowDisk(FileOps):
    """Writes wait until they are let through; one at a time, where ``steps`` are counted."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)

    def sync(self, descriptor: int) -> None:
        self.gate.acquire()
        super().sync(descriptor)


class BrokenDisk(FileOps):
    """Fails while told to."""

    broken = False

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        if self.broken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, data)


@pytest.mark.parametrize("writer", ["thread", "process"])
@pytest.mark.parametrize("file_format", ["torch", "safetensors"])
def test_what_is_saved_is_loaded(tmp_path: Path, writer: Any, file_format: Any):
    """Both writers, both formats, several saves, growing and shrinking."""
    if file_format == "safetensors":
        pytest.importorskip("safetensors")
    folder = tmp_path / "made" / "on the way"
    with AsyncCheckpointer(folder, writer=writer, format=file_format) as checkpointer:
        for step, size in enumerate((10, 3_000_000, 5)):
            weights = {"a": torch.full((size,), step), "b.c": torch.ones(2, 3).t()}
            handle = checkpointer.save(weights, step=step, metrics={"loss": torch.tensor(0.5)})
        assert handle.result(60) == folder / f"step-000000002{'.pt' if writer else ''}".replace(
            ".pt", ".pt" if file_format == "torch" else ".safetensors"
        )
        assert handle.done()
        found = checkpointer.load_latest()
        assert found is not None
        assert (found.step, found.metrics, found.skipped) == (2, {"loss": 0.5}, [])
        for name, tensor in weights.items():
            assert torch.equal(found.state[name], tensor)
        middle = load_checkpoint(folder / handle.path.name.replace("2", "1"))
        assert torch.equal(middle.state["a"], torch.full((3_000_000,), 1))


def test_names_last_and_best(tmp_path: Path):
    """Last follows each save, best the metric; neither is the checkpoint's own file."""
    with AsyncCheckpointer(tmp_path, best="fitness") as checkpointer:
        for step, fitness in enumerate((0.1, 0.5, math.nan, 0.5, 0.3)):
            checkpointer.save(state(step), step=step, metrics={"fitness": fitness})
        checkpointer.save(state(5), step=5)
    assert names(tmp_path) == ["best.pt", "last.pt", *(f"step-00000000{i}.pt" for i in range(6))]
    assert load_checkpoint(tmp_path / "best.pt").step == 1, "the first of equals"
    assert load_checkpoint(tmp_path / "last.pt").step == 5
    inodes = {(tmp_path / name).stat().st_ino for name in names(tmp_path)}
    assert len(inodes) == 8
    # Another run knows the best of this one.
    with AsyncCheckpointer(tmp_path, best="fitness") as checkpointer:
        checkpointer.save(state(6), step=6, metrics={"fitness": 0.4})
    assert load_checkpoint(tmp_path / "best.pt").step == 1
    assert load_checkpoint(tmp_path / "last.pt").step == 6
    (tmp_path / "best.pt").unlink()
    with AsyncCheckpointer(tmp_path, best="fitness") as checkpointer:
        checkpointer.save(state(7), step=7, metrics={"fitness": 0.4})
    assert load_checkpoint(tmp_path / "best.pt").step == 1, "put back with the next save"


def test_linked_names_write_nothing_twice(tmp_path: Path):
    """For folders that only fastload writes to."""
    options: Any = {"best": "loss", "mode": "min", "aliases": "link"}
    with AsyncCheckpointer(tmp_path, **options) as checkpointer:
        for step, loss in enumerate((3.0, 2.0, 2.5)):
            path = checkpointer.save(state(step), step=step, metrics={"loss": loss}).result()
        for _ in range(2):  # the same file again
            checkpointer.save(state(2), step=2, metrics={"loss": 2.5}).result()
    assert (tmp_path / "last.pt").samefile(path)
    assert (tmp_path / "best.pt").samefile(tmp_path / "step-000000001.pt")
    assert len(names(tmp_path)) == 5


def test_no_names_and_other_names(tmp_path: Path):
    """As a client wants them."""
    with AsyncCheckpointer(tmp_path, last_name="", best="m", best_name="top") as checkpointer:
        checkpointer.save(state(), step=0, metrics={"m": 1})
    assert names(tmp_path) == ["step-000000000.pt", "top.pt"]
    for bad in ("a/b", "..", "step-000000001"):
        with pytest.raises(ValueError, match="alias"):
            AsyncCheckpointer(tmp_path, last_name=bad + "/" if bad == ".." else bad)


def test_retention(tmp_path: Path):
    """The last two, every fifth, and the best stay."""
    options: Any = {"keep_last": 2, "keep_every": 5, "best": "m", "last_name": ""}
    with AsyncCheckpointer(tmp_path, **options) as checkpointer:
        for step in range(1, 14):
            checkpointer.save(state(step), step=step, metrics={"m": -abs(step - 7)})
    kept = [int(name[5:14]) for name in names(tmp_path) if name.startswith("step")]
    assert kept == [5, 7, 10, 12, 13]
    with AsyncCheckpointer(tmp_path, keep_last=1, last_name="") as checkpointer:
        checkpointer.save(state(14), step=14).result()
    assert [name for name in names(tmp_path) if name != "best.pt"] == ["step-000000014.pt"]


def test_a_run_that_goes_back_keeps_what_it_saves(tmp_path: Path):
    """Newest is what was saved last, not the highest step."""
    with AsyncCheckpointer(tmp_path, keep_last=2) as checkpointer:
        for step in (100, 200, 300):
            checkpointer.save(state(step), step=step)
    with AsyncCheckpointer(tmp_path, keep_last=2) as checkpointer:
        for step in (50, 60):
            checkpointer.save(state(step), step=step)
        found = checkpointer.load_latest()
    assert found is not None
    assert found.step == 60
    assert names(tmp_path) == ["last.pt", "step-000000050.pt", "step-000000060.pt"]


def test_the_same_step_again_replaces_it(tmp_path: Path):
    """In one step, as everything."""
    with AsyncCheckpointer(tmp_path) as checkpointer:
        for value in (1, 2):
            path = checkpointer.save(state(value), step=7).result()
        found = checkpointer.load_latest()
    assert found is not None
    assert found.state["value"] == 2
    assert names(tmp_path) == ["last.pt", path.name]


def test_save_does_not_wait_for_the_disk(tmp_path: Path):
    """With two buffers, two saves return while nothing can be written."""
    disk = SlowDisk()
    checkpointer = AsyncCheckpointer(tmp_path, file_ops=disk, last_name="")
    handles = [checkpointer.save(state(step), step=step) for step in range(2)]
    assert not any(handle.done() for handle in handles)
    assert "under way" in repr(handles[0])
    with pytest.raises(TimeoutError):
        handles[0].result(0.05)
    assert not any(name.startswith("step") for name in names(tmp_path))
    disk.gate.release(10)
    assert handles[0].result(10) == handles[0].path
    checkpointer.close()
    assert handles[1].done()


def test_wait_blocks_until_a_buffer_is_free(tmp_path: Path):
    """The default: nothing is lost."""
    disk = SlowDisk()
    checkpointer = AsyncCheckpointer(tmp_path, file_ops=disk, snapshots=1, last_name="")
    checkpointer.save(state(0), step=0)
    threading.Timer(0.3, disk.gate.release, (100,)).start()
    started = time.monotonic()
    handle = checkpointer.save(state(1), step=1)
    assert time.monotonic() - started > 0.2
    assert handle.result(10)
    checkpointer.close()
    assert len(names(tmp_path)) == 2


def test_skip_leaves_out_what_the_disk_is_too_slow_for(tmp_path: Path):
    """The handle says so."""
    disk = SlowDisk()
    options: Any = {"file_ops": disk, "on_busy": "skip", "last_name": ""}
    checkpointer = AsyncCheckpointer(tmp_path, **options)
    handles = [checkpointer.save(state(step), step=step) for step in range(4)]
    disk.gate.release(100)
    checkpointer.close()
    assert [handle.skipped for handle in handles] == [False, False, True, True]
    with pytest.raises(CheckpointSkippedError, match="step 3"):
        handles[3].result()
    assert "skipped" in repr(handles[3])
    assert names(tmp_path) == ["step-000000000.pt", "step-000000001.pt"]


def test_latest_takes_the_place_of_what_waits(tmp_path: Path):
    """The one being written is finished, and the last one is never lost."""
    disk = SlowDisk()
    options: Any = {"file_ops": disk, "on_busy": "latest", "last_name": ""}
    checkpointer = AsyncCheckpointer(tmp_path, **options)
    first = checkpointer.save(state(0), step=0)
    while not any(name.endswith("tmp") for name in names(tmp_path)):
        time.sleep(0.01)  # until it is being written
    others = [checkpointer.save(state(step), step=step) for step in range(1, 5)]
    disk.gate.release(100)
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


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_closed_and_forked(tmp_path: Path):
    """Neither saves any more, and says so."""
    checkpointer = AsyncCheckpointer(tmp_path)
    checkpointer.save(state(), step=0).result()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            checkpointer.save(state(), step=1)
        except CheckpointError as error:
            os.write(write, str(error).encode())
        checkpointer.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert b"forked" in os.read(read, 1000)
    os.close(read)
    os.close(write)
    checkpointer.close()
    with pytest.raises(CheckpointError, match="closed"):
        checkpointer.save(state(), step=1)


def test_what_is_under_way_is_written_at_exit(tmp_path: Path):
    """A script that ends without close loses nothing."""
    code = f"""
import torch
from fastload import AsyncCheckpointer
checkpointer = AsyncCheckpointer({str(tmp_path)!r}, writer="WRITER")
for step in range(3):
    checkpointer.save(dict(a=torch.full((2_000_000,), step)), step=step)
"""
    for writer in ("thread", "process"):
        subprocess.run(
            [sys.executable, "-c", code.replace("WRITER", writer)], check=True, timeout=100, cwd="/"
        )
        found = load_latest(tmp_path)
        assert found is not None
        assert found.state["a"][0] == 2
        assert len(names(tmp_path)) == 4
        for name in names(tmp_path):
            (tmp_path / name).unlink()


def test_an_error_at_exit_is_printed(tmp_path: Path):
    """Nobody is left to raise it to."""
    code = f"""
import resource, torch
from fastload import AsyncCheckpointer
checkpointer = AsyncCheckpointer({str(tmp_path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
checkpointer.save(dict(a=torch.ones(2_000_000)), step=0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, timeout=100, cwd="/", capture_output=True
    )
    assert b"CheckpointError" in done.stderr
    assert b"no space left" in done.stderr


def test_dropped_without_close_leaves_no_thread_behind(tmp_path: Path):
    """What waits is written first."""
    checkpointer = AsyncCheckpointer(tmp_path)
    handle = checkpointer.save(state(), step=0)
    thread = checkpointer._queue._thread
    assert thread is not None
    handle.result()
    reference = weakref.ref(checkpointer)
    del checkpointer
    gc.collect()
    assert reference() is None
    thread.join(5)
    assert not thread.is_alive()


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


def test_wrong_arguments_are_named(tmp_path: Path):
    """Expected and found."""
    for options in (
        {"format": "onnx"},
        {"writer": "fork"},
        {"on_busy": "panic"},
        {"mode": "best"},
        {"aliases": "symlink"},
        {"snapshots": 0},
        {"keep_last": 0},
    ):
        with pytest.raises(ValueError, match="expected"):
            AsyncCheckpointer(tmp_path, **options)  # type: ignore[arg-type]
    with AsyncCheckpointer(tmp_path) as checkpointer, pytest.raises(ValueError, match="step"):
        checkpointer.save({}, step=-1)


def test_safetensors_refuses_what_it_cannot_hold(tmp_path: Path):
    """On the training thread, where the mistake is."""
    pytest.importorskip("safetensors")
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


def test_a_run_goes_on_bit_for_bit(tmp_path: Path):
    """Model, optimizer, scheduler and all random numbers, by weights_only loading."""
    import random

    import numpy as np

    def make() -> dict[str, Any]:
        model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5))
        optimizer = torch.optim.Adam(model.parameters())
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        return {"model": model, "optimizer": optimizer, "scheduler": scheduler}

    def steps(parts: dict[str, Any], count: int) -> None:
        for _ in range(count):
            noise = random.random() + np.random.rand()  # noqa: NPY002
            parts["optimizer"].zero_grad()
            (parts["model"](torch.randn(3, 4)).sum() * noise).backward()
            parts["optimizer"].step()
            parts["scheduler"].step()

    torch.manual_seed(3)
    parts = make()
    steps(parts, 3)
    with AsyncCheckpointer(tmp_path) as checkpointer:
        checkpointer.save(gather_state(**parts, epoch=3), step=3)
        steps(parts, 3)
        found = checkpointer.load_latest()
    assert found is not None
    again = make()
    assert restore_state(found.state, **again) == {"epoch": 3}
    steps(again, 3)
    for one, other in zip(parts["model"].parameters(), again["model"].parameters(), strict=True):
        assert torch.equal(one, other)
