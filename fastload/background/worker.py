"""``BackgroundWorker``: functions that are called behind training's back, in order."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from multiprocessing import process
from typing import TYPE_CHECKING, Any, Literal, get_args

from fastload.background.at_exit import close_at_exit
from fastload.background.child import ChildProcess
from fastload.background.job import BackgroundJob
from fastload.background.proxy import BackgroundProxy
from fastload.background.snapshot import snapshot
from fastload.background.stream import Stream
from fastload.closing import Closing, raise_first

if TYPE_CHECKING:
    pass

__all__ = ["BackgroundWorker"]

OnFull = Literal["wait", "drop_oldest", "raise"]
Executor = Literal["thread", "process"]


class BackgroundWorker(Closing):
    """Calls functions in the background: metrics, plots, CSV, TensorBoard, W&B.

        work = BackgroundWorker()
        work.submit(draw_confusion, matrix, "confusion.png", stream="plots")
        writer = work.wrap(SummaryWriter("runs/1"))
        writer.add_scalar("loss", loss, step)
        work.close()

    Jobs of one stream run in the order in which they were submitted; streams run beside each
    other, each in a thread of its own. What is passed is copied first (see `submit`), so that
    training may go on changing it.

    An error is raised by the job's ``result()``, or else by the next `submit` to its stream (which
    then submits nothing; call it again), by `wait` or by `close`. At the interpreter's exit all
    jobs are finished; if that takes longer than a second, standard error says what is waited for,
    and errors that nobody was told of are printed there. So are those of a worker that nobody
    refers to any more, whose jobs are finished, too. SIGTERM ends a Python program without any of
    this, unless it has a handler.

    Args:
        max_pending: jobs of a stream that wait or run. What a job submits itself goes beyond it:
            jobs that wait for each other's room would do so for ever.
        on_full: what `submit` does when there are so many: "wait"; "drop_oldest": the job that
            waits longest is cancelled (``dropped`` counts them); "raise" a RuntimeError.
        executor: "thread" of this process, for what waits or leaves the GIL to others, such as
            writing files. "process": of its own for each stream, with the lowest priority, for
            what computes in Python, such as plots: it does not take the GIL from training.
            Functions and arguments have to be picklable, and a script has to do its work under
            ``if __name__ == "__main__":``, because the process imports it.

    Raises:
        ValueError: an argument is none of those above.
        RuntimeError: this is such a process, importing a script that does its work unguarded.
    """

    def __init__(
        self,
        *,
        max_pending: int = 64,
        on_full: OnFull = "wait",
        executor: Executor = "thread",
    ) -> None:
        if max_pending < 1:
            raise ValueError(f"expected max_pending to be at least 1, found {max_pending}")
        for name, value, allowed in (
            ("on_full", on_full, get_args(OnFull)),
            ("executor", executor, get_args(Executor)),
        ):
            if value not in allowed:
                raise ValueError(f"expected {name} to be one of {allowed}, found {value!r}")
        if executor == "process" and getattr(process.current_process(), "_inheriting", False):
            raise RuntimeError(
                "a process that this script has started is importing it, and is about to do all of "
                "its work once more: put that under if __name__ == '__main__':"
            )
        self.max_pending = max_pending
        self.on_full: OnFull = on_full
        self.executor: Executor = executor
        self.dropped = 0
        self.seconds_waited = 0.0
        self._condition = threading.Condition()
        self._streams: dict[str, Stream] = {}
        self._process = os.getpid()
        self._closed = False
        weakref.finalize(self, _forget, self._condition, self._streams).atexit = False
        close_at_exit(self)

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        stream: str = "default",
        copy: bool = True,
        **kwargs: Any,
    ) -> BackgroundJob:
        """Have ``function(*args, **kwargs)`` called.

        Args:
            function: what it closes over is not copied.
            args: tensors and arrays in them, also within lists, tuples, mappings and dataclasses,
                are copied now, tensors detached and to the CPU. All other objects are passed as
                they are.
            stream: jobs of one stream keep their order.
            copy: False: pass everything as it is; it must not be changed until the job is done.
            kwargs: as ``args``.

        Returns:
            a future.

        Raises:
            RuntimeError: the worker is closed, of another process, or full with
                ``on_full="raise"``.
            Exception: of an earlier job of this stream that nobody was told of.
        """
        self._check_usable()
        with self._condition:
            self._raise_of(self._streams.get(stream))
        if copy:
            args, kwargs = snapshot((args, kwargs))
        job = BackgroundJob(function, args, kwargs)
        with self._condition:
            target = self._streams.get(stream)
            if target is None:
                target = self._streams[stream] = self._new_stream(stream)
            self._make_room(target)
            if self._closed:  # while this waited for room
                raise RuntimeError("this BackgroundWorker is closed")
            target.put(job)
        return job

    def wrap(self, target: Any, *, stream: str = "") -> Any:
        """An object whose methods are called in the background, in order; for loggers.

        Args:
            target: such as a ``SummaryWriter``, a ``csv.writer`` or a W&B run.
            stream: default: one of its own.

        Returns:
            an object with the target's attributes; calling a method gives a `BackgroundJob`.

        Raises:
            ValueError: with ``executor="process"``: the target is here.
        """
        if self.executor == "process":
            raise ValueError("expected executor='thread': an object's methods run where it is")
        return BackgroundProxy(self, target, stream or f"{type(target).__name__}-{id(target)}")

    @property
    def pending(self) -> int:
        """Jobs that wait or run."""
        with self._condition:
            return sum(stream.pending for stream in self._streams.values())

    def wait(self) -> None:
        """Until all jobs are done.

        Raises:
            Exception: of the first job that failed and nobody was told of. The others' are printed
                to standard error.
            RuntimeError: the worker is closed, of another process, or a job of it calls this.
        """
        self._check_usable()
        self._drain()
        raise_first(self._take_errors())

    def close(self) -> None:
        """Finish all jobs and end the threads. Idempotent. After an interruption: go on.

        Raises:
            Exception: as `wait`.
        """
        if self._closed or os.getpid() != self._process:
            return
        self._drain()
        self._end()
        raise_first(self._take_errors())

    def _check_usable(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError(
                f"this BackgroundWorker belongs to process {self._process}, whose threads a "
                "forked child does not have; make one in the child"
            )
        if self._closed:
            raise RuntimeError("this BackgroundWorker is closed")

    def _new_stream(self, name: str) -> Stream:
        if self.executor == "thread":
            return Stream(name, self._condition, _call, ended=_nothing)
        child = ChildProcess()
        return Stream(name, self._condition, child.run, ended=child.close)

    def _make_room(self, stream: Stream) -> None:
        began = time.perf_counter()
        while stream.pending >= self.max_pending and not self._closed and not self._is_in_job():
            if self.on_full == "raise":
                raise RuntimeError(
                    f"stream {stream.name!r} has max_pending={self.max_pending} jobs; wait, or "
                    "make the worker with on_full='wait' or 'drop_oldest'"
                )
            if self.on_full == "drop_oldest" and stream.drop_oldest():
                self.dropped += 1
                break
            self._condition.wait(0.5)
        self.seconds_waited += time.perf_counter() - began

    def _is_in_job(self) -> bool:
        """Whether one of this worker's jobs is calling."""
        return any(stream.is_current_thread for stream in self._streams.values())

    def _raise_of(self, stream: Stream | None) -> None:
        if stream is not None:
            raise_first(stream.take_errors())

    def _drain(self) -> None:
        with self._condition:
            if self._is_in_job():
                raise RuntimeError("a job cannot wait for all jobs of its own BackgroundWorker")
            while any(stream.pending for stream in self._streams.values()):
                self._condition.wait(0.5)  # in slices, for Ctrl-C

    def _take_errors(self) -> list[BaseException]:
        with self._condition:
            return [error for stream in self._streams.values() for error in stream.take_errors()]

    def _end(self) -> None:
        with self._condition:
            self._closed = True
            streams = list(self._streams.values())
            for stream in streams:
                stream.stop()
        for stream in streams:
            stream.join()


def _call(
    function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> Any:
    return function(*arguments, **named)


def _nothing() -> None:
    pass


def _forget(condition: threading.Condition, streams: dict[str, Stream]) -> None:
    """Nobody refers to a worker any more: its threads end behind its last jobs."""
    with condition:
        for stream in streams.values():
            stream.stop(forgotten=True)
