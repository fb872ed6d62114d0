"""fastload: photos packed into one LMDB file, and a DataLoader that reads them from there.

Every public name is resolved at its first use, so that ``import fastload`` costs nothing, starts
nothing, and a program that only packs never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastload.background import BackgroundJob, BackgroundWorker, CocoMeanAP
    from fastload.checkpoint import (
        AsyncCheckpointer,
        DistributedCheckpointer,
        LoadedCheckpoint,
        SaveHandle,
        load_latest,
        save,
    )
    from fastload.dataset import LMDBDataset
    from fastload.detection import collate_detection
    from fastload.errors import (
        BuildError,
        CheckpointDamagedError,
        CheckpointError,
        CheckpointSkippedError,
        DecodeError,
        FastloadError,
        LimitError,
        MissingLibraryError,
        NoSpaceError,
        NotTileableError,
        PackError,
        RecordError,
        ResumeError,
        SourceError,
        StoreClosedError,
        StoreError,
        StoreFormatError,
        UnsupportedPictureError,
    )
    from fastload.loader import DataLoader
    from fastload.overlap import Overlap, overlap_validation
    from fastload.policy import ValidationPolicy
    from fastload.sampler import ShardShuffle
    from fastload.second_step import SecondStep
    from fastload.store import Store, StoreWriter
    from fastload.subset import stratified_subset

    __version__: str

__all__ = [
    "AsyncCheckpointer",
    "BackgroundJob",
    "BackgroundWorker",
    "BuildError",
    "CheckpointDamagedError",
    "CheckpointError",
    "CheckpointSkippedError",
    "CocoMeanAP",
    "DataLoader",
    "DecodeError",
    "DistributedCheckpointer",
    "FastloadError",
    "LMDBDataset",
    "LimitError",
    "LoadedCheckpoint",
    "MissingLibraryError",
    "NoSpaceError",
    "NotTileableError",
    "Overlap",
    "PackError",
    "RecordError",
    "ResumeError",
    "SaveHandle",
    "SecondStep",
    "ShardShuffle",
    "SourceError",
    "Store",
    "StoreClosedError",
    "StoreError",
    "StoreFormatError",
    "StoreWriter",
    "UnsupportedPictureError",
    "ValidationPolicy",
    "__version__",
    "collate_detection",
    "load_latest",
    "overlap_validation",
    "save",
    "stratified_subset",
]

#: Where each public name lives; names that are not listed live in ``fastload.errors``.
_HOMES = {
    "AsyncCheckpointer": "fastload.checkpoint",
    "BackgroundJob": "fastload.background",
    "BackgroundWorker": "fastload.background",
    "CocoMeanAP": "fastload.background",
    "DataLoader": "fastload.loader",
    "DistributedCheckpointer": "fastload.checkpoint",
    "LMDBDataset": "fastload.dataset",
    "LoadedCheckpoint": "fastload.checkpoint",
    "Overlap": "fastload.overlap",
    "SaveHandle": "fastload.checkpoint",
    "SecondStep": "fastload.second_step",
    "ShardShuffle": "fastload.sampler",
    "Store": "fastload.store",
    "StoreWriter": "fastload.store",
    "ValidationPolicy": "fastload.policy",
    "__version__": "fastload.version",
    "_core": "fastload.native",
    "collate_detection": "fastload.detection",
    "load_latest": "fastload.checkpoint",
    "overlap_validation": "fastload.overlap",
    "save": "fastload.checkpoint",
    "stratified_subset": "fastload.subset",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES and name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "fastload.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
