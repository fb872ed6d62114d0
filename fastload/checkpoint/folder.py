"""The checkpoints in a folder: their names, their order, and which ones stay."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastload.checkpoint.record import Record
from fastload.checkpoint.verify import read_record
from fastload.errors import CheckpointDamagedError

_STEP_NAME = re.compile(r"step-(\d{9,})(\.pt|\.safetensors)")
Mode = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One that stands in the folder, by its own account."""

    path: Path
    record: Record

    @property
    def order(self) -> tuple[int, int]:
        """Higher is newer."""
        return self.record.sequence, self.record.step


@dataclass(frozen=True, slots=True)
class SkippedCheckpoint:
    """One that cannot be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Retention:
    """Which checkpoints stay; the newest always does.

    Attributes:
        last: this many of the newest; None: all.
        every: those whose step is a multiple of it; 0: none for that.
        metric: the best by this metric stays; "": none for that.
        mode: whether a low or a high value is the best.
    """

    last: int | None = None
    every: int = 0
    metric: str = ""
    mode: Mode = "max"

    def best(self, checkpoints: Iterable[Checkpoint]) -> Checkpoint | None:
        """The first of those with the best value; None where none has one (NaN is none)."""
        found: Checkpoint | None = None
        best = math.nan
        for checkpoint in sorted(checkpoints, key=lambda checkpoint: checkpoint.order):
            value = checkpoint.record.metrics.get(self.metric, math.nan)
            if math.isnan(value):
                continue
            if found is None or (value > best if self.mode == "max" else value < best):
                found, best = checkpoint, value
        return found

    def superfluous(self, checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
        """Those that may go, oldest first."""
        ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.order)
        if self.last is None or not ordered:
            return []
        best = self.best(ordered) if self.metric else None
        return [
            checkpoint
            for checkpoint in ordered[: -max(1, self.last)]
            if checkpoint is not best
            and not (self.every and checkpoint.record.step % self.every == 0)
        ]


def step_path(folder: Path, step: int, suffix: str) -> Path:
    """Where the checkpoint of a step stands."""
    return folder / f"step-{step:09d}{suffix}"


def is_step_name(name: str) -> bool:
    """Whether a file's name is one that ``step_path`` gives."""
    return _STEP_NAME.fullmatch(name) is not None


def read_folder(folder: Path) -> tuple[list[Checkpoint], list[SkippedCheckpoint]]:
    """Newest first; damage is found only where a file's own record shows it.

    Raises:
        OSError: the folder cannot be read.
    """
    found: list[Checkpoint] = []
    skipped: list[SkippedCheckpoint] = []
    for name in sorted(os.listdir(folder), reverse=True):
        if not is_step_name(name):
            continue
        path = folder / name
        try:
            found.append(Checkpoint(path, read_record(path)))
        except FileNotFoundError:
            continue  # someone's retention was quicker
        except (CheckpointDamagedError, OSError) as error:
            skipped.append(SkippedCheckpoint(path, str(error)))
    found.sort(key=lambda checkpoint: checkpoint.order, reverse=True)
    return found, skipped
