"""Sharded states: torch.distributed.checkpoint writes them, and this gives them their names."""

from __future__ import annotations

import atexit
import inspect
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from operator import index
from pathlib import Path
from typing import Any, Literal

import torch.distributed as dist
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load as load_sharded
from torch.distributed.checkpoint.state_dict_saver import async_save

from fastload.checkpoint.folder import Mode, Retention, SkippedCheckpoint
from fastload.checkpoint.handle import SaveHandle
from fastload.checkpoint.load import LoadedCheckpoint
from fastload.checkpoint.record import make_info
from fastload.checkpoint.sharded_folder import ShardedFolder
from fastload.checkpoint.write_file import explain
from fastload.closing import Closing
from fastload.errors import CheckpointDamagedError, CheckpointError, CheckpointSkippedError


class DistributedCheckpointer(Closing):
    """``torch.distributed.checkpoint.async_save`` behind ``AsyncCheckpointer``'s face.

    Every rank makes one and calls the same methods in the same order; the folder is one that all
    can reach. A checkpoint is a folder, ``step-000001000``: rank 0 gives it its name once all
    ranks' files are written and synced, so that one with a name is complete. There is one buffer
    (torch's): a save waits for the one before it, or is skipped.

    Without an initialised process group it saves this process's state alone. With one, it makes
    two small groups of its own with backend gloo, so that nothing in the background meets the
    collectives of training.

    Args:
        folder: made where it is missing. Rank 0 removes leftovers of killed runs in it.
        keep_last, keep_every, best, mode: which checkpoints stay, as in ``AsyncCheckpointer``.
        on_busy: "wait" for the save before, or "skip" this one, as rank 0 decides for all.
        process_group: whose ranks save together; None: all.

    Raises:
        CheckpointError: the folder cannot be made.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        keep_last: int | None = None,
        keep_every: int = 0,
        best: str = "",
        mode: Mode = "max",
        on_busy: Literal["wait", "skip"] = "wait",
        process_group: Any = None,
    ) -> None:
        if on_busy not in ("wait", "skip") or (keep_last is not None and keep_last < 1):
            raise ValueError(
                'expected on_busy "wait" or "skip" and keep_last of at least 1, '
                f"found {on_busy!r} and {keep_last}"
            )
        self.folder = Path(folder).absolute()
        self._on_busy = on_busy
        self._alone = not (dist.is_available() and dist.is_initialized())
        self._first = self._alone or dist.get_rank(process_group) == 0
        self._save_group = self._talk_group = None
        if not self._alone:
            self._save_group, self._talk_group = (
                _own_group(process_group),
                _own_group(process_group),
            )
        self._files = ShardedFolder(self.folder, Retention(keep_last, keep_every, best, mode))
        self._handle: SaveHandle | None = None
        self._thread: threading.Thread | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._first:
                self._files.clear()
                found = self._files.checkpoints()
                self._sequence = max((one.record.sequence for one in found), default=0)
        except OSError as error:
            raise explain(error, self.folder, "a file in the folder") from error
        self._at_exit = _close_at_exit(self)

    def save(
        self, state: dict[str, Any], *, step: int, metrics: Mapping[str, Any] | None = None
    ) -> SaveHandle:
        """Copy this rank's part of the state and have it written.

        The handle of rank 0 is the one that says the checkpoint stands under its name; other ranks'
        say that their part is written.

        Raises:
            CheckpointError: the save before failed, and nobody was told; nothing is saved now.
        """
        step = index(step)
        if step < 0:
            raise ValueError(f"expected a step of at least 0, found {step}")
        numbers = {name: float(value) for name, value in (metrics or {}).items()}
        handle = SaveHandle(step, self._files.path(step))
        busy = self._handle is not None and not self._handle.done()
        if self._on_busy == "skip" and self._said_by_first(busy):
            handle._end(CheckpointSkippedError(f"step {step} was left out: the disk is behind"))
            return handle
        self.wait()
        lock = self._files.begin(step) if self._first else -1
        writer = FileSystemWriter(self._files.temporary(step), sync_files=True)
        try:
            future = async_save(state, storage_writer=writer, **self._group_for(async_save))
        except BaseException:
            if self._first:
                self._files.end(step, lock)
            raise
        assert isinstance(future, Future)
        self._handle = handle
        self._thread = threading.Thread(
            target=self._finish, args=(future, handle, numbers, lock), daemon=True
        )
        self._thread.start()
        return handle

    def _group_for(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Arguments that say to one of torch's functions which ranks take part."""
        options: dict[str, Any] = {"process_group": self._save_group}
        if self._alone and "no_dist" in inspect.signature(function).parameters:
            options["no_dist"] = True  # older releases see by themselves that there is no group
        return options

    def wait(self) -> None:
        """Until the save under way is on the disk.

        Raises:
            CheckpointError: it failed, and nobody was told yet.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        handle, self._handle = self._handle, None
        if handle is not None and (error := handle._take_error()) is not None:
            raise error

    def load_latest(self, state: dict[str, Any]) -> LoadedCheckpoint | None:
        """Load the newest complete checkpoint into a state, in place; None where there is none.

        torch's format has no checksums: damage is found only where it cannot be read, and then the
        checkpoint before is loaded.

        Raises:
            CheckpointDamagedError: there are some, and none can be read.
        """
        self.wait()
        found = self._said_by_first(self._files.checkpoints() if self._first else None)
        skipped: list[SkippedCheckpoint] = []
        for checkpoint in found:
            try:
                load_sharded(state, checkpoint_id=checkpoint.path, **self._group_for(load_sharded))
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # torch's CheckpointException is no Exception
                skipped.append(
                    SkippedCheckpoint(checkpoint.path, f"{type(error).__name__}: {error}")
                )
                continue
            record = checkpoint.record
            metrics = dict(record.metrics)
            return LoadedCheckpoint(state, record.step, metrics, checkpoint.path, skipped)
        if skipped:
            reasons = "; ".join(f"{skip.path.name}: {skip.reason}" for skip in skipped)
            raise CheckpointDamagedError(
                f"{self.folder} holds {len(skipped)} checkpoints, and none can be read: {reasons}"
            )
        return None

    def close(self) -> None:
        """As ``wait``, and give torch's groups back; also at the interpreter's exit."""
        atexit.unregister(self._at_exit)
        try:
            self.wait()
        finally:
            if dist.is_available() and dist.is_initialized():
                for group in (self._save_group, self._talk_group):
                    if group is not None:
                        dist.destroy_process_group(group)
            self._save_group = self._talk_group = None

    def _finish(
        self, future: Future[Any], handle: SaveHandle, metrics: dict[str, float], lock: int
    ) -> None:
        error: CheckpointError | None = None
        try:
            future.result()
            if self._first:
                self._sequence += 1
                self._files.publish(handle.step, make_info(handle.step, self._sequence, metrics))
        except OSError as caught:
            error = explain(caught, handle.path)
            error.__cause__ = caught
        except BaseException as caught:
            error = CheckpointError(
                f"step {handle.step} could not be saved: {type(caught).__name__}: {caught}"
            )
            error.__cause__ = caught
        if self._first:
            self._files.end(handle.step, lock)
        handle._end(error)

    def _said_by_first(self, mine: Any) -> Any:
        """What rank 0 says."""
        if self._alone:
            return mine
        said = [mine]
        source = dist.get_global_rank(self._talk_group, 0)  # type: ignore[arg-type]
        dist.broadcast_object_list(said, src=source, group=self._talk_group)
        return said[0]


def _own_group(like: Any) -> Any:
    """A group of the same ranks that nobody else uses."""
    ranks = None if like is None else dist.get_process_group_ranks(like)
    return dist.new_group(ranks, backend="gloo", use_local_synchronization=like is not None)


def _close_at_exit(checkpointer: DistributedCheckpointer) -> Callable[[], None]:
    """Registered; does not keep the checkpointer alive."""
    reference = weakref.ref(checkpointer)
    pid = os.getpid()

    def close() -> None:
        found = reference()
        if found is not None and os.getpid() == pid:
            found.close()

    return atexit.register(close)
