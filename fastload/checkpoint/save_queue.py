"""Saves that wait for the disk: buffers, a background thread, what to do when it is behind."""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fastload.checkpoint.arena import Arena
from fastload.checkpoint.handle import SaveHandle
from fastload.errors import CheckpointError, CheckpointSkippedError

OnBusy = Literal["wait", "skip", "latest"]

#: Added to the nice value of the background thread: training's threads go first.
NICENESS = 10


@dataclass(frozen=True, slots=True)
class Job:
    """A snapshot that is to be written, or, without an arena, something else in its turn.

    Attributes:
        run: does it; raises what went wrong. Takes a function to call once the arena is free.
    """

    handle: SaveHandle
    arena: Arena | None
    run: Callable[[Callable[[], None]], None]


class SaveQueue:
    """Runs jobs one after another on a daemon thread that starts with the first.

    An arena belongs either to the queue, as free, or to whoever acquired it, or to a job; a job's
    comes back when its writer calls ``free``, or has ended.

    Args:
        snapshots: so many arenas.
        shared: whether their memory can be shared with another process.
        at_end: called by the thread when it ends.
    """

    def __init__(
        self, snapshots: int, *, shared: bool, at_end: Callable[[], None] | None = None
    ) -> None:
        self._changed = threading.Condition()
        self._free = [Arena(shared=shared) for _ in range(snapshots)]
        self._pending: deque[Job] = deque()
        self._running = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._at_end = at_end
        self._pid = os.getpid()

    def acquire(self, on_busy: OnBusy) -> Arena | None:
        """A buffer that nobody uses; None where ``on_busy`` says to skip."""
        with self._changed:
            if not self._free and on_busy == "latest" and self._pending:
                job = self._pending.popleft()
                assert job.arena is not None, "only saves are queued where they may be left out"
                job.handle._end(
                    CheckpointSkippedError(
                        f"step {job.handle.step} was left out for a later save: the disk is behind"
                    )
                )
                return job.arena
            if not self._free and on_busy == "skip":
                return None
            self._changed.wait_for(lambda: self._free)
            # The one used last is the one whose memory is there already.
            return self._free.pop()

    def give_back(self, arena: Arena) -> None:
        """The buffer may be used for another snapshot."""
        with self._changed:
            self._free.append(arena)
            self._changed.notify_all()

    def put(self, job: Job) -> None:
        """Have the job run."""
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="fastload-checkpoint", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads to be had, as at the interpreter's exit
                self._run(job)
                return
            self._thread = thread
        with self._changed:
            self._pending.append(job)
            self._changed.notify_all()

    def wait(self) -> None:
        """Until no job is left."""
        if os.getpid() != self._pid:
            return  # see ``abandon``
        with self._changed:
            self._changed.wait_for(lambda: not self._pending and not self._running)

    def close(self) -> None:
        """Run what is left, end the thread, free the memory.

        May be interrupted and called again; nothing that was put is lost.
        """
        if os.getpid() != self._pid:
            return
        self.wait()
        self.abandon()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        for arena in self._free:
            arena.release()

    def abandon(self) -> None:
        """Have the thread end once nothing is left to do; nobody will put anything again."""
        if os.getpid() != self._pid:
            return  # a forked child has no such thread, and the lock may be held for ever there
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            self._run_all()
        finally:
            if self._at_end is not None:
                self._at_end()

    def _run_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closed)
                if not self._pending:
                    return
                job = self._pending.popleft()
                self._running = True
            self._run(job)
            del job  # or it would keep the checkpointer alive until the next one
            with self._changed:
                self._running = False
                self._changed.notify_all()

    def _run(self, job: Job) -> None:
        freed = False

        def free() -> None:
            nonlocal freed
            if not freed and job.arena is not None:
                freed = True
                self.give_back(job.arena)

        error: BaseException | None = None
        try:
            job.run(free)
        except CheckpointError as caught:
            error = caught
        except BaseException as caught:
            error = CheckpointError(
                f"step {job.handle.step} could not be saved: {type(caught).__name__}: {caught}"
            )
            error.__cause__ = caught
        if error is not None:
            _forget_locals(error)
        free()
        job.handle._end(error)


def _forget_locals(error: BaseException) -> None:
    """Views of the snapshot would live as long as the error does, and it as long as its handle."""
    found: BaseException | None = error
    while found is not None:
        traceback.clear_frames(found.__traceback__)
        found = found.__cause__ or found.__context__
