"""Records by index: where they stand, and whether they are what they should be."""

from __future__ import annotations

import os
import threading

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.records import MAX_RECORD_BYTES, Record, decode_record
from fastload.store.blocks import record_lengths, record_offsets
from fastload.store.catalog import Catalog
from fastload.store.columns import FILE_OFFSET, LENGTH
from fastload.store.handle import FileHandle
from fastload.store.lmdb_file import Extent
from fastload.store.lmdb_walk import integer_extents

__all__ = ["RecordFile"]

_Extents = tuple[NDArray[np.uint64], NDArray[np.uint64]]


class RecordFile:
    """Reads records with ``pread`` and checks each.

    Note [offsets that do not hold]: the columns ``file_offset`` and ``length`` were written at
    publishing. A copy made by ``lmdb``'s own compaction moves pages, so a record is believed only
    where its header names the sample. Where it does not, or those columns are damaged, the offsets
    are found once more by a walk over LMDB's tree of blocks (16 bytes a sample), with the column
    ``length`` or else the records' headers; a record that still does not fit is damaged. Tested in
    tests/store/test_reader.py with a compacted copy.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._count = catalog.header.sample_count
        # Apart: a thread that still reads the columns must not put them in the walk's place.
        self._stated: _Extents | None = None
        self._walked: _Extents | None = None
        self._has_walked = False
        # A bit a sample: its body was compared with its checksum. Threads may lose each other's
        # bits, which costs a second comparison and nothing else.
        self._checked = bytearray((self._count + 7) // 8)
        # A lock for each process: one that a thread held during a fork stays locked in the child.
        self._locks: dict[int, threading.Lock] = {}

    def read(self, handle: FileHandle, index: int, verify: bool | None) -> tuple[bytes, Record]:
        """One record and its bytes.

        Raises:
            StoreFormatError: damaged, missing, or cut off.
            OSError: the disk failed.
        """
        # The offsets are mapped memory: behind the end of a file that was cut short, it kills.
        found_bytes = os.fstat(handle.descriptor).st_size
        if found_bytes < self._catalog.file.file_bytes:
            raise StoreFormatError(
                f"the file was cut short from {self._catalog.file.file_bytes} bytes "
                f"to {found_bytes}"
            )
        verify_body = not self._checked[index >> 3] >> (index & 7) & 1 if verify is None else verify
        extents = self.extents(handle)
        try:
            found = self._read_at(extents, index)
        except StoreFormatError:
            rebuilt = self._rebuild(handle)
            if rebuilt is None or rebuilt is extents:
                raise
            found = self._read_at(rebuilt, index)
        if verify_body:
            decode_record(found[0])
            self._checked[index >> 3] |= 1 << (index & 7)
        return found

    def extents(self, handle: FileHandle) -> _Extents:
        """Offsets and lengths of all records.

        Raises:
            StoreFormatError: neither the columns nor LMDB's tree tells them.
        """
        if self._walked is not None:
            return self._walked
        if self._stated is None:
            try:
                offsets = self._catalog.load(FILE_OFFSET.name, handle)
                self._stated = offsets, self._catalog.load(LENGTH.name, handle)
            except StoreFormatError:
                rebuilt = self._rebuild(handle)
                if rebuilt is None:
                    raise
                return rebuilt
        return self._stated

    def _read_at(self, extents: _Extents, index: int) -> tuple[bytes, Record]:
        extent = Extent(int(extents[0][index]), int(extents[1][index]))
        if extent.length > MAX_RECORD_BYTES:
            raise StoreFormatError(
                f"record {index}: {extent.length} bytes are more than LMDB holds"
            )
        data = self._catalog.file.read(extent)
        record = decode_record(data, verify_body=False)
        if record.index != index:
            raise StoreFormatError(f"expected record {index}, found record {record.index}")
        return data, record

    def _rebuild(self, handle: FileHandle) -> _Extents | None:
        """The extents as LMDB's tree has them, found once; None where that tree is damaged."""
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            if not self._has_walked:
                self._has_walked = True
                self._walked = self._walk(handle)
        return self._walked

    def _walk(self, handle: FileHandle) -> _Extents | None:
        file = self._catalog.file
        try:
            blocks = integer_extents(file, self._catalog.records)
            try:
                lengths = self._catalog.load(LENGTH.name, handle)
                return record_offsets(file, blocks, lengths), lengths
            except StoreFormatError:
                lengths = record_lengths(file, blocks, self._count)
                return record_offsets(file, blocks, lengths), lengths
        except StoreFormatError:
            return None
