"""Whether the files that hold many photos each are as they were."""

from __future__ import annotations

from collections.abc import Iterable

from fastload import _core

__all__ = ["container_state"]


def container_state(files: Iterable[tuple[str, tuple[int, int]]]) -> str:
    """A hash over the names, sizes (bytes) and times (ns) of files."""
    rows = (f"{name}\0{size}\0{mtime_ns}" for name, (size, mtime_ns) in files)
    return _core.xxh3_128("\n".join(rows).encode("utf-8", "surrogateescape")).hex()
