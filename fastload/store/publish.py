"""Makes a store of a partial file: joins its columns, writes the header, gives it its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.disk import fsync_folder
from fastload.errors import PackError, StoreFormatError
from fastload.records import Buffer
from fastload.store.annotation_tables import FILE_BYTES, Table, annotation_tables, sample_columns
from fastload.store.blocks import record_offsets
from fastload.store.catalog import (
    COLUMNS,
    HEADER,
    META,
    PENDING,
    PROBLEMS,
    RECORDS,
    STATE,
    Catalog,
)
from fastload.store.column_file import ColumnFile
from fastload.store.columns import FILE_OFFSET, LENGTH, ColumnSpec, encode_column
from fastload.store.handle import FileHandle
from fastload.store.header import seal
from fastload.store.lmdb_file import LmdbFile
from fastload.store.lmdb_walk import integer_extents
from fastload.store.names import Names
from fastload.store.pack_file import PackFile, Transaction
from fastload.store.pack_state import PackPlan, PackState
from fastload.store.partial import LockedFile
from fastload.store.pending import NAME_COLUMNS, PROBLEMS_CHUNKS, PendingChunks

__all__ = ["Publication"]

#: Columns are written together up to so many bytes: each transaction waits for the disk.
_BATCH_BYTES = 32 << 20

#: Gives a column's values, and the keys of the chunks they were joined from.
_Maker = Callable[[], tuple[NDArray[Any], list[bytes]]]
#: About how many bytes it puts, and what does it.
_Step = tuple[int, Callable[[Transaction], None]]


class Publication:
    """The committed columns of a partial file, and the steps that publish it.

    A step writes a column and deletes the chunks it was joined from; as many as are small are one
    transaction. So a publication killed at any moment is taken up where it stopped. Memory: a few
    columns.
    """

    def __init__(self, lock: LockedFile, file: PackFile, plan: PackPlan, state: PackState) -> None:
        self._lock = lock
        self._file = file
        self._plan = plan
        self._state = state
        self._where = str(lock.path)

    def names(self) -> Names:
        """All committed names."""
        return Names(self.column("names.offsets"), self.column("names.bytes"))

    def column(self, name: str) -> NDArray[Any]:
        """A committed column, joined already or not; KeyError where there is none."""
        makers = self._makers()
        if name not in makers:
            raise KeyError(f"{self._where}: no column {name!r}; there are {sorted(makers)}")
        pages = self._pages()
        tree = pages.tree(COLUMNS)
        extent = pages.get(tree, name.encode("ascii")) if tree is not None else None
        if extent is not None:
            # A copy: a mapping would keep a duplicate of the descriptor, and so the lock.
            return ColumnFile(name, pages, extent, self._where).load(self._lock.descriptor).copy()
        return makers[name]()[0]

    def write(self) -> PackState:
        """Everything but the renaming; returns the state with ``publishing`` set."""
        state = self._state
        if not state.publishing:
            state = replace(state, publishing=True, sequence=state.sequence + 1)
        batch: list[_Step] = []
        for step in self._steps(state):
            batch.append(step)
            if sum(size for size, _ in batch) > _BATCH_BYTES:
                self._run(batch)
                batch = []  # a large column is let go before the next is made
            del step
        self._run(batch)
        return state

    def _steps(self, state: PackState) -> Iterator[_Step]:
        if state != self._state:
            yield _put(META, STATE, seal(state.to_json()))
        makers = self._makers()
        for name, make in makers.items():
            yield from self._join(name, make)
        yield from self._join_problems()
        header = seal(state.to_header(self._plan, tuple(makers)).to_json())

        def finish(transaction: Transaction) -> None:
            transaction.put(META, HEADER, header)
            transaction.drop(PENDING)

        yield len(header), finish

    def _run(self, batch: list[_Step]) -> None:
        def run(transaction: Transaction) -> None:
            for _size, step in batch:
                step(transaction)

        if batch:
            self._file.transact(run, sum(size for size, _ in batch))

    def finish(self) -> None:
        """Make the finished file one that can be opened, and safe from a power loss."""
        try:
            self._file.trim()
            self._lock.sync()
            # What cannot be opened must not take the place of what was there.
            Catalog(FileHandle(self._where), self._where)
        except OSError as error:
            raise PackError(
                f"{self._where}: cannot be finished: {error}; run the same command again"
            ) from error

    def rename(self, path: Path) -> None:
        """Give the finished file its name, for good."""
        try:
            os.rename(self._lock.path, path)
            fsync_folder(path.parent)
        except OSError as error:
            raise PackError(
                f"{self._where}: cannot become {path}: {error}; run the same command again"
            ) from error

    def _pages(self) -> LmdbFile:
        return LmdbFile(self._lock.descriptor, self._where, cut_at_end=True)

    def _makers(self) -> dict[str, _Maker]:
        makers: dict[str, _Maker] = {
            spec.name: partial(self._chunks, spec, self._state.count) for spec in self._plan.columns
        }
        makers["names.offsets"] = self._name_offsets
        makers["names.bytes"] = partial(self._chunks, NAME_COLUMNS[1], None)
        makers |= self._label_makers()
        makers[LENGTH.name] = partial(self._chunks, LENGTH, self._state.count)
        makers[FILE_OFFSET.name] = self._file_offsets
        return makers

    def label_bytes(self) -> dict[str, int]:
        """Bytes that are committed of each label column; offsets count as what they will take."""
        sizes = PendingChunks(self._pages()).sizes()
        return {name: size * (2 if name.endswith(".sizes") else 1) for name, size in sizes.items()}

    def _label_makers(self) -> dict[str, _Maker]:
        annotations = self._plan.header.annotations
        if annotations is None:
            return {}
        makers: dict[str, _Maker] = {
            spec.name: partial(self._chunks, spec, self._state.count)
            for spec in sample_columns(annotations)
        }
        for table in annotation_tables(annotations):
            makers[table.offsets] = partial(self._table_offsets, table)
            makers |= {spec.name: partial(self._chunks, spec, None) for spec in table.columns}
        makers[FILE_BYTES.name] = partial(self._chunks, FILE_BYTES, None)
        return makers

    def _table_offsets(self, table: Table) -> tuple[NDArray[Any], list[bytes]]:
        rows = self._state.count if table.parent is None else None
        return _offsets(*PendingChunks(self._pages()).column(table.sizes, rows))

    def _chunks(self, spec: ColumnSpec, rows: int | None) -> tuple[NDArray[Any], list[bytes]]:
        return PendingChunks(self._pages()).column(spec, rows)

    def _name_offsets(self) -> tuple[NDArray[Any], list[bytes]]:
        return _offsets(*PendingChunks(self._pages()).column(NAME_COLUMNS[0], self._state.count))

    def _file_offsets(self) -> tuple[NDArray[Any], list[bytes]]:
        lengths = self.column(LENGTH.name)
        pages = self._pages()
        tree = pages.tree(RECORDS)
        try:
            if tree is None:
                raise pages.damaged("no database of records")
            return record_offsets(pages, integer_extents(pages, tree), lengths), []
        except StoreFormatError as error:
            raise StoreFormatError(f"{error}; pack again with --restart") from error

    def _join(self, name: str, make: _Maker) -> Iterator[_Step]:
        pages = self._pages()
        key = name.encode("ascii")
        tree = pages.tree(COLUMNS)
        if tree is None or pages.get(tree, key) is None:
            values, chunk_keys = make()
            blob = encode_column(name, values, pages.page_bytes)
            del values  # LMDB takes memory for the whole of what it writes
            yield _put(COLUMNS, key, blob, chunk_keys)

    def _join_problems(self) -> Iterator[_Step]:
        chunks = list(PendingChunks(self._pages()).read(PROBLEMS_CHUNKS))
        if chunks:
            problems = seal(b"".join(data for _key, data in chunks))
            yield _put(META, PROBLEMS, problems, [key for key, _data in chunks])


def _put(database: bytes, key: bytes, value: Buffer, chunk_keys: Iterable[bytes] = ()) -> _Step:
    """A step that puts a value, and deletes the chunks that it was joined from."""

    def put(transaction: Transaction) -> None:
        transaction.put(database, key, value)
        for chunk_key in chunk_keys:
            transaction.delete(PENDING, chunk_key)

    return len(value), put


def _offsets(sizes: NDArray[Any], keys: list[bytes]) -> tuple[NDArray[np.uint64], list[bytes]]:
    offsets = np.zeros(len(sizes) + 1, np.uint64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets, keys
