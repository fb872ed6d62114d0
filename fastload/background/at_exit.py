"""The interpreter's exit waits for all background jobs, says so, and can be interrupted."""

from __future__ import annotations

import atexit
import sys
import time
import traceback
import weakref
from typing import TYPE_CHECKING

from fastload.background.stream import alive_streams

if TYPE_CHECKING:
    from fastload.background.worker import BackgroundWorker

__all__ = ["close_at_exit"]

#: How long the exit waits before it says what for.
_SILENT_SECONDS = 1.0
_LOOK_SECONDS = 0.2

_workers: weakref.WeakSet[BackgroundWorker] = weakref.WeakSet()
_registered = False


def close_at_exit(worker: BackgroundWorker) -> None:
    """Have the exit finish this worker's jobs; does not keep the worker alive."""
    global _registered
    _workers.add(worker)
    if not _registered:  # now, and not at the import: behind multiprocessing, which ends children
        _registered = True
        atexit.register(_finish_all)


def _finish_all() -> None:
    began, said = time.monotonic(), ""
    left = 0
    try:
        # All are waited for before one is closed: a job may submit to another worker.
        while busy := [stream for stream in alive_streams() if stream.pending]:
            busy[0].wait(_LOOK_SECONDS)
            left = sum(stream.pending for stream in busy)
            names = [job.name for stream in busy if (job := stream.running) is not None]
            text = f"fastload: waiting for {left} background jobs ({', '.join(names)})"
            if left and time.monotonic() - began > _SILENT_SECONDS and text != said:
                _say(said := text)
    except KeyboardInterrupt:
        _say(f"fastload: {left} background jobs given up")
        return
    for worker in list(_workers):
        try:
            worker.close()
        except Exception as error:
            traceback.print_exception(error)
    for stream in alive_streams():  # of workers that are forgotten
        stream.join()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
