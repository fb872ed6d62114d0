"""Runs that save, killed at any moment: the newest checkpoint is whole, nothing told is lost."""

from __future__ import annotations

import os
import random
import select
import shutil
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


def make_tensors(step: int) -> dict[str, Any]:
    """The same without what safetensors cannot hold."""
    return {"step": torch.tensor(step), **make_state(step)["tensors"]}


def check_tensors(found: dict[str, Any]) -> int:
    """As ``check_state``."""
    step = int(found.pop("step"))
    return check_state({"step": step, "list": [step] * 100, "tensors": found})


def save_with_fastload(options: dict[str, Any]) -> Run:
    """AsyncCheckpointer, saving without a pause; each durable step is acknowledged."""
    make = make_tensors if options.get("format") == "safetensors" else make_state

    def run(folder: Path, first: int, acknowledged: int) -> None:
        from fastload.checkpoint import AsyncCheckpointer

        checkpointer = AsyncCheckpointer(folder, keep_last=2, best="m", **options)
        handles = []
        for step in range(first, first + 1000):
            state = make(step)
            handles.append(checkpointer.save(state, step=step, metrics={"m": step % 7}))
            for tensor in state.get("tensors", state).values():
                tensor.fill_(-1)
            while handles and handles[0].done():
                handle = handles.pop(0)
                handle.result()
                os.write(acknowledged, b"%d\n" % handle.step)

    return run


def save_with_torch(folder: Path, first: int, acknowledged: int) -> None:
    """torch.save over the file before, as most scripts have it."""
    folder.mkdir(exist_ok=True)
    for step in range(first, first + 100_000):
        torch.save(make_state(step), folder / "last.pt")
        os.write(acknowledged, b"%d\n" % step)


def load_with_torch(folder: Path) -> Any:
    """What is there, if anything ever was."""
    return torch.load(folder / "last.pt", weights_only=True)


def save_with_dcp(folder: Path, first: int, acknowledged: int) -> None:
    """torch.distributed.checkpoint.save over the checkpoint before."""
    from torch.distributed import checkpoint as dcp

    for step in range(first, first + 100_000):
        dcp.save(make_state(step), checkpoint_id=folder)
        os.write(acknowledged, b"%d\n" % step)


def load_with_dcp(folder: Path) -> Any:
    """Into a state of step 0."""
    from torch.distributed import checkpoint as dcp

    state = make_state(0)
    dcp.load(state, checkpoint_id=folder)
    return state


#: The ways beside fastload: how they save, and how they load.
PEERS: dict[str, tuple[Run, Callable[[Path], Any]]] = {
    "torch.save": (save_with_torch, load_with_torch),
    "DCP save": (save_with_dcp, load_with_dcp),
}


def run_and_kill(run: Run, folder: Path, first: int, source: random.Random) -> list[int]:
    """Fork a run, kill it at a random moment; what it told.

    Half of the moments lie soon after the start, half behind some acknowledgements, so that a busy
    machine, on which all takes longer, is killed in every phase, too.

    Raises:
        RuntimeError: it ended by itself.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read_end)
            torch.set_num_threads(1)
            os.write(write_end, b"ready\n")
            run(folder, first, write_end)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(1)
    os.close(write_end)
    told = b""
    awaited = 1 + source.choice((0, 0, 0, 1, 2, 4))
    while told.count(b"\n") < awaited and select.select([read_end], [], [], 60)[0]:
        part = os.read(read_end, 1000)
        if not part:
            break  # it has ended
        told += part
    time.sleep(source.uniform(0, 0.25 if awaited == 1 else 0.06))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with open(read_end, "rb") as file:
        lines = (told + file.read()).split(b"\n")[1:-1]
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise RuntimeError("a run that saves ended by itself; see its traceback above")
    return [int(line) for line in lines]


def kill_often(
    folder: Path, kills: int, seed: int, options: dict[str, Any] | None = None
) -> dict[str, int]:
    """Kill runs ``kills`` times in one folder; AssertionError where something was lost or is left.

    Args:
        options: of the AsyncCheckpointer.

    Returns:
        how many kills left a temporary file, and how many steps were acknowledged.
    """
    from fastload.checkpoint import AsyncCheckpointer, load_checkpoint, load_latest

    options = options or {}
    source = random.Random(seed)
    counts = {"kills": 0, "leftovers": 0, "acknowledged": 0}
    check = check_tensors if options.get("format") == "safetensors" else check_state
    suffix = ".safetensors" if options.get("format") == "safetensors" else ".pt"
    run = save_with_fastload(options)
    newest = durable = -1
    first = 0
    for _ in range(kills):
        told = run_and_kill(run, folder, first, source)
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
        assert check(found.state) == found.step
        assert found.step >= newest, f"step {newest} was acknowledged, {found.step} is the newest"
        durable = max([durable, *told])
        if durable >= 0:  # a handle speaks of all names; the run may have got further
            last = load_checkpoint(folder / f"last{suffix}")
            assert durable <= check(last.state) == last.step
            best = load_checkpoint(folder / f"best{suffix}")
            assert check(best.state) == best.step
        _wait_for_writer(folder)
        AsyncCheckpointer(folder).close()
        left = [name for name in os.listdir(folder) if name.endswith("tmp")]
        assert left == [], f"left behind after the next start: {left}"
        newest = found.step
        first = found.step + 1
    return counts


def count_damage(name: str, folder: Path, kills: int, seed: int) -> int:
    """How many kills left nothing whole of what one of ``PEERS`` had saved."""
    save, load = PEERS[name]
    import torch.distributed.checkpoint  # noqa: F401  # rather than in every run

    source = random.Random(seed)
    damaged = newest = 0
    for _ in range(kills):
        told = run_and_kill(save, folder, newest + 1, source)
        newest = max([newest, *told])
        if newest == 0:
            continue
        try:
            whole = check_state(load(folder)) >= newest
        except BaseException as error:  # such as DCP's CheckpointException
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            whole = False
        if not whole:
            damaged += 1
            shutil.rmtree(folder)  # what a user would have to do
            newest = 0
    return damaged


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
