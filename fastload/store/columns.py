"""Columns: one NumPy array for one fact about every sample, as a blob in the file.

Prefix of a blob (little-endian; docs/format.md)::

     0 4s  magic "FLCO"        8 u64 rows               32 u64 data_xxh3
     4 u8  version = 1        16 u32 item_shape[0]      40 u64 prefix_xxh3 =
     5 u8  dtype code         20 u32 item_shape[1]         XXH3_64(name + bytes 0..39)
     6 u8  item axes, 0..2    24 u64 data bytes         48 data, then zeros up to the least
     7 u8  zero                                            size that gets pages of its own
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastload.errors import StoreFormatError
from fastload.native import _core
from fastload.store.lmdb_page import PAGE_HEADER_BYTES

__all__ = [
    "FILE_OFFSET",
    "LENGTH",
    "MAX_COLUMN_BYTES",
    "PHOTO_COLUMNS",
    "PREFIX_BYTES",
    "ColumnPrefix",
    "ColumnSpec",
    "encode_column",
    "parse_prefix",
]

PREFIX_BYTES = 48
#: LMDB keeps a value's size in 32 bits; a good deal below that.
MAX_COLUMN_BYTES = 0xF000_0000

_MAGIC = b"FLCO"
_VERSION = 1
_PREFIX = struct.Struct("<4sBBBBQIIQQ")  # bytes 0..39
_HASH = struct.Struct("<Q")
#: Codes are part of the format: only ever add to the end.
_DTYPES = {
    code: np.dtype(name)
    for code, name in enumerate(
        ("<u1", "<i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"), start=1
    )
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_NAME = re.compile(r"[A-Za-z0-9_.]{1,200}", re.ASCII)


def _code(dtype: DTypeLike) -> int:
    little = np.dtype(dtype).newbyteorder("<")
    if little not in _CODES:
        raise ValueError(
            f"dtype: expected an integer or float of at most 8 bytes, found {np.dtype(dtype)}"
        )
    return _CODES[little]


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """The name and type of a column that a store holds for every sample.

    Attributes:
        name: ASCII letters, digits, "_" and "."; what ``Store.column`` takes.
        dtype: a NumPy name: "uint8", "int32", "float32", ... ; kept little-endian.
        item_shape: shape of one sample's value: () or (16,) or (2, 3); at most two axes.
    """

    name: str
    dtype: str
    item_shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f'column name: expected ASCII letters, digits, "_" and ".", found {self.name!r}'
            )
        _code(self.dtype)
        if len(self.item_shape) > 2 or not all(0 < axis < 1 << 32 for axis in self.item_shape):
            raise ValueError(f"column {self.name}: expected 0..2 axes, found {self.item_shape}")

    @property
    def item_bytes(self) -> int:
        """Bytes of one sample's value."""
        return np.dtype(self.dtype).itemsize * math.prod(self.item_shape)


#: Where each record stands in the file: written when the store is published.
FILE_OFFSET = ColumnSpec("file_offset", "uint64")
#: How many bytes it has: gathered while the store is packed.
LENGTH = ColumnSpec("length", "uint64")

#: What every store of photos holds beside ``file_offset``, ``length`` and the names.
PHOTO_COLUMNS: tuple[ColumnSpec, ...] = (
    ColumnSpec("class_id", "int32"),
    ColumnSpec("split", "uint8"),
    ColumnSpec("height", "uint32"),
    ColumnSpec("width", "uint32"),
    ColumnSpec("orientation", "uint8"),
    ColumnSpec("codec", "uint8"),
    ColumnSpec("format", "uint8"),
    ColumnSpec("source_size", "uint64"),
    ColumnSpec("source_mtime_ns", "int64"),
    ColumnSpec("source_mode", "uint32"),
    ColumnSpec("content_hash", "uint8", (16,)),
    ColumnSpec("warnings", "uint32"),
)


@dataclass(frozen=True, slots=True)
class ColumnPrefix:
    """What a blob's first 48 bytes say of its data.

    Attributes:
        dtype: little-endian.
        shape: [rows, *item_shape].
        data_bytes: bytes of data; the product of shape and item size.
        data_hash: XXH3_64 of the data.
    """

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    data_bytes: int
    data_hash: int


def encode_column(name: str, values: NDArray[np.generic], page_bytes: int) -> bytearray:
    """The blob of a column.

    Args:
        name: the column's name, part of the prefix's checksum.
        values: [rows, *item_shape].
        page_bytes: of the file; a blob is at least as long, so that LMDB gives it pages of its
            own, where the data starts on a multiple of 64 bytes.
    """
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    blob = bytearray(max(PREFIX_BYTES + little.nbytes, page_bytes - PAGE_HEADER_BYTES))
    data = memoryview(blob)[PREFIX_BYTES : PREFIX_BYTES + little.nbytes]
    np.frombuffer(data, np.uint8)[:] = little.reshape(-1).view(np.uint8)
    item_shape = little.shape[1:]
    axes = (*item_shape, 0, 0)[:2]
    _PREFIX.pack_into(
        blob,
        0,
        _MAGIC,
        _VERSION,
        _code(little.dtype),
        len(item_shape),
        0,
        len(little),
        *axes,
        little.nbytes,
        _core.xxh3_64(data),
    )
    _HASH.pack_into(blob, _PREFIX.size, _prefix_hash(name, blob))
    return blob


def parse_prefix(name: str, blob: bytes, blob_bytes: int) -> ColumnPrefix:
    """Check a blob's prefix.

    Args:
        name: the column's name.
        blob: its first 48 bytes, or more.
        blob_bytes: size of the whole blob.

    Raises:
        StoreFormatError: another column's, damaged, or of another version.
    """
    if len(blob) < PREFIX_BYTES or blob[:4] != _MAGIC:
        raise StoreFormatError(f"column {name}: expected the magic {_MAGIC!r}: {blob[:4]!r}")
    _magic, version, code, axes, zero, rows, axis_0, axis_1, data_bytes, data_hash = (
        _PREFIX.unpack_from(blob)
    )
    if version != _VERSION:
        raise StoreFormatError(f"column {name}: expected version {_VERSION}, found {version}")
    (expected,) = _HASH.unpack_from(blob, _PREFIX.size)
    found = _prefix_hash(name, blob)
    if found != expected:
        raise StoreFormatError(
            f"column {name}: expected the prefix's checksum {expected:016x}, found {found:016x}"
        )
    if code not in _DTYPES or axes > 2 or zero:
        raise StoreFormatError(f"column {name}: unknown type {code} with {axes} axes")
    dtype = _DTYPES[code]
    item_shape = (axis_0, axis_1)[:axes]
    expected_bytes = rows * dtype.itemsize
    for axis in item_shape:
        expected_bytes *= axis
    if data_bytes != expected_bytes or PREFIX_BYTES + data_bytes > blob_bytes:
        raise StoreFormatError(
            f"column {name}: expected {expected_bytes} bytes for {rows} rows of {item_shape} "
            f"{dtype}, found {data_bytes} in a value of {blob_bytes}"
        )
    return ColumnPrefix(dtype, (rows, *item_shape), data_bytes, data_hash)


def _prefix_hash(name: str, blob: bytes | bytearray) -> int:
    return _core.xxh3_64(name.encode("ascii") + blob[: _PREFIX.size])
