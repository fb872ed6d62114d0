"""Runs that save, killed at any moment: the newest checkpoint is whole, nothing told is lost."""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

#: What a way of saving does: (folder, first step, descriptor to acknowledge to); never returns.
Run = Callable[[Path, int, int], None]

SIZES = (1, 1000, 200_000, 400_000)


def make_state(step: int) -> dict[str, Any]:
    """A state that tells its step in every value."""
    tensors = {f"t{i}": torch.full((size,), float(step)) for i, size in enumerate(SIZES)}
    return {"step": step, "tensors": tensors, "list": [step] * 100}


def check_state(state: Any) -> int:
    """The step of a state; AssertionError where it is a mix of steps."""
    step = state["step"]
    assert state["list"] == [step] * 100
    for i, size in enumerate(SIZES):
        tensor = state["tensors"][f"t{i}"]
        assert tensor.shape == (size,)
        assert bool((tensor == step).all()), f"t{i} of step {step} holds other values"
    return int(step)


def save_with_fastload(writer: str, aliases: str) -> Run:
    """AsyncCheckpointer, saving without a pause; each durable step is acknowledged."""

    def run(folder: Path, first: int, acknowledged: int) -> None:
        from fastload.checkpoint import AsyncCheckpointer

        options: Any = {"writer": writer, "aliases": aliases}
        checkpointer = AsyncCheckpointer(folder, keep_last=2, best="m", **options)
        handles = []
        for step in range(first, first + 1000):
            state = make_state(step)
            handles.append(checkpointer.save(state, step=step, metrics={"m": step % 7}))
            for tensor in state["tensors"].values():
                tensor.fill_(-1)
            while handles and handles[0].done():
                handle = handles.pop(0)
                handle.result()
                os.write(acknowledged, b"%d\n" % handle.step)

    return run


def run_and_kill(run: Run, folder: Path, first: int, seconds: float) -> list[int]:
    """Fork a run, kill it some seconds after its first acknowledgement or start; what it told.

    Raises:
        RuntimeError: it ended by itself.
    """
    read_end, write_end = os.pipe()
    ready_read, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read_end)
            torch.set_num_threads(1)
            os.write(ready_write, b"r")
            run(folder, first, write_end)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(1)
    os.close(write_end)
    select.select([ready_read], [], [], 60)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with open(read_end, "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    os.close(ready_read)
    os.close(ready_write)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise RuntimeError("a run that saves ended by itself; see its traceback above")
    return [int(line) for line in lines]


def kill_often(
    folder: Path, kills: int, seed: int, *, writer: str = "thread", aliases: str = "copy"
) -> dict[str, int]:
    """Kill runs ``kills`` times in one folder; AssertionError where something was lost or is left.

    Returns:
        how many kills left a temporary file, and how many steps were acknowledged.
    """
    from fastload.checkpoint import AsyncCheckpointer, load_checkpoint, load_latest

    source = random.Random(seed)
    counts = {"kills": 0, "leftovers": 0, "acknowledged": 0}
    newest = -1
    first = 0
    for _ in range(kills):
        run = save_with_fastload(writer, aliases)
        told = run_and_kill(run, folder, first, source.uniform(0, 0.25))
        counts["kills"] += 1
        counts["acknowledged"] += len(told)
        newest = max([newest, *told])
        names = os.listdir(folder) if folder.exists() else []
        counts["leftovers"] += any(name.endswith("tmp") for name in names)
        found = load_latest(folder)
        if found is None:
            assert newest < 0, f"step {newest} was acknowledged, and there is nothing"
            continue
        assert found.skipped == [], found.skipped
        assert check_state(found.state) == found.step
        assert found.step >= newest, f"step {newest} was acknowledged, {found.step} is the newest"
        for alias in ("last.pt", "best.pt"):
            if newest >= 0:
                check_state(load_checkpoint(folder / alias).state)
        _wait_for_writer(folder)
        AsyncCheckpointer(folder).close()
        left = [name for name in os.listdir(folder) if name.endswith("tmp")]
        assert left == [], f"left behind after the next start: {left}"
        newest = found.step
        first = found.step + 1
    return counts


def _wait_for_writer(folder: Path) -> None:
    """A writing process dies with its parent, though not in the same instant."""
    import fcntl

    for name in os.listdir(folder):
        if name.endswith("tmp"):
            with suppress(FileNotFoundError), open(folder / name, "rb") as file:
                deadline = time.monotonic() + 2
                while time.monotonic() < deadline:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        time.sleep(0.01)
