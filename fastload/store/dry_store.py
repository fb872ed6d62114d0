"""A store that is packed for nothing but to see what would be in it: columns, and no file."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.store.annotation_tables import FILE_BYTES
from fastload.store.blocks import block_spans
from fastload.store.columns import LENGTH, PREFIX_BYTES, ColumnSpec
from fastload.store.group import Group
from fastload.store.label_encoding import label_columns
from fastload.store.lmdb_page import overflow_pages
from fastload.store.names import Names
from fastload.store.pack_state import PackPlan, PackState
from fastload.store.pending import NAME_COLUMNS, encode_chunk

__all__ = ["DryStore"]

#: Meta pages, trees, header, free list.
_OTHER_PAGES = 16


class DryStore:
    """Takes groups as ``PartialStore`` does; forgets records, and keeps columns in memory.

    Args:
        plan: what would be packed.
        files: the attached files.

    Attributes:
        plan: as given.
        state: what was committed so far.
        resumed: False: it always begins anew.
    """

    def __init__(self, plan: PackPlan, files: bytes) -> None:
        self.plan = plan
        self.state = PackState()
        self.resumed = False
        annotations = plan.header.annotations
        specs = [*plan.columns, LENGTH, *NAME_COLUMNS]
        specs += [] if annotations is None else [*label_columns(annotations), FILE_BYTES]
        self._specs: dict[str, ColumnSpec] = {spec.name: spec for spec in specs}
        self._record_bytes = self._chunk_bytes = 0
        self._data = {name: bytearray() for name in self._specs}
        if annotations is not None:
            self._data[FILE_BYTES.name] += files

    def commit(self, group: Group, position: int) -> None:
        """Add the group's columns, and clear it."""
        for name, data in group.columns():
            self._data[name] += data
            self._chunk_bytes += len(encode_chunk(data)) if data else 0
            if name == LENGTH.name:
                lengths = np.frombuffer(data, "<u8").tolist()
                self._record_bytes += sum(
                    _paged(sum(lengths[first:end])) for first, end in block_spans(lengths)
                )
        self.state = self.state.after(group, position)
        group.clear()

    def publication(self) -> DryStore:
        """Itself: it has ``names`` and ``column``."""
        return self

    def names(self) -> Names:
        """Of all samples."""
        return Names(self.column("names.offsets"), self.column("names.bytes"))

    def column(self, name: str) -> NDArray[Any]:
        """A column of all samples; KeyError where there is none."""
        if name.endswith(".offsets"):
            sizes = self.column(f"{name.removesuffix('.offsets')}.sizes")
            offsets = np.zeros(len(sizes) + 1, np.uint64)
            np.cumsum(sizes, out=offsets[1:])
            return offsets
        spec = self._specs[name]
        dtype = np.dtype(spec.dtype).newbyteorder("<")
        # A copy: a view would keep the bytes from growing.
        return np.frombuffer(bytes(self._data[name]), dtype).reshape(-1, *spec.item_shape)

    def size_bytes(self) -> int:
        """About what a store of all this would take."""
        columns = sum(_paged(len(data) + PREFIX_BYTES) for data in self._data.values())
        # The chunks that wait for publishing leave their pages behind.
        return self._record_bytes + columns + self._chunk_bytes + _OTHER_PAGES * mmap.PAGESIZE

    def publish(self, path: Path, check: Callable[[Path], object] | None = None) -> None:
        """Nothing."""

    def discard(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _paged(value_bytes: int) -> int:
    """What a large value takes of an LMDB file."""
    return overflow_pages(value_bytes, mmap.PAGESIZE) * mmap.PAGESIZE
