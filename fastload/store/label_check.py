"""Whether the label columns of a store that may be hostile fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.store.annotation_header import AnnotationHeader
from fastload.store.annotation_tables import FILE_BYTES, annotation_tables, sample_columns
from fastload.store.columns import ColumnPrefix, ColumnSpec
from fastload.store.labels import LabelState

__all__ = ["LabelCheck"]

#: Values are looked at in pieces of so many items, so that looking takes no memory to speak of.
_PIECE = 1 << 20
_TRUTHS = {"label_upright", "objects.crowd", "objects.difficult", "objects.truncated"}
_TRUTHS |= {"objects.occluded"}


class LabelCheck:
    """The rules for the label columns of one store.

    Args:
        header: what the store says of its labels.
        sample_count: of the store.

    Attributes:
        names: of all label columns.
    """

    def __init__(self, header: AnnotationHeader, sample_count: int) -> None:
        self._count = sample_count
        self._tables = annotation_tables(header)
        self._file_bytes = sum(file.stored_size for file in header.files)
        specs: list[ColumnSpec] = [*sample_columns(header), FILE_BYTES]
        for table in self._tables:
            specs += [ColumnSpec(table.offsets, "uint64"), *table.columns]
        self._specs = {spec.name: spec for spec in specs}
        self.names = frozenset(self._specs)

    def shapes(self, prefixes: Mapping[str, ColumnPrefix]) -> str | None:
        """What is wrong with the columns' types and rows, or None; reads no column."""
        missing = self.names - set(prefixes)
        if missing:
            return f"expected the label columns {sorted(missing)}"
        rows: dict[str | None, int] = {None: self._count}
        for table in self._tables:
            if table.columns:
                rows[table.name] = prefixes[table.columns[0].name].shape[0]
            else:  # divided further by the table of that name's parts
                part = next(t for t in self._tables if t.parent == table.name)
                rows[table.name] = prefixes[part.offsets].shape[0] - 1
        expected = dict.fromkeys(self._specs, self._count) | {FILE_BYTES.name: self._file_bytes}
        for table in self._tables:
            expected[table.offsets] = rows[table.parent] + 1
            expected |= {spec.name: rows[table.name] for spec in table.columns}
        for name, spec in self._specs.items():
            shape = (expected[name], *spec.item_shape)
            found = prefixes[name]
            if found.dtype != np.dtype(spec.dtype) or found.shape != shape:
                return (
                    f"column {name}: expected {spec.dtype} {list(shape)}, "
                    f"found {found.dtype} {list(found.shape)}"
                )
        self._rows = rows
        return None

    def values(self, name: str, values: NDArray[Any]) -> str | None:
        """What is wrong with the values of a label column, or None; after ``shapes``."""
        for table in self._tables:
            if name == table.offsets:
                return self._offsets(name, values, self._rows[table.name])
        flat = values.reshape(-1)
        for first in range(0, len(flat), _PIECE):
            wrong = _wrong(name, flat[first : first + _PIECE])
            if wrong:
                return f"column {name}: {wrong}"
        return None

    def _offsets(self, name: str, offsets: NDArray[np.uint64], rows: int) -> str | None:
        ascending = int(offsets[0]) == 0 and int(offsets[-1]) == rows
        for first in range(0, len(offsets) - 1, _PIECE):
            piece = offsets[first : first + _PIECE + 1]
            ascending = ascending and bool(np.all(piece[1:] >= piece[:-1]))
        return None if ascending else f"column {name}: expected offsets that ascend to {rows}"


def _wrong(name: str, piece: NDArray[Any]) -> str | None:
    if piece.dtype.kind == "f":
        return None if np.isfinite(piece).all() else "expected finite numbers"
    most = {"label_state": int(max(LabelState))}.get(name, 1 if name in _TRUTHS else None)
    if most is not None and piece.max() > most:
        return f"expected 0..{most}, found {piece.max()}"
    if name == "objects.class_id" and piece.min() < 0:
        return f"expected 0 or more, found {piece.min()}"
    return None
