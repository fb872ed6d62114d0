"""``BackgroundWorker``: functions that are called behind training's back, in order."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from multiprocessing import process
from typing import Any, Literal, get_args

from fastload.background.at_exit import close_at_exit
from fastload.background.crew import Crew
from fastload.background.job import BackgroundJob, Call
from fastload.background.proxy import BackgroundProxy
from fastload.background.snapshot import snapshot
from fastload.closing import Closing, raise_first

__all__ = ["BackgroundWorker"]

OnFull = Literal["wait", "drop_oldest", "raise"]
Executor = Literal["thread", "process"]

#: A wait is cut into these, between which Ctrl-C is heard.
_SLICE_SECONDS = 0.5


class BackgroundWorker(Closing):
    """Calls functions in the background: metrics, plots, CSV, TensorBoard, W&B.

        work = BackgroundWorker()
        work.submit(draw_confusion, matrix, "confusion.png", stream="plots")
        writer = work.wrap(SummaryWriter("runs/1"))
        writer.add_scalar("loss", loss, step)
        work.close()

    Jobs of one stream run in the order in which they were submitted; streams run beside each
    other, up to ``max_workers`` of them. What is passed is copied first (see `submit`), so that
    training may go on changing it.

    An error is raised by the job's ``result()``, or else by the next `submit` to its stream (which
    then submits nothing; call it again), by `wait` or by `close`; one that is no Exception, such as
    SystemExit, is there the cause of a RuntimeError.

    At the interpreter's exit all jobs are finished, also of a worker that nobody refers to any
    more; if that takes longer than a second, standard error says what is waited for, and errors
    that nobody was told of are printed there. Jobs that start threads of their own have to be done
    before the exit, which starts none from Python 3.12 on: `close` the worker. SIGTERM ends a
    Python program without any of this, unless it has a handler:
    ``signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))``.

    Args:
        max_pending: jobs of a stream that wait or run. What a job submits itself goes beyond it:
            jobs that wait for each other's room would do so for ever.
        max_workers: threads, or processes, at most; each is started when a stream has work and no
            other is free. A job that waits for one of another stream needs two of them.
        on_full: what `submit` does when there are so many: "wait"; "drop_oldest": the job that
            waits longest is cancelled (``dropped`` counts them); "raise" a RuntimeError.
        executor: "thread" of this process, for what waits or leaves the GIL to others, such as
            writing files. "process": one for each such thread, with the lowest priority, for
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
        max_workers: int = 4,
        on_full: OnFull = "wait",
        executor: Executor = "thread",
    ) -> None:
        for name, number in (("max_pending", max_pending), ("max_workers", max_workers)):
            if number < 1:
                raise ValueError(f"expected {name} to be at least 1, found {number}")
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
        self.max_workers = max_workers
        self.on_full: OnFull = on_full
        self.executor: Executor = executor
        self.dropped = 0
        self.seconds_waited = 0.0
        self._crew = Crew(max_workers, in_processes=executor == "process")
        self._used = self._closed = False
        weakref.finalize(self, self._crew.stop, forgotten=True).atexit = False

    def submit(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        stream: str = "default",
        copy: bool = True,
        **kwargs: Any,
    ) -> BackgroundJob:
        """Have ``function(*args, **kwargs)`` called.

        Args:
            function: what it closes over is not copied.
            args: tensors and arrays in them, also within lists, tuples, sets, dicts, deques and
                dataclasses, are copied now, tensors detached and to the CPU. All other objects are
                passed as they are: a model, a figure, a table of pandas.
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
        return self._submit((function, args, kwargs), stream, copy=copy)

    def _submit(self, call: Call, stream: str, *, copy: bool) -> BackgroundJob:
        self._check_usable()
        crew = self._crew
        raise_first(crew.take_errors(stream))
        function, args, kwargs = call
        if copy:
            args, kwargs = snapshot((args, kwargs))
        job = BackgroundJob(function, args, kwargs)
        if not self._used:
            self._used = True
            close_at_exit(self)
        with crew.condition:
            dropped = self._make_room(stream)
            if self._closed:  # while this waited for room
                raise RuntimeError("this BackgroundWorker is closed")
            crew.put(stream, job)
        if dropped is not None:  # only now: its callbacks may wait for other jobs
            dropped.drop()
        return job

    def wrap(self, target: Any, *, stream: str = "") -> Any:
        """An object whose methods are called in the background, in order; for loggers.

        Args:
            target: such as a ``SummaryWriter``, a ``csv.writer`` or a W&B run.
            stream: default: one of its own.

        Returns:
            an object with the target's attributes; calling a method gives a `BackgroundJob`.
            Attributes that are no methods are the target's, and so are the methods that they have.

        Raises:
            ValueError: with ``executor="process"``: the target is here.
        """
        if self.executor == "process":
            raise ValueError("expected executor='thread': an object's methods run where it is")
        close_at_exit(self)
        return BackgroundProxy(
            self._submit, target, stream or f"{type(target).__name__}-{id(target)}"
        )

    @property
    def pending(self) -> int:
        """Jobs that wait or run; none in a forked child."""
        return self._crew.pending if os.getpid() == self._crew.process else 0

    def wait(self) -> None:
        """Until all jobs are done.

        Raises:
            Exception: of the first job that failed and nobody was told of. The others' are printed
                to standard error.
            RuntimeError: the worker is closed, of another process, or a job of it calls this.
        """
        self._check_usable()
        self._drain()
        raise_first(self._crew.take_errors())

    def close(self) -> None:
        """Finish all jobs and end the threads. Idempotent. After an interruption: go on.

        Raises:
            Exception: as `wait`.
        """
        crew = self._crew
        if os.getpid() != crew.process:
            return
        self._drain()
        with crew.condition:
            self._closed = True
        crew.stop()  # behind what others have submitted meanwhile
        crew.join()
        raise_first(crew.take_errors())

    def _check_usable(self) -> None:
        if os.getpid() != self._crew.process:
            raise RuntimeError(
                f"this BackgroundWorker belongs to process {self._crew.process}, whose threads a "
                "forked child does not have; make one in the child"
            )
        if self._closed:
            raise RuntimeError("this BackgroundWorker is closed")

    def _make_room(self, name: str) -> BackgroundJob | None:
        """Wait until a stream has room, or give the job whose place is taken."""
        crew, began = self._crew, time.perf_counter()
        try:
            while (stream := crew.streams.get(name)) and stream.pending >= self.max_pending:
                if self._closed or crew.is_calling:
                    break
                if self.on_full == "raise":
                    raise RuntimeError(
                        f"stream {name!r} has max_pending={self.max_pending} jobs; wait, or "
                        "make the worker with on_full='wait' or 'drop_oldest'"
                    )
                if self.on_full == "drop_oldest" and stream.waiting:
                    self.dropped += 1
                    return stream.waiting.popleft()
                crew.condition.wait(_SLICE_SECONDS)
            return None
        finally:
            self.seconds_waited += time.perf_counter() - began

    def _drain(self) -> None:
        if self._crew.is_calling:
            raise RuntimeError("a job cannot wait for all jobs of its own BackgroundWorker")
        while not self._crew.wait(_SLICE_SECONDS):
            pass
