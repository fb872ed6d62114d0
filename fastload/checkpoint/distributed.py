"""Sharded states: torch.distributed.checkpoint writes them, and this gives them their names."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import torch.distributed as dist
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load as load_sharded
from torch.distributed.checkpoint.state_dict_saver import async_save

from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.handle import SaveHandle
from fastload.checkpoint.write_file import explain
from fastload.errors import CheckpointError, CheckpointSkippedError

if TYPE_CHECKING:
    from typing_extensions import Self

_NAME = re.compile(r"step-(\d{9,})")
_SUFFIX = ".fastload-dcp"


class DistributedCheckpointer:
    """``torch.distributed.checkpoint.async_save`` behind ``AsyncCheckpointer``'s face.

    Every rank makes one and calls the same methods in the same order; the folder is one that all
    can reach. A checkpoint is a folder, ``step-000001000``: rank 0 gives it its name once all
    ranks' files are written and synced, so that one with a name is complete. There is one buffer
    (torch's): a save waits for the one before it, or is skipped.

    Without an initialised process group it saves this process's state alone.

    Args:
        folder: made where it is missing. Rank 0 removes leftovers of killed runs in it.
        keep_last: keep so many of the newest checkpoints; None keeps all.
        on_busy: "wait" for the save before, or "skip" this one. With "skip", ranks must agree, so
            rank 0 decides for all.
        process_group: one with a CPU backend, as ``async_save`` asks for; None: the default.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        keep_last: int | None = None,
        on_busy: Literal["wait", "skip"] = "wait",
        process_group: Any = None,
    ) -> None:
        if on_busy not in ("wait", "skip") or (keep_last is not None and keep_last < 1):
            raise ValueError(
                'expected on_busy "wait" or "skip" and keep_last of at least 1, '
                f"found {on_busy!r} and {keep_last}"
            )
        self.folder = Path(folder).absolute()
        self._keep_last = keep_last
        self._on_busy = on_busy
        self._group = process_group
        self._alone = not (dist.is_available() and dist.is_initialized())
        self._first = self._alone or dist.get_rank(process_group) == 0
        self._ops = FileOps()
        self._handle: SaveHandle | None = None
        self._thread: threading.Thread | None = None
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._first:
            self._remove_leftovers()

    def save(self, state: dict[str, Any], *, step: int) -> SaveHandle:
        """Copy this rank's part of the state and have it written.

        The handle of rank 0 is the one that says the checkpoint stands under its name; other ranks'
        say that their part is written.

        Raises:
            CheckpointError: the save before failed, and nobody was told; nothing is saved now.
        """
        path = self.folder / f"step-{step:09d}"
        busy = self._handle is not None and not self._handle.done()
        if self._on_busy == "skip" and self._agree(busy):
            handle = SaveHandle(step, path)
            handle._end(CheckpointSkippedError(f"step {step} was left out: the disk is behind"))
            return handle
        self.wait()
        temporary = self.folder / f".{path.name}{_SUFFIX}"
        lock = self._begin(temporary) if self._first else -1
        handle = SaveHandle(step, path)
        try:
            future = async_save(
                state,
                storage_writer=FileSystemWriter(temporary, sync_files=True),
                process_group=self._group,
                no_dist=self._alone,
            )
        except BaseException:
            if lock >= 0:
                os.close(lock)
            raise
        assert isinstance(future, Future)
        self._handle = handle
        self._thread = threading.Thread(
            target=self._finish, args=(future, handle, temporary, lock), daemon=True
        )
        self._thread.start()
        return handle

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

    def load_latest(self, state: dict[str, Any]) -> int | None:
        """Load the newest complete checkpoint into a state, in place; its step, or None.

        torch's format has no checksums: damage is found only where it cannot be read.

        Raises:
            Exception: whatever ``torch.distributed.checkpoint.load`` raises.
        """
        self.wait()
        steps = sorted(self._steps())
        if not steps:
            return None
        path = self.folder / f"step-{steps[-1]:09d}"
        load_sharded(state, checkpoint_id=path, process_group=self._group, no_dist=self._alone)
        return steps[-1]

    def close(self) -> None:
        """As ``wait``."""
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _finish(self, future: Future[Any], handle: SaveHandle, temporary: Path, lock: int) -> None:
        error: CheckpointError | None = None
        try:
            future.result()
            if self._first:
                self._publish(temporary, handle.path)
        except OSError as caught:
            error = explain(caught, handle.path)
            error.__cause__ = caught
        except BaseException as caught:
            error = CheckpointError(
                f"step {handle.step} could not be saved: {type(caught).__name__}: {caught}"
            )
            error.__cause__ = caught
        if lock >= 0:
            if error is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            os.close(lock)
        handle._end(error)

    def _publish(self, temporary: Path, path: Path) -> None:
        self._ops.sync_folder(temporary)
        if path.exists():  # the same step again: a folder cannot be replaced in one step
            self._remove(path)
        self._ops.rename(temporary, path)
        self._ops.sync_folder(self.folder)
        if self._keep_last is not None:
            for step in sorted(self._steps())[: -self._keep_last]:
                if path.name != f"step-{step:09d}":
                    self._remove(self.folder / f"step-{step:09d}")

    def _remove(self, path: Path) -> None:
        # Renamed first: what has its name is complete, also when this is killed half-way.
        aside = self.folder / f".{path.name}.old{_SUFFIX}"
        shutil.rmtree(aside, ignore_errors=True)
        self._ops.rename(path, aside)
        shutil.rmtree(aside, ignore_errors=True)

    def _steps(self) -> list[int]:
        matches = map(_NAME.fullmatch, os.listdir(self.folder))
        return [int(match[1]) for match in matches if match and (self.folder / match[0]).is_dir()]

    def _begin(self, temporary: Path) -> int:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._ops.lock(descriptor)
        return descriptor

    def _remove_leftovers(self) -> None:
        for name in os.listdir(self.folder):
            if not name.endswith(_SUFFIX):
                continue
            with contextlib.suppress(OSError):
                descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(self.folder / name)
                finally:
                    os.close(descriptor)

    def _agree(self, mine: bool) -> bool:
        """What rank 0 says."""
        if self._alone:
            return mine
        said = [mine]
        source = dist.get_global_rank(self._group, 0) if self._group is not None else 0
        dist.broadcast_object_list(said, src=source, group=self._group)
        return said[0]
