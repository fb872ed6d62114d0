"""fastload: photos packed into one LMDB file, and a DataLoader that reads them from there.

Every public name is resolved at its first use, so that ``import fastload`` costs nothing, starts
nothing, and a program that only packs never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastload.dataset import LMDBDataset
    from fastload.errors import (
        BuildError,
        DecodeError,
        FastloadError,
        LimitError,
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
    from fastload.store import Store, StoreWriter

    __version__: str

__all__ = [
    "BuildError",
    "DataLoader",
    "DecodeError",
    "FastloadError",
    "LMDBDataset",
    "LimitError",
    "NoSpaceError",
    "NotTileableError",
    "PackError",
    "RecordError",
    "ResumeError",
    "SourceError",
    "Store",
    "StoreClosedError",
    "StoreError",
    "StoreFormatError",
    "StoreWriter",
    "UnsupportedPictureError",
    "__version__",
]

#: Where each public name lives; names that are not listed live in ``fastload.errors``.
_HOMES = {
    "DataLoader": "fastload.loader",
    "LMDBDataset": "fastload.dataset",
    "Store": "fastload.store",
    "StoreWriter": "fastload.store",
    "_core": "fastload.native",
    "__version__": "fastload.version",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES and name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "fastload.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
