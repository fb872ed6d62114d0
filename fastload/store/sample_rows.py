"""The values of the samples that wait for a commit: gathered as rows, given back as columns."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fastload.store.columns import ColumnSpec

__all__ = ["SampleRows"]

#: NumPy's own letters mean other sizes to struct.
_STRUCT_CODES = {"u": {1: "B", 2: "H", 4: "I", 8: "Q"}, "i": {1: "b", 2: "h", 4: "i", 8: "q"}}
_STRUCT_CODES["f"] = {2: "e", 4: "f", 8: "d"}


class SampleRows:
    """One row of values a sample.

    One call of struct checks and keeps a whole row; columns are cut from all rows at once.

    Args:
        specs: the columns.
    """

    def __init__(self, specs: Sequence[ColumnSpec]) -> None:
        self._specs = tuple(specs)
        self.names = frozenset(spec.name for spec in specs)
        self._arrays = [(place, spec) for place, spec in enumerate(specs) if spec.item_shape]
        self._row = struct.Struct("<" + "".join(map(_code, specs)))
        self._dtype = np.dtype([(spec.name, f"V{spec.item_bytes}") for spec in specs])
        self._rows = bytearray()

    def encode(self, values: Mapping[str, object]) -> bytes:
        """One sample's row, for ``add``.

        Args:
            values: one for each of ``names``.

        Raises:
            ValueError: a value does not fit its column.
        """
        row = [values[spec.name] for spec in self._specs]
        for place, spec in self._arrays:
            row[place] = _array_bytes(spec, row[place])
        try:
            return self._row.pack(*row)
        except (struct.error, OverflowError):
            for spec, value in zip(self._specs, row, strict=True):
                _check(spec, value)
            raise

    def add(self, row: bytes) -> None:
        """Add what ``encode`` made."""
        self._rows += row

    def columns(self) -> Iterator[tuple[str, bytes]]:
        """``(name, values)`` of each column, little-endian."""
        rows = np.frombuffer(self._rows, self._dtype)
        for spec in self._specs:
            yield spec.name, rows[spec.name].tobytes()

    def clear(self) -> None:
        """Forget all rows."""
        self._rows = bytearray()


def _code(spec: ColumnSpec) -> str:
    if spec.item_shape:
        return f"{spec.item_bytes}s"
    dtype = np.dtype(spec.dtype)
    return _STRUCT_CODES[dtype.kind][dtype.itemsize]


def _array_bytes(spec: ColumnSpec, value: object) -> bytes:
    """A value of several items as bytes."""
    if isinstance(value, bytes) and len(value) == spec.item_bytes:
        return value
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    try:
        items = np.frombuffer(value, dtype) if isinstance(value, bytes) else np.asarray(value)
        converted = items.astype(dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise _misfit(spec, value, str(error)) from None
    # Integers must arrive as they are; floats may be rounded to the column's width.
    changed = dtype.kind in "iu" and bool(np.any(converted != items))
    if items.shape != spec.item_shape or changed:
        raise _misfit(spec, value, f"{items.dtype} {items.shape}")
    return converted.tobytes()


def _check(spec: ColumnSpec, value: object) -> None:
    try:
        struct.pack("<" + _code(spec), value)
    except (struct.error, OverflowError) as error:
        raise _misfit(spec, value, str(error)) from None


def _misfit(spec: ColumnSpec, value: object, found: str) -> ValueError:
    return ValueError(
        f"column {spec.name}: expected {spec.dtype} {spec.item_shape}, found {value!r:.80} "
        f"({found})"
    )
