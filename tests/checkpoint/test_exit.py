"""The ends of runs: what is under way is written, and nothing is left behind."""

from __future__ import annotations

import gc
import signal
import subprocess
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
from support.programs import run_programs

#: Programs that end without close.
ENDINGS = {
    **{
        f"under way, {writer}": f"""
checkpointer = AsyncCheckpointer(folder, writer={writer!r})
for step in range(3):
    checkpointer.save(dict(a=torch.full((2_000_000,), step)), step=step)
"""
        for writer in ("thread", "process")
    },
    **{
        f"at exit, {writer}": f"""
import atexit
checkpointer = AsyncCheckpointer(folder, writer={writer!r}, last_name="")
state = dict(a=torch.ones(6_000_000))
atexit.register(lambda: checkpointer.save(state, step=1))
"""
        for writer in ("thread", "process")
    },
    "full": """
import resource
checkpointer = AsyncCheckpointer(folder)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
checkpointer.save(dict(a=torch.ones(2_000_000)), step=0)
""",
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """How each of ENDINGS ended, and its folder."""
    root = tmp_path_factory.mktemp("ended")
    programs = [
        f"folder = {str(root / name)!r}\nimport torch\nfrom fastload import AsyncCheckpointer{text}"
        for name, text in ENDINGS.items()
    ]
    found = zip(ENDINGS, run_programs(programs), strict=True)
    return {name: (done, root / name) for name, done in found}


@pytest.mark.parametrize("writer", ["thread", "process"])
def test_what_is_under_way_is_written_at_exit(ended: Any, writer: str):
    """A script that ends without close loses nothing."""
    done, folder = ended[f"under way, {writer}"]
    assert done.returncode == 0, done
    found = load_latest(folder)
    assert found is not None
    assert found.state["a"][0] == 2
    assert len(names(folder)) == 4


@pytest.mark.parametrize("writer", ["thread", "process"])
def test_a_save_at_exit_is_written(ended: Any, writer: str):
    """From a user's own exit handler, when threads can hardly be started any more."""
    done, folder = ended[f"at exit, {writer}"]
    assert done.returncode == 0, done
    assert names(folder) == ["step-000000001.pt"]


def test_an_error_at_exit_is_printed(ended: Any):
    """Nobody is left to raise it to."""
    done, _ = ended["full"]
    assert "CheckpointError" in done.stderr
    assert "no space left" in done.stderr


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
