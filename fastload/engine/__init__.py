"""The Python face of the native engine: what it reads, who runs it, and the lane for Pillow."""

from __future__ import annotations

from fastload.engine.owner import EngineOwner
from fastload.engine.pictures import FilePictures, Pictures, StorePictures
from fastload.engine.rows import NotLowerable, Rows, rows_of, sampled_rows

__all__ = [
    "EngineOwner",
    "FilePictures",
    "NotLowerable",
    "Pictures",
    "Rows",
    "StorePictures",
    "rows_of",
    "sampled_rows",
]
