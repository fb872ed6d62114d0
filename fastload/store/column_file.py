"""A column of a published store, mapped from the file when it is first asked for."""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.native import _core
from fastload.store.columns import PREFIX_BYTES, ColumnPrefix, parse_prefix
from fastload.store.lmdb_file import Extent, LmdbFile

__all__ = ["ColumnFile"]


class ColumnFile:
    """Where a column stands, and what its prefix says.

    Only the column's own pages are mapped, not the whole file, so that a store larger than the
    address space a process may use (RLIMIT_AS) can be read.
    """

    def __init__(self, name: str, file: LmdbFile, extent: Extent, where: str) -> None:
        self.name = name
        self._where = where
        self._extent = extent
        prefix = file.read(Extent(extent.offset, min(extent.length, PREFIX_BYTES)))
        try:
            self.prefix: ColumnPrefix = parse_prefix(name, prefix, extent.length)
        except StoreFormatError as error:
            raise StoreFormatError(f"{where}: {error}") from error

    @property
    def rows(self) -> int:
        return self.prefix.shape[0]

    def load(self, descriptor: int) -> NDArray[Any]:
        """A read-only view of the file, whose checksum was compared; it keeps its mapping alive.

        Raises:
            StoreFormatError: damaged, or the file was cut short.
        """
        prefix = self.prefix
        if not prefix.data_bytes:
            return np.empty(prefix.shape, prefix.dtype)
        start = self._extent.offset + PREFIX_BYTES
        # A mapping behind the file's end would kill the process when it is touched.
        file_bytes = os.fstat(descriptor).st_size
        if start + prefix.data_bytes > file_bytes:
            raise StoreFormatError(
                f"{self._where}: expected column {self.name} at {start}, found the file cut short "
                f"to {file_bytes} bytes"
            )
        aligned = start - start % mmap.ALLOCATIONGRANULARITY
        mapping = mmap.mmap(
            descriptor,
            start - aligned + prefix.data_bytes,
            access=mmap.ACCESS_READ,
            offset=aligned,
        )
        data = memoryview(mapping)[start - aligned :]
        found = _core.xxh3_64(data)
        if found != prefix.data_hash:
            raise StoreFormatError(
                f"{self._where}: expected the checksum {prefix.data_hash:016x} of column "
                f"{self.name}, found {found:016x}: the file is damaged, copy or pack it again"
            )
        return np.frombuffer(data, prefix.dtype).reshape(prefix.shape)
