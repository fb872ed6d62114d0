"""The bytes of photos in files of rows: where they stand, or in their order."""

from __future__ import annotations

import os
import threading
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from fastload.convert.findings import RefusedError
from fastload.convert.labelled import shown
from fastload.convert.sources.huggingface.arrow import arrow, arrow_errors, parquet

__all__ = ["ParquetPhotos", "arrow_batches", "open_parquet", "photo_extents"]

#: Rows of a Parquet file that are decoded at once, and how often that is kept: threads read rows
#: that lie close to each other.
_ROWS = 8
_KEPT = 8
_BUFFER_BYTES = 1 << 20


def arrow_batches(path: str) -> Iterator[tuple[Any, int]]:
    """The record batches of an Arrow file, mapped, and the address where the file begins.

    ``datasets`` writes streams; the other format is read too.
    """
    module = arrow()
    source = module.memory_map(path)
    whole = source.read_buffer(source.size())
    source.seek(0)
    if bytes(whole[:6]) == b"ARROW1":
        file = module.ipc.open_file(source)
        for number in range(file.num_record_batches):
            yield file.get_batch(number), whole.address
    else:
        for batch in module.ipc.open_stream(source):
            yield batch, whole.address


class Extents(Protocol):
    """Where photos stand in a file; size -1: there is none."""

    stamp: tuple[int, int]
    offsets: array[int]
    sizes: array[int]


def photo_extents(column: Any, valid: Any, address: int, file: Extents) -> bool:
    """Add where each photo of a batch stands in its file.

    Args:
        column: its bytes, an array of a mapped file.
        valid: which rows have any, an array of truth values.
        address: where the file begins.
        file: is added to.

    Returns:
        False where they do not stand in the file as they are: it is compressed, or damaged.
    """
    _validity, ends, data = column.buffers()
    wide = arrow().types.is_large_binary(column.type)
    kind, first, count = np.dtype("<i8" if wide else "<i4"), column.offset, len(column)
    if not count:
        return True
    places = np.frombuffer(ends, kind)[first : first + count + 1].astype(np.int64)
    start = (data.address if data is not None else address) - address
    lengths = np.diff(places)
    inside = len(places) == count + 1 and int(places[0]) >= 0 and bool(np.all(lengths >= 0))
    if start < 0 or not inside or start + int(places[-1]) > file.stamp[0]:
        return False
    known = np.asarray(valid) & np.asarray(column.is_valid())
    file.offsets.extend((places[:-1] + start).tolist())
    file.sizes.extend(np.where(known, lengths, -1).tolist())
    return True


def open_parquet(path: str) -> Any:
    """A Parquet file of which a page a column is read at a time, never a whole row group."""
    return parquet().ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES)


class ParquetPhotos:
    """The photos of one Parquet file; fast where they are asked for about in order.

    Safe to use from many threads. Some 64 photos are held.

    Args:
        path: the file.
        stamp: (size in bytes, mtime in ns) that it must have.
        column: of the photos, such as "image.bytes".
    """

    def __init__(self, path: str, stamp: tuple[int, int], column: str) -> None:
        self._path = path
        self._stamp = stamp
        self._column = column
        self._lock = threading.Lock()
        self._file: Any = None
        self._starts = [0]
        self._kept: deque[tuple[int, Any]] = deque(maxlen=_KEPT)
        self._batches: Iterator[Any] = iter(())
        self._group = self._row = -1
        self._broken: dict[int, tuple[int, str]] = {}  # group -> first row, and why

    def read(self, row: int) -> bytes | None:
        """The bytes of a row's photo, or None.

        Raises:
            RefusedError: they cannot be had.
        """
        with self._lock:
            try:
                value = self._value(row)
                status = os.stat(self._path)
            except arrow_errors() as error:
                text = shown(str(error))
                raise RefusedError("corrupt", f"no valid Parquet: {text}") from None
        if (status.st_size, status.st_mtime_ns) != self._stamp:
            raise RefusedError(
                "changed", f"{os.path.basename(self._path)!a} changed after it was listed; pack it "
                "again"
            )  # fmt: skip
        data = value.as_py()
        return data if data is None or isinstance(data, bytes) else bytes(data)

    def _value(self, row: int) -> Any:
        for first, column in self._kept:
            if first <= row < first + len(column):
                return column[row - first]
        if self._file is None:
            self._file = open_parquet(self._path)
            for number in range(self._file.num_row_groups):
                rows = self._file.metadata.row_group(number).num_rows
                self._starts.append(self._starts[-1] + rows)
        group = next(n for n in range(len(self._starts) - 1) if row < self._starts[n + 1])
        broken, why = self._broken.get(group, (row + 1, ""))
        if row >= broken:
            raise ValueError(why)
        if group != self._group or row < self._row:
            self._group, self._row = group, self._starts[group]
            self._batches = self._file.iter_batches(
                batch_size=_ROWS, row_groups=[group], columns=[self._column]
            )
        try:
            while True:
                batch = next(self._batches, None)
                if batch is None:
                    raise ValueError(f"row group {group} has fewer rows than it says")
                column = batch.column(0)
                if "." in self._column:
                    column = column.field(0)
                first, self._row = self._row, self._row + len(column)
                self._kept.append((first, column))
                if row < self._row:
                    return column[row - first]
        except arrow_errors() as error:
            self._broken[group] = self._row, str(error)
            self._group = -1
            raise
