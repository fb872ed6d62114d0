"""Jobs in a process of their own."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import util
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
def forked_while_starting() -> Iterator[None]:
    """Other processes have all that is open just when one starts; as a loader's workers may."""
    forks: list[int] = []
    start = util.spawnv_passfds

    def start_and_fork(*arguments: Any) -> int:
        process: int = start(*arguments)
        forks.append(os.fork())
        if forks[-1] == 0:
            signal.pause()
        return process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(util, "spawnv_passfds", start_and_fork)
        try:
            yield
            assert forks
        finally:
            for process in forks:
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


def test_a_process_that_dies_is_an_error_and_the_next_job_has_another(one: ChildProcess):
    """With its exit code."""
    one.close()
    with forked_while_starting(), pytest.raises(RuntimeError, match=r"died \(exit code -9\)"):
        one.run(kill_itself, (), {})
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


def test_it_ends_beside_forked_processes_that_have_its_pipes(
    one: ChildProcess, monkeypatch: pytest.MonkeyPatch
):
    """Of itself; forked when it started, or later."""
    monkeypatch.setattr(child, "_END_SECONDS", 3600)
    one.close()
    with forked_while_starting():
        one.run(square, (2,), {})
        process = one._process
        later = os.fork()
        if later == 0:
            signal.pause()
        one.close()
        os.kill(later, signal.SIGKILL)
        os.waitpid(later, 0)
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
