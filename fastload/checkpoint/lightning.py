"""Lightning's checkpoints in the background: ``Trainer(plugins=[FastloadCheckpointIO()])``.

Needs ``lightning``; nothing else in fastload imports this module.
"""

from __future__ import annotations

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

    In place of ``AsyncCheckpointIO``. Loading and removing wait for what is under way; an error of
    the background is raised by the next save, or at the end of the run.

    Args:
        snapshots: buffers, as in ``AsyncCheckpointer``.
    """

    def __init__(self, snapshots: int = 2) -> None:
        super().__init__()
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
            CheckpointError: an earlier save failed; nothing is saved now.
            TypeError: there are storage options, of which this knows none.
        """
        if storage_options is not None:
            raise TypeError("expected no storage_options: FastloadCheckpointIO writes local files")
        self._raise_errors()
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._queue is None:  # made late, and again after teardown
            self._queue = SaveQueue(self._snapshots, shared=False)
        arena = self._queue.acquire("wait")
        assert arena is not None
        step = int(checkpoint.get("global_step", 0))
        try:
            finish = take_snapshot(checkpoint, "torch", arena)
        except BaseException:
            self._queue.give_back(arena)
            raise
        handle = SaveHandle(step, target)

        def run(free: Callable[[], None]) -> None:
            try:
                remove_leftovers(target.parent, self._ops, target.name)
                plan = finish(make_info(step, 0, {}))
                arena.wait()
                write_file(plan.resolve(arena.buffer), target, self._ops, forget=True)
            except OSError as error:
                raise explain(error, target) from error
            free()

        self._handles.append(handle)
        self._queue.put(Job(handle, arena, run))

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """``torch.load`` behind all saves; ``weights_only`` is True unless False is asked for."""
        self._wait()
        trusted = weights_only is False
        loaded: dict[str, Any] = load_pickle(Path(path), map_location, not trusted)
        return loaded

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a file, or a folder that another plugin wrote."""
        self._wait()
        with contextlib.suppress(FileNotFoundError):
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def teardown(self) -> None:
        """Wait for all saves.

        Raises:
            CheckpointError: one failed, and nobody was told yet.
        """
        if self._queue is not None:
            self._queue.close()
            self._queue = None
        self._raise_errors()

    def _wait(self) -> None:
        if self._queue is not None:
            self._queue.wait()

    def _raise_errors(self) -> None:
        ended = [handle for handle in self._handles if handle.done()]
        self._handles = [handle for handle in self._handles if not handle.done()]
        errors: list[CheckpointError] = [e for h in ended if (e := h._take_error()) is not None]
        if errors:
            raise errors[0]
