"""Checkpoints that training does not wait for."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable, Mapping
from operator import index
from pathlib import Path
from typing import Any, Literal

from fastload.checkpoint.alias import AliasKind
from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.folder import (
    Mode,
    Retention,
    is_step_name,
    step_path,
)
from fastload.checkpoint.handle import SaveHandle
from fastload.checkpoint.load import LoadedCheckpoint, load_newest
from fastload.checkpoint.plan import SUFFIXES, Format
from fastload.checkpoint.publisher import Publisher
from fastload.checkpoint.record import make_info
from fastload.checkpoint.safetensors_library import require_safetensors
from fastload.checkpoint.save_queue import Job, OnBusy, SaveQueue
from fastload.checkpoint.snapshot import take_snapshot
from fastload.checkpoint.temporary import create_temporary, remove_leftovers
from fastload.checkpoint.write_file import explain
from fastload.checkpoint.writer_process import WriterProcess
from fastload.closing import Closing
from fastload.errors import CheckpointError, CheckpointSkippedError

Writer = Literal["thread", "process"]


class AsyncCheckpointer(Closing):
    """Saves states into a folder in the background.

    ``save`` copies the state and returns; the file is written behind it, under a temporary name,
    synced, and only then given its own name, ``step-000001000.pt``. Whatever is killed, and
    whenever, the newest file with such a name is whole, and what a handle reported done is there.
    ``torch.load`` reads the files.

    An error of the background is raised by the handle's ``result``, or else by the next ``save``
    (which then saves nothing; call it again), ``wait`` or ``close``. Use it as a context manager,
    or call ``close``; at the interpreter's exit it is closed at the latest.

    One process saves into a folder: under DDP, rank 0. Not to be used by several threads at once.

    Args:
        folder: made where it is missing. Leftovers of killed runs in it are removed.
        format: "torch", or "safetensors" for flat mappings of names to tensors, without pickle.
        snapshots: so many buffers of the state's size at most; each is made when it is first needed
            and used again. With 1, a save waits for the one before it to be written.
        on_busy: what a save does when all buffers are waiting for the disk: "wait"; "skip" this
            save; or "latest": take the place of one that waits and is not yet being written.
        keep_last: keep so many of the newest checkpoints; None keeps all.
        keep_every: keep those whose step is a multiple of this; 0: no such.
        best: the metric by which the best checkpoint is kept and named; "": none.
        mode: whether the best has the highest or the lowest value.
        last_name: a name, without suffix, that always stands for the newest checkpoint; "": none.
        best_name: likewise for the best.
        aliases: what such a name is. "copy": its own bytes, shared with the checkpoint until
            either is written to where the file system can do that (btrfs, xfs), else written once
            more. "link": the same file under two names: nothing is written twice, but a program
            that rewrites the name in place, as YOLOv5 does, would change the checkpoint.
        writer: "thread" of this process, or a "process" of its own with the state in shared
            memory. See docs/checkpoints.md for what either costs.
        file_ops: for tests, which have single calls fail.

    Raises:
        CheckpointError: the folder cannot be written to, or safetensors is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        format: Format = "torch",
        snapshots: int = 2,
        on_busy: OnBusy = "wait",
        keep_last: int | None = None,
        keep_every: int = 0,
        best: str = "",
        mode: Mode = "max",
        last_name: str = "last",
        best_name: str = "best",
        aliases: AliasKind = "copy",
        writer: Writer = "thread",
        file_ops: FileOps | None = None,
    ) -> None:
        _check("format", format, SUFFIXES)
        _check("on_busy", on_busy, ("wait", "skip", "latest"))
        _check("mode", mode, ("min", "max"))
        _check("aliases", aliases, ("copy", "link"))
        _check("writer", writer, ("thread", "process"))
        if snapshots < 1 or (keep_last is not None and keep_last < 1) or keep_every < 0:
            raise ValueError(
                "expected snapshots and keep_last of at least 1 and keep_every of at least 0, "
                f"found {snapshots}, {keep_last} and {keep_every}"
            )
        if format == "safetensors":
            require_safetensors()
        self.folder = Path(folder).absolute()
        self.format: Format = format
        self.on_busy: OnBusy = on_busy
        self._suffix = SUFFIXES[format]
        self._ops = file_ops or FileOps()
        self._prepare_folder()
        self._publisher = Publisher(
            self.folder,
            Retention(keep_last, keep_every, best, mode),
            last=self._alias_path(last_name),
            best=self._alias_path(best_name) if best else None,
            aliases=aliases,
            process=WriterProcess() if writer == "process" else None,
            ops=self._ops,
        )
        shared = writer == "process"
        self._queue = SaveQueue(snapshots, shared=shared, at_end=self._publisher.close)
        self._handles: list[SaveHandle] = []
        self._pid = os.getpid()
        self._closed = self._freed = False
        self._at_exit = _close_at_exit(self)
        weakref.finalize(self, SaveQueue.abandon, self._queue).atexit = False

    def save(
        self, state: object, *, step: int, metrics: Mapping[str, Any] | None = None
    ) -> SaveHandle:
        """Copy the state and have it written.

        When this returns, the state may be changed. Tensors that share memory do so in the file,
        as with ``torch.save``.

        Args:
            state: anything that ``torch.save`` takes; for "safetensors" name -> tensor.
            step: names the file; one of the same step is replaced. From 0 up.
            metrics: numbers to keep with it, such as the one that ``best`` names.

        Raises:
            CheckpointError: an earlier save failed, and nobody was told; nothing is saved now.
            TypeError, ValueError: the state or the step cannot be saved.
            Exception: whatever pickling an object of the state raises.
        """
        self._check_usable()
        self._raise_errors()
        step = index(step)  # NumPy's, too; a record holds plain ones
        if step < 0:
            raise ValueError(f"expected a step of at least 0, found {step}")
        numbers = {name: float(value) for name, value in (metrics or {}).items()}
        handle = SaveHandle(step, step_path(self.folder, step, self._suffix))
        arena = self._queue.acquire(self.on_busy)
        if arena is None:
            handle._end(CheckpointSkippedError(f"step {step} was left out: the disk is behind"))
            return handle
        try:
            finish = take_snapshot(state, self.format, arena)
        except BaseException:
            self._queue.give_back(arena)
            raise
        info = make_info(step, self._publisher.next_sequence(), numbers)

        def run(free: Callable[[], None]) -> None:
            self._publisher.publish(handle.path, finish, info, arena, free)

        self._handles.append(handle)
        self._queue.put(Job(handle, arena, run))
        return handle

    def wait(self) -> None:
        """Until everything saved so far is on the disk.

        Raises:
            CheckpointError: a save failed, and nobody was told yet.
        """
        self._check_usable()
        self._queue.wait()
        self._raise_errors()

    def load_latest(
        self, *, map_location: Any = None, weights_only: bool = True
    ) -> LoadedCheckpoint | None:
        """``fastload.load_latest`` of this folder, behind all saves so far."""
        self._check_usable()
        self._queue.wait()
        return load_newest(self.folder, map_location, weights_only)

    def close(self) -> None:
        """Wait for all saves and free the memory; again: nothing. After an interruption: go on.

        Raises:
            CheckpointError: a save failed, and nobody was told yet.
        """
        if self._freed or os.getpid() != self._pid:
            return
        self._closed = True
        self._queue.close()
        self._freed = True
        atexit.unregister(self._at_exit)
        self._raise_errors()

    def _alias_path(self, name: str) -> Path | None:
        if not name:
            return None
        full = name + self._suffix
        if Path(full).name != full or is_step_name(full):
            raise ValueError(f"expected a plain file name for an alias, found {name!r}")
        return self.folder / full

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder, self._ops)
            # Better now than at the end of the first epoch.
            probe, descriptor = create_temporary(self.folder / "probe", self._ops)
            try:
                self._ops.unlink(probe)
            finally:
                self._ops.close(descriptor)
        except OSError as error:
            raise explain(error, self.folder, "a file in the folder") from error

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise CheckpointError(
                "this process was forked after the checkpointer was made; make one of its own"
            )
        if self._closed:
            raise CheckpointError("the checkpointer is closed; make another")

    def _raise_errors(self) -> None:
        ended = [handle for handle in self._handles if handle.done()]
        self._handles = [handle for handle in self._handles if not handle.done()]
        errors = [error for handle in ended if (error := handle._take_error()) is not None]
        if errors:
            first, others = errors[0], len(errors) - 1
            more = f" ({others} more saves failed)" if others else ""
            raise CheckpointError(f"{first}{more}") from first


def _close_at_exit(checkpointer: AsyncCheckpointer) -> Callable[[], None]:
    """Registered; does not keep the checkpointer alive."""
    reference = weakref.ref(checkpointer)

    def close() -> None:
        found = reference()
        if found is not None:
            found.close()

    return atexit.register(close)


def _check(name: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        expected = ", ".join(repr(item) for item in allowed)
        raise ValueError(f"{name}: expected one of {expected}, found {value!r}")
