"""Getting a state back: the newest checkpoint that is whole."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastload.checkpoint.folder import SkippedCheckpoint, read_folder
from fastload.checkpoint.record import Record
from fastload.checkpoint.trusted_load import load_pickle
from fastload.checkpoint.verify import verify_file
from fastload.errors import CheckpointDamagedError, CheckpointError


@dataclass(frozen=True, slots=True)
class LoadedCheckpoint:
    """A state and where it came from.

    Attributes:
        state: what was given to ``save``.
        step: likewise.
        metrics: likewise.
        path: its file.
        skipped: newer checkpoints that are incomplete or damaged, with the reason; say so to the
            user, since training goes on from an earlier step than it reached.
    """

    state: Any
    step: int
    metrics: dict[str, float]
    path: Path
    skipped: list[SkippedCheckpoint] = field(default_factory=list)


def load_latest(
    folder: str | os.PathLike[str],
    *,
    map_location: Any = None,
    weights_only: bool = True,
) -> LoadedCheckpoint | None:
    """Load the checkpoint that was saved last into a folder, and is whole.

    Every byte is compared with its checksum before anything is made of it.

    Args:
        folder: an ``AsyncCheckpointer``'s.
        map_location: as for ``torch.load``.
        weights_only: as for ``torch.load``. False lets the file run code; for folders that nobody
            else can write to.

    Returns:
        None where the folder is missing or holds no checkpoint.

    Raises:
        CheckpointDamagedError: it holds some, and none is whole.
        CheckpointError: one is whole, but holds objects that ``weights_only`` does not allow.
    """
    return load_newest(Path(folder), map_location, weights_only)


def load_newest(folder: Path, map_location: Any, weights_only: bool) -> LoadedCheckpoint | None:
    """``load_latest``, with nothing by default."""
    try:
        found, skipped = read_folder(folder)
    except FileNotFoundError:
        return None
    for checkpoint in found:
        try:
            record = verify_file(checkpoint.path)
            state = _load(checkpoint.path, map_location, weights_only)
        except FileNotFoundError:
            continue  # the retention of a run that goes on
        except (CheckpointDamagedError, OSError) as error:
            skipped.append(SkippedCheckpoint(checkpoint.path, str(error)))
            continue
        return _loaded(state, record, checkpoint.path, skipped)
    if skipped:
        reasons = "; ".join(f"{skip.path.name}: {skip.reason}" for skip in skipped)
        raise CheckpointDamagedError(
            f"{folder} holds {len(skipped)} checkpoints, and none is whole: {reasons}. Restore one "
            "from a backup, or start anew in another folder."
        )
    return None


def load_checkpoint(
    path: str | os.PathLike[str], *, map_location: Any = None, weights_only: bool = True
) -> LoadedCheckpoint:
    """Load one checkpoint by its path, after comparing every byte with its checksum.

    Raises:
        CheckpointDamagedError: it is not whole, or not by fastload.
        CheckpointError: it holds objects that ``weights_only`` does not allow.
        OSError: it cannot be read.
    """
    path = Path(path)
    try:
        record = verify_file(path)
    except CheckpointDamagedError as error:
        raise CheckpointDamagedError(f"{path}: {error}") from error
    return _loaded(_load(path, map_location, weights_only), record, path, [])


def _loaded(
    state: Any, record: Record, path: Path, skipped: list[SkippedCheckpoint]
) -> LoadedCheckpoint:
    return LoadedCheckpoint(state, record.step, dict(record.metrics), path, skipped)


def _load(path: Path, map_location: Any, weights_only: bool) -> Any:
    if path.suffix == ".safetensors":
        from fastload.checkpoint.safetensors_library import load_tensors

        return load_tensors(path, map_location)
    try:
        return load_pickle(path, map_location, weights_only)
    except OSError:
        raise
    except Exception as error:  # the file is whole, so an older one would fail alike
        remedy = ""
        if weights_only:
            remedy = (
                " If nobody else can write to that folder, pass weights_only=False; or save plain "
                "tensors, numbers and text only."
            )
        raise CheckpointError(
            f"{path} is whole, but cannot be loaded: {type(error).__name__}: {error}{remedy}"
        ) from error
