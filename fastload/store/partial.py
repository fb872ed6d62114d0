"""The partial file: where a store grows until it is published under its own name."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["partial_path"]


def partial_path(path: str | os.PathLike[str]) -> Path:
    """``OUT.lmdb.partial`` for ``OUT.lmdb``."""
    return Path(os.fspath(path) + ".partial")
