"""Sharded checkpoints on the disk: a folder each, under its name only while it is complete.

``step-000001000``        complete: all shards, torch's ``.metadata``, fastload's record
``.step-….fastload-dcp``  being written; locked by rank 0, else left behind
``.step-….replaced``      complete, until another of its step has its name; else put back
``.step-….removed``       on its way out
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from pathlib import Path
from typing import Any

from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.folder import Checkpoint, Retention
from fastload.checkpoint.record import RECORD_NAME, Record, decode_record, encode_record
from fastload.errors import CheckpointDamagedError

_NAME = re.compile(r"step-(\d{9,})")
_WRITTEN, _REPLACED, _REMOVED = ".fastload-dcp", ".replaced", ".removed"
_ASIDE = re.compile(r"\.(step-\d{9,})(\.fastload-dcp|\.replaced|\.removed)")


class ShardedFolder:
    """Names, publishes and removes checkpoints; used by rank 0, and by others to look."""

    def __init__(self, folder: Path, retention: Retention) -> None:
        self.folder = folder
        self._retention = retention
        self._ops = FileOps()

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step stands."""
        return self.folder / f"step-{step:09d}"

    def temporary(self, step: int) -> Path:
        """Where it is written."""
        return self._aside(self.path(step), _WRITTEN)

    def checkpoints(self) -> list[Checkpoint]:
        """The complete ones, newest first."""
        found = []
        for name in os.listdir(self.folder):
            match = _NAME.fullmatch(name)
            if match and (self.folder / name).is_dir():
                found.append(Checkpoint(self.folder / name, self._record(name, int(match[1]))))
        return sorted(found, key=lambda checkpoint: checkpoint.order, reverse=True)

    def begin(self, step: int) -> int:
        """An empty, locked folder to write into: a descriptor for ``end``; -1 where there is none.

        No error here: the other ranks are told by torch, when writing there fails.
        """
        path = self.temporary(step)
        with contextlib.suppress(OSError):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(exist_ok=True)  # other ranks make it, too
            descriptor = self._ops.open(path)
            self._ops.lock(descriptor)
            return descriptor
        return -1

    def end(self, step: int, descriptor: int) -> None:
        """Give back what ``begin`` gave; what was not published goes."""
        shutil.rmtree(self.temporary(step), ignore_errors=True)
        if descriptor >= 0:
            self._ops.close(descriptor)

    def publish(self, step: int, info: dict[str, Any]) -> None:
        """Give a written checkpoint its name, and remove those that may go.

        Raises:
            OSError: it is not under its name, or something superfluous could not be removed.
        """
        written, path = self.temporary(step), self.path(step)
        descriptor = self._ops.create(written / RECORD_NAME)
        try:
            self._ops.write(descriptor, encode_record(info, ()))
            self._ops.sync(descriptor)
        finally:
            self._ops.close(descriptor)
        self._ops.sync_folder(written)
        replaced = self._aside(path, _REPLACED)
        if path.exists():  # a folder cannot be replaced in one step
            self._ops.rename(path, replaced)
        self._ops.rename(written, path)
        self._ops.sync_folder(self.folder)
        if replaced.exists():
            self._remove(replaced, path)
        for checkpoint in self._retention.superfluous(self.checkpoints()):
            self._remove(checkpoint.path, checkpoint.path)

    def clear(self) -> None:
        """Remove what killed runs left behind.

        Raises:
            OSError: a complete checkpoint could not be put back.
        """
        for name in os.listdir(self.folder):
            match = _ASIDE.fullmatch(name)
            if match is None:
                continue
            aside, path = self.folder / name, self.folder / match[1]
            if match[2] == _REPLACED and not path.exists():
                self._ops.rename(aside, path)
            elif match[2] != _WRITTEN or self._is_abandoned(aside):
                shutil.rmtree(aside, ignore_errors=True)

    def _aside(self, path: Path, ending: str) -> Path:
        return path.with_name(f".{path.name}{ending}")

    def _remove(self, found: Path, path: Path) -> None:
        # Renamed first: what has its name is complete, also when this is killed half-way.
        removed = self._aside(path, _REMOVED)
        shutil.rmtree(removed, ignore_errors=True)
        self._ops.rename(found, removed)
        shutil.rmtree(removed, ignore_errors=True)

    def _record(self, name: str, step: int) -> Record:
        with contextlib.suppress(OSError, CheckpointDamagedError):
            return decode_record((self.folder / name / RECORD_NAME).read_bytes())
        return Record(step, 0, {}, "", ())  # of torch alone

    def _is_abandoned(self, path: Path) -> bool:
        try:
            descriptor = self._ops.open(path)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            self._ops.close(descriptor)
        return True
