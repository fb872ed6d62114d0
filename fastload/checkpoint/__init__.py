"""Checkpoints: saved in the background, whole or not at all, checked when loaded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastload.checkpoint.atomic_save import save
    from fastload.checkpoint.checkpointer import AsyncCheckpointer
    from fastload.checkpoint.distributed import DistributedCheckpointer
    from fastload.checkpoint.folder import SkippedCheckpoint
    from fastload.checkpoint.handle import SaveHandle
    from fastload.checkpoint.load import LoadedCheckpoint, load_checkpoint, load_latest
    from fastload.checkpoint.random_state import capture_random_state, restore_random_state
    from fastload.checkpoint.training_state import gather_state, restore_state

__all__ = [
    "AsyncCheckpointer",
    "DistributedCheckpointer",
    "LoadedCheckpoint",
    "SaveHandle",
    "SkippedCheckpoint",
    "capture_random_state",
    "gather_state",
    "load_checkpoint",
    "load_latest",
    "restore_random_state",
    "restore_state",
    "save",
]

#: Where each name lives. Resolved late: the writing process imports its modules without torch.
_HOMES = {
    "AsyncCheckpointer": "checkpointer",
    "DistributedCheckpointer": "distributed",
    "LoadedCheckpoint": "load",
    "SaveHandle": "handle",
    "SkippedCheckpoint": "folder",
    "capture_random_state": "random_state",
    "gather_state": "training_state",
    "load_checkpoint": "load",
    "load_latest": "load",
    "restore_random_state": "random_state",
    "restore_state": "training_state",
    "save": "atomic_save",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
