"""The columns of several stores as those of one, in any order of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.disk import fsync_folder
from fastload.errors import PackError
from fastload.store.annotation_tables import FILE_BYTES, Table, annotation_tables
from fastload.store.catalog import COLUMNS, HEADER, META, PENDING, PROBLEMS
from fastload.store.columns import MAX_COLUMN_BYTES, ColumnSpec, encode_column
from fastload.store.header import StoreHeader, format_version_of, seal
from fastload.store.lmdb_file import LmdbFile
from fastload.store.pack_file import PackFile, Transaction
from fastload.store.partial import LockedFile, partial_path
from fastload.store.problem import dump_problems
from fastload.store.reader import Store

__all__ = ["SHARD", "write_joined_columns"]

#: Of a sharded store: where each sample's record is.
SHARD = ColumnSpec("shard", "uint32")

_NAMES = Table("names", None, (ColumnSpec("names.bytes", "uint8"),))


def write_joined_columns(
    path: Path, header: StoreHeader, files: bytes, shards: Sequence[Store], order: NDArray[np.int64]
) -> StoreHeader:
    """Write a store that has the columns of all ``shards``, and no records.

    Memory: a few columns of the whole.

    Args:
        path: of the file; replaced where it exists.
        header: of the whole; counts, formats and columns are filled in here.
        files: the contents of ``header.annotations.files``, as stored.
        shards: whose samples follow each other.
        order: int64 [N]: which of those samples is each one of the whole.

    Returns:
        the header as written.

    Raises:
        PackError: a column is too large for one store.
        NoSpaceError: the disk is full.
    """
    joining = _Joining(shards, order, header)
    header = replace(
        header,
        sample_count=len(order),
        problems_count=sum(shard.header.problems_count for shard in shards),
        source_count=sum(shard.header.source_count for shard in shards),
        formats=joining.formats,
        columns=tuple(joining.names),
        format_version=format_version_of(header),
    )
    partial = partial_path(path)
    lock = LockedFile(partial)
    file = PackFile(lock)
    try:
        lock.truncate(0)
        page_bytes = 0
        for name, values in joining.columns(files):
            if values.nbytes > MAX_COLUMN_BYTES:
                raise PackError(
                    f"{path}: column {name} of all shards together has {values.nbytes} bytes, and "
                    f"a store holds {MAX_COLUMN_BYTES}; make several sharded stores"
                )
            if not page_bytes:
                file.transact(lambda _: None, 0)
                page_bytes = LmdbFile(lock.descriptor, str(partial), cut_at_end=True).page_bytes
            _put(
                file, COLUMNS, name.encode("ascii"), bytes(encode_column(name, values, page_bytes))
            )
        problems = dump_problems(problem for shard in shards for problem in shard.problems)
        if problems:
            _put(file, META, PROBLEMS, seal(problems))
        _put(file, META, HEADER, seal(header.to_json()))
        file.transact(lambda transaction: transaction.drop(PENDING), 0)
        file.trim()
        lock.sync()
        partial.replace(path)
        fsync_folder(path.parent)
    finally:
        file.close()
        lock.close()
    return header


def _put(file: PackFile, database: bytes, key: bytes, value: bytes) -> None:
    def put(transaction: Transaction) -> None:
        transaction.put(database, key, value)

    file.transact(put, len(value))


class _Joining:
    """Gathers columns over all shards.

    Attributes:
        formats: of all shards, in the order in which the whole meets them.
        names: of the columns.
    """

    def __init__(
        self, shards: Sequence[Store], order: NDArray[np.int64], header: StoreHeader
    ) -> None:
        self._shards = shards
        self._order = order
        annotations = header.annotations
        self._tables = (_NAMES, *(() if annotations is None else annotation_tables(annotations)))
        in_tables = {spec.name for table in self._tables for spec in table.columns}
        in_tables |= {table.offsets for table in self._tables} | {FILE_BYTES.name}
        self._plain = [name for name in shards[0].column_names if name not in in_tables]
        self._has_files = FILE_BYTES.name in shards[0].column_names
        self.formats, self._format_codes = self._join_formats()
        self.names = [*self._plain, *sorted(in_tables - {FILE_BYTES.name}), SHARD.name]
        if self._has_files:
            self.names.append(FILE_BYTES.name)

    def columns(self, files: bytes) -> Iterator[tuple[str, NDArray[Any]]]:
        """Name and values of each column."""
        for name in self._plain:
            values = self._format_codes if name == "format" else self._concatenated(name)
            yield name, values[self._order]
        counts = [len(shard) for shard in self._shards]
        yield SHARD.name, np.repeat(np.arange(len(counts), dtype=np.uint32), counts)[self._order]
        rows: dict[str | None, NDArray[np.int64]] = {None: self._order}
        for table in self._tables:
            offsets = self._offsets(table.offsets)
            parent = rows[table.parent]
            starts, sizes = offsets[parent], offsets[parent + 1] - offsets[parent]
            joined = np.zeros(len(parent) + 1, np.uint64)
            np.cumsum(sizes, out=joined[1:].view(np.int64))
            yield table.offsets, joined
            rows[table.name] = chosen = _ranges(starts, sizes)
            for spec in table.columns:
                yield spec.name, self._concatenated(spec.name)[chosen]
        if self._has_files:
            yield FILE_BYTES.name, np.frombuffer(files, np.uint8)

    def _concatenated(self, name: str) -> NDArray[Any]:
        return np.concatenate([shard.column(name) for shard in self._shards])

    def _offsets(self, name: str) -> NDArray[np.int64]:
        """The offsets of a table over all shards, int64 [rows + 1]."""
        parts, end = [np.zeros(1, np.int64)], 0
        for shard in self._shards:
            parts.append(shard.column(name)[1:].astype(np.int64) + end)
            end = int(parts[-1][-1]) if len(parts[-1]) else end
        return np.concatenate(parts)

    def _join_formats(self) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
        names = sorted({name for shard in self._shards for name in shard.header.formats})
        codes = self._renamed(lambda shard: [names.index(name) for name in shard.header.formats])
        # As one store's writer counts them: by the first sample of each.
        used, first = np.unique(codes[self._order], return_index=True)
        rank = np.zeros(256, np.uint8)
        by_first = used[np.argsort(first)]
        rank[by_first] = np.arange(len(by_first))
        return tuple(names[code] for code in by_first), rank[codes]

    def _renamed(self, codes_of: Callable[[Store], list[int]]) -> NDArray[np.uint8]:
        parts = [
            np.array(codes_of(shard) or [0], np.uint8)[shard.column("format")]
            for shard in self._shards
        ]
        return np.concatenate(parts)


def _ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """``start .. start + size`` of each row, one behind the other."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(total)
