"""From a snapshot to a named checkpoint: what the background does for one save after another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastload.checkpoint.alias import AliasKind, set_alias
from fastload.checkpoint.arena import Arena
from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.folder import Checkpoint, Retention, read_folder
from fastload.checkpoint.plan import FilePlan
from fastload.checkpoint.record import Record
from fastload.checkpoint.snapshot import Finish
from fastload.checkpoint.temporary import remove_leftovers
from fastload.checkpoint.verify import read_record
from fastload.checkpoint.write_file import explain, write_file
from fastload.checkpoint.writer_process import NoWriterError, WriterDiedError, WriterProcess
from fastload.errors import CheckpointDamagedError


class Publisher:
    """Writes checkpoints, keeps the names "last" and "best" up to date, removes what may go.

    In this order, so that nothing is removed before what is newer is on the disk.
    """

    def __init__(
        self,
        folder: Path,
        retention: Retention,
        *,
        last: Path | None,
        best: Path | None,
        aliases: AliasKind,
        process: WriterProcess | None,
        ops: FileOps,
    ) -> None:
        self._folder = folder
        self._retention = retention
        self._last = last
        self._best = best
        self._aliases: AliasKind = aliases
        self._process = process
        self._ops = ops
        found, _ = read_folder(folder)
        self._checkpoints = {checkpoint.path: checkpoint for checkpoint in found}
        self._sequence = max((checkpoint.record.sequence for checkpoint in found), default=0)

    def next_sequence(self) -> int:
        """The number of the next save into this folder."""
        self._sequence += 1
        return self._sequence

    def publish(
        self,
        path: Path,
        finish: Finish,
        info: Mapping[str, Any],
        arena: Arena,
        free: Callable[[], None],
    ) -> None:
        """All of it for one save; calls ``free`` once the arena is not read any more.

        Raises:
            CheckpointError: the checkpoint, or one of its names, is not there.
        """
        try:
            arena.wait()
            plan = finish(info)
            if not self._write_there(plan, arena, path):
                write_file(plan.resolve(arena.buffer), path, self._ops)
        except OSError as error:
            raise explain(error, path) from error
        free()
        record = Record(info["step"], info["sequence"], info["metrics"], info["saved_at"], ())
        self._checkpoints[path] = Checkpoint(path, record)
        try:
            self._set_aliases(path)
        except OSError as error:
            raise explain(error, path, "a further name of the checkpoint") from error
        self._forget(path)
        self._remove_superfluous()

    def close(self) -> None:
        """End the writing process, if there is one."""
        if self._process is not None:
            self._process.close()

    def _write_there(self, plan: FilePlan, arena: Arena, path: Path) -> bool:
        """In the writing process; False where there is none."""
        if self._process is None:
            return False
        try:
            self._process.write(plan, arena, path)
            return True
        except NoWriterError:
            return False
        except WriterDiedError:
            with contextlib.suppress(OSError):
                remove_leftovers(self._folder, self._ops, path.name)
            raise

    def _set_aliases(self, path: Path) -> None:
        changed = False
        best = self._retention.best(self._checkpoints.values())
        # A run that was killed may have left the name behind the checkpoint, so it is asked.
        if (
            self._best is not None
            and best is not None
            and _sequence_of(self._best) != best.record.sequence
        ):
            set_alias(best.path, self._best, self._aliases, self._ops)
            changed = True
        if self._last is not None:
            set_alias(path, self._last, self._aliases, self._ops)
            changed = True
        if changed:
            self._ops.sync_folder(self._folder)

    def _forget(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # who took the file away had a reason
            descriptor = self._ops.open(path)
            try:
                self._ops.forget(descriptor)
            finally:
                self._ops.close(descriptor)

    def _remove_superfluous(self) -> None:
        for checkpoint in self._retention.superfluous(self._checkpoints.values()):
            try:
                with contextlib.suppress(FileNotFoundError):
                    self._ops.unlink(checkpoint.path)
            except OSError as error:  # the next save tries again
                raise explain(error, checkpoint.path, "the removal of") from error
            del self._checkpoints[checkpoint.path]


def _sequence_of(path: Path) -> int | None:
    try:
        return read_record(path).sequence
    except (CheckpointDamagedError, OSError):  # not there, or rewritten by its owner
        return None
