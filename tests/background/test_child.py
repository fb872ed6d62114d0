"""Jobs in a process of their own."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from fastload import BackgroundWorker
from fastload.background import child
from fastload.background.child import ChildProcess
from support.background import (
    fail,
    fail_particularly,
    has_imported,
    kill_itself,
    leave_a_thread,
    process_id,
    square,
    unpicklable,
)
from support.loaders import settled


@pytest.fixture(scope="module")
def one() -> Any:
    """For all: starting Python takes time. Closed, it starts again when it is needed."""
    process = ChildProcess()
    yield process
    process.close()


@contextmanager
def forked() -> Iterator[None]:
    """Meanwhile, another process has all that this one has open; as a loader's worker does."""
    process = os.fork()
    if process == 0:
        signal.pause()
    try:
        yield
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def test_results_come_back(one: ChildProcess):
    """From another process, the same each time, which imports torch when it is sent a tensor."""
    one.close()
    first = one.run(process_id, (), {})
    assert first != os.getpid()
    assert not one.run(has_imported, ("torch",), {})
    assert one.run(square, (), {"value": torch.tensor([3.0])}).tolist() == [9]
    assert one.run(process_id, (), {}) == first


def test_errors_come_back_with_their_traceback(one: ChildProcess):
    """As a note."""
    with pytest.raises(ValueError, match="there") as caught:
        one.run(fail, ("there",), {})
    if sys.version_info >= (3, 11):
        assert "in fail" in "".join(caught.value.__notes__)


def test_what_cannot_be_pickled_is_an_error_of_its_job(one: ChildProcess):
    """There and back."""
    with pytest.raises(Exception, match=r"pickle|local"):
        one.run(lambda: 1, (), {})
    with pytest.raises(RuntimeError, match="cannot be pickled"):
        one.run(unpicklable, (), {})
    with pytest.raises(RuntimeError, match=r"Particular: 1 of 2[^$]*cannot be unpickled"):
        one.run(fail_particularly, (), {})
    assert one.run(square, (2,), {}) == 4


def test_more_tensors_than_files_may_be_open(one: ChildProcess):
    """A list of detections has some an image."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    one.run(square, (2,), {})
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        tensors = [torch.full((3,), number) for number in range(400)]
        assert one.run(sum, (tensors,), {}).tolist() == [sum(range(400))] * 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_process_that_dies_is_an_error_and_the_next_job_has_another(
    one: ChildProcess, monkeypatch: pytest.MonkeyPatch
):
    """With its exit code; also beside one that was forked while it was being started."""
    one.close()
    forks: list[int] = []

    def fork(*_: int) -> None:
        forks.append(os.fork())
        if forks[-1] == 0:
            signal.pause()

    monkeypatch.setattr(os, "setpriority", fork)  # called when both ends of the pipe are open
    try:
        with pytest.raises(RuntimeError, match=r"died \(exit code -9\)"):
            one.run(kill_itself, (), {})
    finally:
        for process in forks:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    monkeypatch.undo()
    assert len(forks) == 1
    assert one.run(square, (2,), {}) == 4


def test_a_process_that_cannot_be_started_is_an_error_and_the_next_job_tries_again(
    one: ChildProcess, monkeypatch: pytest.MonkeyPatch
):
    """There may be too many."""
    one.close()

    def start(_: Any) -> None:
        raise OSError("no more")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", start)
    with pytest.raises(OSError, match="no more"):
        one.run(square, (2,), {})
    monkeypatch.undo()
    assert one.run(square, (2,), {}) == 4


def test_it_ends_beside_a_forked_process_that_has_its_pipe(one: ChildProcess):
    """Of itself, and at once."""
    one.run(square, (2,), {})
    process = one._process
    with forked():
        one.close()
    assert process.exitcode == 0


def test_it_ends_with_its_worker(monkeypatch: pytest.MonkeyPatch):
    """No process stays, whatever its jobs have left running."""
    monkeypatch.setattr(child, "_END_SECONDS", 0.1)
    with BackgroundWorker(executor="process") as worker:
        process = worker.submit(process_id).result(60)
        worker.submit(leave_a_thread).result(60)
    assert settled(lambda: not Path("/proc", str(process)).exists())


def test_objects_stay_where_they_are():
    """A logger here cannot be called there."""
    with pytest.raises(ValueError, match="executor='thread'"):
        BackgroundWorker(executor="process").wrap([])
