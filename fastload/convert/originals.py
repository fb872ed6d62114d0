"""Originals: what a store knows of files that it holds something else in the place of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastload.store import ColumnSpec, CommittedSamples, Store

__all__ = ["Original", "original_columns", "original_name", "reduced_photos"]

_COLUMNS = {
    "source_size": ColumnSpec("original_size", "uint64"),
    "content_hash": ColumnSpec("original_hash", "uint8", (16,)),
    "height": ColumnSpec("original_height", "uint32"),
    "width": ColumnSpec("original_width", "uint32"),
}


@dataclass(frozen=True, slots=True)
class Original:
    """A file of the source.

    Attributes:
        size_bytes: of the file.
        content_hash: its XXH3-128, 16 bytes.
        height: rows.
        width: columns.
    """

    size_bytes: int
    content_hash: bytes
    height: int
    width: int

    def columns(self) -> dict[str, object]:
        """Its values in `original_columns`."""
        return {
            "original_size": self.size_bytes,
            "original_hash": self.content_hash,
            "original_height": self.height,
            "original_width": self.width,
        }


def original_columns(options: Mapping[str, object]) -> tuple[ColumnSpec, ...]:
    """The further columns of a store that was packed with these options: none where files keep
    their bytes.
    """
    keeps_files = not options.get("max_side") and options.get("format", "original") == "original"
    return () if keeps_files else tuple(_COLUMNS.values())


def original_name(name: str, columns: Collection[str]) -> str:
    """Which of a store's columns says of the source's file what ``name`` says of the record's.

    Args:
        name: source_size, content_hash, height or width.
        columns: the names of all that the store has.
    """
    original = _COLUMNS[name].name
    return original if original in columns else name


def reduced_photos(store: Store | CommittedSamples) -> NDArray[np.bool_]:
    """Which samples have another size than in the source, and so are encoded anew; bool [N]."""
    different = np.zeros(len(store), np.bool_)
    for name in ("height", "width"):
        original = store.column(original_name(name, store.column_names))
        different |= store.column(name) != original
    return different
