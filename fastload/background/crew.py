"""``Crew``: the threads that do a worker's jobs."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastload.background.child import ChildProcess
from fastload.background.job import BackgroundJob
from fastload.closing import print_error

__all__ = ["Crew", "Stream", "alive_crews"]


@dataclass(eq=False)
class Stream:
    """Jobs of which one at a time may run, oldest first."""

    name: str
    waiting: deque[BackgroundJob] = field(default_factory=deque)
    running: BackgroundJob | None = None

    @property
    def pending(self) -> int:
        """Jobs that wait or run."""
        return len(self.waiting) + (self.running is not None)


class Crew:
    """Streams, and the threads that empty them: so many as have work, up to a limit.

    The threads are daemons, which the interpreter does not wait for: its exit does, says what for,
    and can be interrupted (a ThreadPoolExecutor's can not). They keep a crew alive, not its
    worker. Their priority is that of all threads: one of a low priority would hold the GIL while it
    is not let run, and training would wait for it.

    Args:
        max_workers: threads at most.
        in_processes: whether each thread has a process in which its jobs run.

    Attributes:
        condition: held wherever streams are touched. Reentrant, and no job's lock is taken
            meanwhile: a collection at any point, under any lock, may find a worker, which stops
            its crew.
        streams: by name, those that have jobs.
        process: whose threads they are.
    """

    def __init__(self, max_workers: int, *, in_processes: bool) -> None:
        self.condition = threading.Condition()
        self.streams: dict[str, Stream] = {}
        self.process = os.getpid()
        self._max_workers = max_workers
        self._in_processes = in_processes
        self._ready: deque[Stream] = deque()  # which have jobs, and no thread
        self._failed: list[tuple[str, BackgroundJob]] = []  # whose errors nobody has asked for
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._stop = self._forgotten = False

    @property
    def pending(self) -> int:
        """Jobs that wait or run."""
        with self.condition:
            return sum(stream.pending for stream in self.streams.values())

    @property
    def running(self) -> list[str]:
        """Names of the jobs that run."""
        with self.condition:
            jobs = [stream.running for stream in self.streams.values()]
            return [job.name for job in jobs if job is not None]

    @property
    def is_calling(self) -> bool:
        """Whether the caller is one of its jobs."""
        return threading.current_thread() in self._threads

    def put(self, name: str, job: BackgroundJob) -> None:
        """Queue a job. The condition is held.

        Raises:
            RuntimeError: there is no thread, and none can be started.
        """
        stream = self.streams.get(name)
        if stream is None:
            self._grow(len(self._ready) + 1)
            stream = self.streams[name] = Stream(name)
            self._ready.append(stream)
        stream.waiting.append(job)
        self.condition.notify_all()

    def wait(self, seconds: float) -> bool:
        """Until no job waits or runs, so many seconds at most; returns whether none does."""
        with self.condition:
            return self.condition.wait_for(lambda: not self.pending, seconds)

    def take_errors(self, stream: str | None = None) -> list[BaseException]:
        """Errors that nobody was told of, of one stream or of all, oldest first."""
        with self.condition:
            taken = [job for name, job in self._failed if stream in (None, name)]
            self._failed = [(name, job) for name, job in self._failed if job not in taken]
            return [error for job in taken if (error := job.take_error()) is not None]

    def stop(self, *, forgotten: bool = False) -> None:
        """Have the threads end once there is nothing to do.

        Args:
            forgotten: nobody will take the errors: print them.
        """
        if os.getpid() != self.process:  # a forked child, where nobody would unlock the condition
            return
        with self.condition:
            self._stop, self._forgotten = True, self._forgotten or forgotten
            self.condition.notify_all()

    def join(self) -> None:
        """Wait for the threads to end."""
        for thread in list(self._threads):
            thread.join()

    def _grow(self, ready: int) -> None:
        """Another thread, where so many streams have none and there may be more."""
        if self._idle >= ready or len(self._threads) >= self._max_workers:
            return
        thread = threading.Thread(
            target=self._work, name=f"fastload-background-{len(self._threads)}", daemon=True
        )
        self._threads.add(thread)
        _alive.add(self)
        try:
            thread.start()
        except RuntimeError:  # too many; or the interpreter ends, which starts none from 3.12 on
            self._threads.discard(thread)
            if not self._threads:
                _alive.discard(self)
                raise

    def _work(self) -> None:
        child = ChildProcess() if self._in_processes else None
        run = _call if child is None else child.run
        while (stream := self._next()) is not None:
            assert stream.running is not None
            stream.running.do(run)
            self._done(stream)
            del stream  # and what its jobs' results hold, while this thread waits
        if child is not None:
            child.close()
        if self._forgotten:
            for error in self.take_errors():
                print_error(error)
        with self.condition:
            self._threads.discard(threading.current_thread())
            if not self._threads:
                _alive.discard(self)

    def _next(self) -> Stream | None:
        """A stream whose job is to be run; None: no more will come."""
        with self.condition:
            while not self._ready:
                if self._stop:
                    return None
                self._idle += 1
                self.condition.wait()
                self._idle -= 1
            stream = self._ready.popleft()
            stream.running = stream.waiting.popleft()
            return stream

    def _done(self, stream: Stream) -> None:
        with self.condition:
            job, stream.running = stream.running, None
            assert job is not None
            self._failed = [one for one in (*self._failed, (stream.name, job)) if one[1].is_untold]
            if stream.waiting:  # behind the others that wait for a thread
                self._ready.append(stream)
            else:
                del self.streams[stream.name]
            self.condition.notify_all()


def _call(
    function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> Any:
    return function(*arguments, **named)


_alive: set[Crew] = set()


def alive_crews() -> list[Crew]:
    """Those whose threads are in this process, also of workers that are forgotten."""
    return [crew for crew in list(_alive) if crew.process == os.getpid()]
