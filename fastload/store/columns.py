"""Columns: one NumPy array for one fact about every sample."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PHOTO_COLUMNS", "ColumnSpec"]


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
