"""Columns while packing: a chunk a column and commit, joined at publishing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.store.catalog import PENDING
from fastload.store.columns import ColumnSpec
from fastload.store.header import SEAL_BYTES, unseal
from fastload.store.lmdb_file import LmdbFile
from fastload.store.lmdb_walk import items

__all__ = ["NAME_COLUMNS", "PROBLEMS_CHUNKS", "PendingChunks", "chunk_key"]

#: Names wait as sizes, and become offsets when all are known.
NAME_COLUMNS: tuple[ColumnSpec, ...] = (
    ColumnSpec("names.sizes", "uint32"),
    ColumnSpec("names.bytes", "uint8"),
)
#: "!" cannot stand in a column's name.
PROBLEMS_CHUNKS = "!problems"


def chunk_key(name: str, transaction: int) -> bytes:
    """Sorts by column, then in the order of commits."""
    return f"{name}/{transaction:016x}".encode("ascii")


@dataclass(frozen=True, slots=True)
class PendingChunks:
    """The chunks of all commits, as the file has them now."""

    file: LmdbFile

    def read(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """``(key, data)`` of a column's chunks, in the order of commits.

        Raises:
            StoreFormatError: a chunk is damaged.
        """
        tree = self.file.tree(PENDING)
        prefix = f"{name}/".encode("ascii")
        for key, extent in items(self.file, tree, prefix) if tree is not None else ():
            data = unseal(self.file.read(extent), f"half-packed store, chunk {key.decode()}")
            yield key, data

    def sizes(self) -> dict[str, int]:
        """Bytes of data that wait for each column."""
        found: dict[str, int] = {}
        tree = self.file.tree(PENDING)
        for key, extent in items(self.file, tree) if tree is not None else ():
            name = key.rpartition(b"/")[0].decode("ascii", "backslashreplace")
            found[name] = found.get(name, 0) + max(0, extent.length - SEAL_BYTES)
        return found

    def column(self, spec: ColumnSpec, rows: int | None) -> tuple[NDArray[np.generic], list[bytes]]:
        """A column's values, [rows, *item_shape], and its chunks' keys.

        Args:
            spec: the column.
            rows: how many there must be; None: any number.
        """
        keys = []
        joined = bytearray()
        for key, data in self.read(spec.name):
            keys.append(key)
            joined += data
        dtype = np.dtype(spec.dtype).newbyteorder("<")
        if len(joined) % spec.item_bytes or rows not in (None, len(joined) // spec.item_bytes):
            raise StoreFormatError(
                f"half-packed store: expected {rows} rows of column {spec.name}, found "
                f"{len(joined) / spec.item_bytes:g}; pack again with --restart"
            )
        return np.frombuffer(joined, dtype).reshape(-1, *spec.item_shape), keys
