"""Lightning's checkpoints in the background: ``Trainer(plugins=[FastloadCheckpointIO()])``.

Needs ``lightning``; nothing else in fastload imports this module.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.handle import SaveHandle
from fastload.checkpoint.record import make_info
from fastload.checkpoint.save_queue import Job, SaveQueue
from fastload.checkpoint.snapshot import take_snapshot
from fastload.checkpoint.temporary import remove_leftovers
from fastload.checkpoint.trusted_load import load_pickle
from fastload.checkpoint.write_file import explain, write_file
from fastload.errors import CheckpointError


class FastloadCheckpointIO(CheckpointIO):
    """Copies a checkpoint, returns, and writes it behind training, whole or not at all.

    In place of ``AsyncCheckpointIO``. Loading waits for what is under way. A checkpoint that
    Lightning removes goes in its turn, once those saved before are on the disk, and stays where one
    of them failed. An error of the background is raised by the next save, or at the end of the run.

    Args:
        snapshots: buffers, as in ``AsyncCheckpointer``.
        weights_only: what loading does where Lightning does not say, as for ``torch.load``. False
            lets a file run code; for checkpoints of your own.
    """

    def __init__(self, snapshots: int = 2, *, weights_only: bool = True) -> None:
        super().__init__()
        self._weights_only = weights_only
        self._failed = False
        self._snapshots = snapshots
        self._queue: SaveQueue | None = None
        self._handles: list[SaveHandle] = []
        self._ops = FileOps()

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any | None = None,
    ) -> None:
        """Copy, and have it written.

        Raises:
            CheckpointError: an earlier save failed, and nothing is saved now; or the folder cannot
                be made.
            TypeError: there are storage options, of which this knows none.
            ValueError: the path is none of a local file.
        """
        if storage_options is not None:
            raise TypeError("expected no storage_options: FastloadCheckpointIO writes local files")
        if "://" in str(path):
            raise ValueError(
                f"expected a local path, found {path}: FastloadCheckpointIO writes local files "
                "only; leave it out for remote ones"
            )
        self._raise_errors()
        target = Path(os.path.realpath(path))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain(error, target.parent, "the folder") from error
        queue = self._running_queue()
        arena = queue.acquire("wait")
        assert arena is not None
        step = int(checkpoint.get("global_step", 0))
        try:
            finish = take_snapshot(checkpoint, "torch", arena)
        except BaseException:
            queue.give_back(arena)
            raise
        handle = SaveHandle(step, target)

        def run(free: Callable[[], None]) -> None:
            self._failed = True  # until it has not
            try:
                remove_leftovers(target.parent, self._ops, target.name)
                plan = finish(make_info(step, 0, {}))
                arena.wait()
                write_file(plan.resolve(arena.buffer), target, self._ops, forget=True)
            except OSError as error:
                raise explain(error, target) from error
            self._failed = False
            free()

        self._handles.append(handle)
        queue.put(Job(handle, arena, run))

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """``torch.load`` behind all saves; onto the CPU unless said otherwise."""
        if self._queue is not None:
            self._queue.wait()
        safe = self._weights_only if weights_only is None else weights_only
        where = "cpu" if map_location is None else map_location
        loaded: dict[str, Any] = load_pickle(Path(path), where, safe)
        return loaded

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a file, or a folder that another plugin wrote, once its turn has come."""
        target = Path(path)
        handle = SaveHandle(-1, target)

        def run(_: Callable[[], None]) -> None:
            if self._failed:
                return  # it may be the last one that is whole
            try:
                with contextlib.suppress(FileNotFoundError):
                    if target.is_dir() and not target.is_symlink():
                        shutil.rmtree(target)
                    else:
                        self._ops.unlink(target)
            except OSError as error:
                raise explain(error, target, "the removal of") from error

        self._handles.append(handle)
        self._running_queue().put(Job(handle, None, run))

    def teardown(self) -> None:
        """Wait for all saves; also at the interpreter's exit.

        Raises:
            CheckpointError: one failed, and nobody was told yet.
        """
        if self._queue is not None:
            self._queue.close()
            self._queue = None
        atexit.unregister(self.teardown)
        self._raise_errors()

    def _running_queue(self) -> SaveQueue:
        if self._queue is None:  # made late, and again after teardown
            self._queue = SaveQueue(self._snapshots, shared=False)
            atexit.unregister(self.teardown)
            atexit.register(self.teardown)  # Fabric calls no teardown
        return self._queue

    def _raise_errors(self) -> None:
        ended = [handle for handle in self._handles if handle.done()]
        self._handles = [handle for handle in self._handles if not handle.done()]
        errors: list[CheckpointError] = [e for h in ended if (e := h._take_error()) is not None]
        if errors:
            raise errors[0]
