"""The interpreter's exit waits for all background jobs, says so, and can be interrupted."""

from __future__ import annotations

import atexit
import time
import weakref
from typing import TYPE_CHECKING

from fastload.background.crew import Crew, alive_crews
from fastload.closing import print_error, say

if TYPE_CHECKING:
    from fastload.background.worker import BackgroundWorker

__all__ = ["close_at_exit"]

#: How long the exit waits before it says what for, and before it says so again.
_SILENT_SECONDS = 1.0
_AGAIN_SECONDS = 10.0
_LOOK_SECONDS = 0.2

_workers: weakref.WeakSet[BackgroundWorker] = weakref.WeakSet()


def close_at_exit(worker: BackgroundWorker) -> None:
    """Have the exit finish this worker's jobs; does not keep the worker alive.

    What was registered last is called first: so each call registers anew, and jobs are done before
    the libraries that were there by then (W&B, multiprocessing) end their own.
    """
    _workers.add(worker)
    atexit.unregister(_finish_all)
    atexit.register(_finish_all)


def _finish_all() -> None:
    try:
        # All are waited for before one is closed: a job may submit to another worker.
        _wait_for_all()
        for worker in list(_workers):
            try:
                worker.close()
            except Exception as error:
                print_error(error)
        for crew in alive_crews():  # of workers that are forgotten
            crew.join()
    except KeyboardInterrupt:
        crews = alive_crews()
        say(f"fastload: {_count(crews)} given up")
        for crew in crews:
            for lost in crew.take_errors():
                print_error(lost)


def _wait_for_all() -> None:
    said, say_at = "", time.monotonic() + _SILENT_SECONDS
    while busy := [crew for crew in alive_crews() if crew.pending]:
        busy[0].wait(_LOOK_SECONDS)
        names = ", ".join(name for crew in busy for name in crew.running)
        text = f"fastload: waiting for {_count(busy)} ({names})"
        if names and text != said and time.monotonic() >= say_at:
            say(text)
            said, say_at = text, time.monotonic() + _AGAIN_SECONDS


def _count(crews: list[Crew]) -> str:
    jobs = sum(crew.pending for crew in crews)
    return f"{jobs} background job{'s' * (jobs != 1)}"
