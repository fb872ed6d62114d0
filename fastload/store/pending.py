"""Columns while packing: a chunk a column and commit, joined at publishing.

The pages of chunks stay in the file, unused, when they are deleted at publishing. So chunks are
compressed: labels, most of what there is beside photos, to a tenth.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.store.catalog import PENDING
from fastload.store.columns import MAX_COLUMN_BYTES, ColumnSpec
from fastload.store.header import SEAL_BYTES, seal, unseal
from fastload.store.lmdb_file import Extent, LmdbFile
from fastload.store.lmdb_walk import items

__all__ = ["NAME_COLUMNS", "PROBLEMS_CHUNKS", "PendingChunks", "chunk_key", "encode_chunk"]

#: Names wait as sizes, and become offsets when all are known.
NAME_COLUMNS: tuple[ColumnSpec, ...] = (
    ColumnSpec("names.sizes", "uint32"),
    ColumnSpec("names.bytes", "uint8"),
)
#: "!" cannot stand in a column's name.
PROBLEMS_CHUNKS = "!problems"


#: At the end of a key: the chunk is compressed.
_COMPRESSED = b"z"
_SIZE = struct.Struct("<Q")


def chunk_key(name: str, transaction: int) -> bytes:
    """Sorts by column, then in the order of commits."""
    return f"{name}/{transaction:016x}".encode("ascii") + _COMPRESSED


def encode_chunk(data: bytes) -> bytes:
    """The value that keeps ``data`` under ``chunk_key``."""
    return seal(_SIZE.pack(len(data)) + zlib.compress(data, 1))


def _decode_chunk(key: bytes, value: bytes) -> bytes:
    where = f"half-packed store, chunk {key.decode()}"
    data = unseal(value, where)
    if not key.endswith(_COMPRESSED):
        return data
    try:
        (size,) = _SIZE.unpack_from(data)
        inflater = zlib.decompressobj()
        plain = inflater.decompress(data[_SIZE.size :], min(size, MAX_COLUMN_BYTES) + 1)
        if inflater.eof and len(plain) == size:
            return plain
    except (struct.error, zlib.error):
        pass
    raise StoreFormatError(f"{where}: damaged compressed data")


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
            yield key, _decode_chunk(key, self.file.read(extent))

    def sizes(self) -> dict[str, int]:
        """Bytes of data that wait for each column."""
        found: dict[str, int] = {}
        tree = self.file.tree(PENDING)
        for key, extent in items(self.file, tree) if tree is not None else ():
            name = key.rpartition(b"/")[0].decode("ascii", "backslashreplace")
            size = max(0, extent.length - SEAL_BYTES)
            if key.endswith(_COMPRESSED) and size >= _SIZE.size:
                start = extent.offset + SEAL_BYTES
                (size,) = _SIZE.unpack(self.file.read(Extent(start, _SIZE.size)))
            found[name] = found.get(name, 0) + size
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
