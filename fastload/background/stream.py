"""``Stream``: jobs that run one after the other, in a thread of their own."""

from __future__ import annotations

import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from fastload.background.job import BackgroundJob

__all__ = ["Run", "Stream", "alive_streams"]

#: Runs a function; in this thread, or somewhere else.
Run = Callable[[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]], Any]


class Stream:
    """A queue and the thread that empties it.

    The thread is a daemon, which the interpreter does not wait for: the worker waits at its exit,
    and says what for. Its priority is that of all threads: one with a low priority would hold the
    GIL while it is not let run, and training would wait for it.

    Args:
        name: for messages.
        condition: of the worker; held wherever the queue is touched.
        run: see `Run`.
        ended: called when the thread is about to end.
    """

    def __init__(
        self, name: str, condition: threading.Condition, run: Run, ended: Callable[[], None]
    ) -> None:
        self.name = name
        self.jobs: list[BackgroundJob] = []  # ended ones whose errors nobody has asked for
        self.running: BackgroundJob | None = None
        self._condition = condition
        self._run = run
        self._ended = ended
        self._waiting: deque[BackgroundJob] = deque()
        self._stop = self._forgotten = False
        self._process = os.getpid()
        self._thread = threading.Thread(
            target=self._work, name=f"fastload-background-{name}", daemon=True
        )
        self._thread.start()
        _alive.add(self)

    @property
    def pending(self) -> int:
        """Jobs that wait or run."""
        return len(self._waiting) + (self.running is not None)

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller is one of this stream's jobs."""
        return threading.current_thread() is self._thread

    def wait(self, seconds: float) -> None:
        """Until something changes, so many seconds at most."""
        with self._condition:
            self._condition.wait(seconds)

    def put(self, job: BackgroundJob) -> None:
        """Queue a job."""
        self._waiting.append(job)
        self._condition.notify_all()

    def drop_oldest(self) -> bool:
        """Cancel the job that has waited longest; False where none waits."""
        if not self._waiting:
            return False
        job = self._waiting.popleft()
        job.cancel()
        job.set_running_or_notify_cancel()
        return True

    def stop(self, *, forgotten: bool = False) -> None:
        """Have the thread end once the queue is empty.

        Args:
            forgotten: nobody will take the errors: print them.
        """
        self._stop, self._forgotten = True, self._forgotten or forgotten
        self._condition.notify_all()

    def join(self) -> None:
        """Wait for the thread."""
        if not self.is_current_thread:
            self._thread.join()

    def take_errors(self) -> list[BaseException]:
        """Errors that nobody was told of, oldest first."""
        errors = [error for job in self.jobs if (error := job.untold_error()) is not None]
        self.jobs.clear()
        return errors

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._stop:
                    self._condition.wait()
                if not self._waiting:
                    break
                job = self.running = self._waiting.popleft()
                self._condition.notify_all()
            self._do(job)
            with self._condition:
                self.running = None
                self.jobs = [
                    other for other in (*self.jobs, job) if not other.told and _failed(other)
                ]
                self._condition.notify_all()
            del job  # and what its result holds, while this thread waits
        self._ended()
        if self._forgotten:
            for error in self.take_errors():
                traceback.print_exception(error)
        _alive.discard(self)

    def _do(self, job: BackgroundJob) -> None:
        if not job.set_running_or_notify_cancel():  # cancelled by whom has it
            return
        try:
            result = self._run(*job.take_call())
        except BaseException as error:  # SystemExit too: it belongs to whom asks for the result
            job.set_exception(error)
        else:
            job.set_result(result)


def _failed(job: BackgroundJob) -> bool:
    """Whether a job that is done ended in an error; tells nobody."""
    return not job.cancelled() and super(BackgroundJob, job).exception(0) is not None


_alive: set[Stream] = set()


def alive_streams() -> list[Stream]:
    """Those whose threads are in this process, also of workers that are forgotten."""
    return [stream for stream in list(_alive) if stream._process == os.getpid()]
