"""``Store``: reads a published store."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.records import Record
from fastload.store.header import StoreHeader
from fastload.store.names import Names
from fastload.store.problem import Problem

__all__ = ["Store"]


class Store:
    """A published store, open for reading.

    Reads never go through liblmdb, which trusts what the file says. Safe to use from many threads
    at once, in forked children, and by pickle (which carries the path, and notices another store
    under it). ``len(store)`` is the number of samples.

    Args:
        path: the store's file.

    Raises:
        StoreFormatError: not a store, a half-packed one, a damaged one, or of another version.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        raise NotImplementedError

    path: Path
    header: StoreHeader

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def column_names(self) -> tuple[str, ...]:
        """What ``column`` takes, sorted."""
        raise NotImplementedError

    def column(self, name: str) -> NDArray[Any]:
        """One fact about every sample: a read-only view of the file, [N, *item_shape].

        The column's checksum is compared when it is first asked for.

        Raises:
            KeyError: no such column.
            StoreFormatError: the column is damaged.
            StoreClosedError: after ``close()``.
        """
        raise NotImplementedError

    @property
    def names(self) -> Names:
        """The samples' relative paths (a sequence; no Python object a sample is kept)."""
        raise NotImplementedError

    def find(self, name: str) -> int | None:
        """The index of the sample of that relative path, or None."""
        raise NotImplementedError

    def record_bytes(self, index: int, *, verify: bool | None = None) -> bytes:
        """One record as it stands in the file, checked.

        Args:
            index: 0..N-1 (no negative ones).
            verify: compare the body with its checksum; None: once a record and process.

        Raises:
            IndexError: no such sample.
            RecordError: the record is damaged or missing (has ``index`` and ``name``).
            StoreClosedError: after ``close()``.
        """
        raise NotImplementedError

    def record(self, index: int, *, verify: bool | None = None) -> Record:
        """One record, checked; ``head`` and ``body`` are views. Arguments and errors as above."""
        raise NotImplementedError

    def read_source(self, index: int) -> bytes:
        """The original file's bytes.

        Raises:
            RecordError: damaged, or raw pixels whose source was not kept.
        """
        raise NotImplementedError

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems that packing reported."""
        raise NotImplementedError

    def fileno(self) -> int:
        """The descriptor that the columns ``file_offset`` and ``length`` refer to."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        """Give the file back; columns that were handed out stay valid. Idempotent."""
        raise NotImplementedError

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
