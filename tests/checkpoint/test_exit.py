"""The ends of runs: what is under way is written, and nothing is left behind."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from fastload.checkpoint import (
    AsyncCheckpointer,
    load_checkpoint,
    load_latest,
)
from fastload.errors import CheckpointError
from support.checkpoints import names, state
from support.disks import HeldDisk


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


def test_an_interrupted_close_goes_on_when_called_again(tmp_path: Path):
    """Ctrl-C while the disk is slow; what was under way is still written."""
    disk = HeldDisk()
    checkpointer = AsyncCheckpointer(tmp_path, file_ops=disk)
    handle = checkpointer.save(state(1), step=1)
    assert disk.reached.wait(60)
    main = threading.main_thread().ident
    threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        checkpointer.close()
    with pytest.raises(CheckpointError, match="closed"):
        checkpointer.save(state(2), step=2)
    disk.let_through(9)
    checkpointer.close()
    assert load_checkpoint(handle.result()).step == 1


@pytest.mark.parametrize("writer", ["thread", "process"])
def test_a_save_at_exit_is_written(tmp_path: Path, writer: str):
    """From a user's own exit handler, when threads can hardly be started any more."""
    code = f"""
import atexit, torch
from fastload import AsyncCheckpointer
checkpointer = AsyncCheckpointer({str(tmp_path)!r}, writer={writer!r}, last_name="")
state = dict(a=torch.ones(6_000_000))
atexit.register(lambda: checkpointer.save(state, step=1))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100, cwd="/")
    assert names(tmp_path) == ["step-000000001.pt"]


@pytest.mark.parametrize("writer", ["thread", "process"])
def test_where_nothing_can_be_started_save_writes_itself(
    tmp_path: Path, writer: Any, monkeypatch: pytest.MonkeyPatch
):
    """As in exit handlers from Python 3.12 on."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start anything at interpreter shutdown")

    checkpointer = AsyncCheckpointer(tmp_path, writer=writer)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    handle = checkpointer.save(state(3), step=3)
    assert handle.done()
    assert load_checkpoint(handle.result()).state["value"] == 3
    checkpointer.close()
