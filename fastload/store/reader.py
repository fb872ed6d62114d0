"""``Store``: reads a published store."""

from __future__ import annotations

import operator
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastload.errors import (
    DecodeError,
    RecordError,
    StoreClosedError,
    StoreError,
    StoreFormatError,
)
from fastload.records import Record, source_bytes
from fastload.store.annotations import Annotations
from fastload.store.attached import attached_file
from fastload.store.catalog import Catalog
from fastload.store.handle import FileHandle
from fastload.store.header import StoreHeader
from fastload.store.label_bundle import unbundle
from fastload.store.labels import LabelFile
from fastload.store.names import Names
from fastload.store.problem import Problem
from fastload.store.record_file import RecordFile

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Store"]


class Store:
    """A published store, open for reading.

    Reads never go through liblmdb, which trusts what the file says. Safe to use from many threads
    at once, in forked children, and by pickle (which carries the path, and notices another store
    under it). ``len(store)`` is the number of samples.

    A folder of shards, here or anywhere that fsspec reaches, opens as one store: this gives a
    ``ShardedStore`` then.

    Args:
        path: the store's file; or the folder of a sharded store, or its URL.
        cache_dir: where shards of a remote store are kept; see ``ShardedStore``.
        cache_bytes: how much of them, at most.

    Attributes:
        path: the file or folder, absolute; of a remote store, the file of columns in the cache.
        location: the same as text; of a remote store, its URL.
        header: what the store says about itself.

    Raises:
        StoreFormatError: not a store, a half-packed one, a damaged one, or of another version.
        OSError: the file cannot be opened.
    """

    def __new__(cls, path: str | os.PathLike[str], **_options: object) -> Self:
        """A ``ShardedStore`` where the path is a folder's, or a URL."""
        if cls is Store and ("://" in os.fspath(path) or os.path.isdir(path)):
            from fastload.store.shards import ShardedStore  # which is made of stores

            return object.__new__(ShardedStore)  # type: ignore[return-value]
        return object.__new__(cls)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        cache_dir: str | os.PathLike[str] | None = None,  # noqa: ARG002 -- of sharded stores
        cache_bytes: int | None = None,  # noqa: ARG002
    ) -> None:
        self.path = Path(path).absolute()
        self.location = str(self.path)
        handle = FileHandle(str(self.path))
        self._catalog = Catalog(handle, str(self.path))
        self.header: StoreHeader = self._catalog.header
        self._records = RecordFile(self._catalog)
        self._handle: FileHandle | None = handle
        self._columns: dict[str, NDArray[Any]] = {}
        self._names: Names | None = None
        self._problems: tuple[Problem, ...] | None = None

    def __len__(self) -> int:
        return self.header.sample_count

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self)} samples"
        return f"<fastload.Store {self.location!r}, {state}>"

    def __reduce__(self) -> tuple[object, ...]:
        size = self._catalog.file.file_bytes
        return _reopen, (str(self.path), size, self.header.store_id)

    @property
    def store_bytes(self) -> int:
        """The size of its file, or of all its files."""
        return self._catalog.file.file_bytes

    @property
    def column_names(self) -> tuple[str, ...]:
        """What ``column`` takes, sorted."""
        return tuple(sorted(self.header.columns))

    def column(self, name: str) -> NDArray[Any]:
        """One fact about every sample: a read-only view of the file, [N, *item_shape].

        The column's checksum and range are checked when it is first asked for. Columns "x.offsets"
        have N + 1 rows and divide "x.bytes" into the samples' parts.

        Raises:
            KeyError: no such column.
            StoreFormatError: the column is damaged.
            StoreClosedError: after ``close()``.
        """
        handle = self._open_handle()
        values = self._columns.get(name)
        if values is None:
            # Two threads may both load; either's array is right, and one of them stays.
            values = self._columns.setdefault(name, self._catalog.load(name, handle))
        return values

    @property
    def names(self) -> Names:
        """The samples' relative paths (a sequence; no Python object a sample is kept)."""
        if self._names is None:
            try:
                self._names = Names(self.column("names.offsets"), self.column("names.bytes"))
            except StoreFormatError as error:
                raise StoreFormatError(f"{self.location}: {error}") from error
        return self._names

    @property
    def annotations(self) -> Annotations | None:
        """The samples' labels as NumPy views; None where the store has none."""
        header = self.header.annotations
        if header is None or not header.objects:
            return None
        return Annotations(header, len(self), self.column)

    def label_files(self, index: int) -> tuple[LabelFile, ...]:
        """The files beside a sample's photo that say something of it, as they were packed.

        Its label file; or, from a tar, its ``.json``, ``.txt`` and the like. Often there is none.

        Raises:
            IndexError: no such sample.
            StoreFormatError: damaged.
        """
        header = self.header.annotations
        if header is None:
            return ()
        try:
            return unbundle(Annotations(header, len(self), self.column).label_file(index))
        except StoreFormatError as error:
            raise StoreFormatError(f"{self.location}: sample {index}: {error}") from error

    def read_file(self, number: int) -> bytes:
        """The bytes of an attached file, by its place in ``header.annotations.files``.

        Raises:
            IndexError: no such file.
            StoreFormatError: damaged.
        """
        header = self.header.annotations
        files = () if header is None else header.files
        if not 0 <= number < len(files):
            raise IndexError(f"{self.location}: expected a file of 0..{len(files) - 1}: {number}")
        start = sum(file.stored_size for file in files[:number])
        try:
            return attached_file(files[number], self.column("files.bytes")[start:])
        except StoreFormatError as error:
            raise StoreFormatError(f"{self.location}: {error}") from error

    def find(self, name: str) -> int | None:
        """The index of the sample of that relative path, or None."""
        return self.names.find(name)

    def record_bytes(self, index: int, *, verify: bool | None = None) -> bytes:
        """One record as it stands in the file, checked.

        Args:
            index: 0..N-1 (no negative ones).
            verify: compare the body with its checksum; None: once a record and process.

        Raises:
            IndexError: no such sample.
            RecordError: the record is damaged or missing (has ``index`` and ``name``).
            StoreClosedError: after ``close()``.
        """
        return self._read(index, verify)[0]

    def record(self, index: int, *, verify: bool | None = None) -> Record:
        """One record, checked; ``head`` and ``body`` are views. Arguments and errors as above."""
        return self._read(index, verify)[1]

    def extents(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Where all records stand in the file: offsets and lengths in bytes, uint64 [N] each.

        Those that ``record_bytes`` reads by: found anew after it met records that had moved.

        Raises:
            StoreFormatError: the columns and the tree are damaged.
            StoreClosedError: after ``close()``.
        """
        return self._records.extents(self._open_handle())

    def read_source(self, index: int) -> bytes:
        """The original file's bytes.

        Raises:
            RecordError: damaged, or raw pixels whose source was not kept.
        """
        record = self.record(index)
        try:
            return source_bytes(record)
        except (StoreFormatError, DecodeError) as error:
            raise self._record_error(record.index, str(error)) from error

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems that packing reported."""
        if self._problems is None:
            self._open_handle()
            self._problems = self._catalog.problems()
        return self._problems

    def fileno(self) -> int:
        """The descriptor that the columns ``file_offset`` and ``length`` refer to."""
        return self._open_handle().descriptor

    @property
    def closed(self) -> bool:
        """``close()`` was called."""
        return self._handle is None

    def close(self) -> None:
        """Give the file back; columns that were handed out stay valid. Idempotent.

        Reads under way in other threads finish; the file is closed after the last of them.
        """
        self._handle = None

    def _open_handle(self) -> FileHandle:
        handle = self._handle
        if handle is None:
            raise StoreClosedError(f"{self.location}: the store was closed; open it again")
        return handle

    def _read(self, index: int, verify: bool | None) -> tuple[bytes, Record]:
        handle = self._open_handle()
        position = self._checked_index(index)
        try:
            return self._records.read(handle, position, verify)
        except (StoreFormatError, OSError) as error:
            raise self._record_error(position, str(error)) from error

    def _checked_index(self, index: int) -> int:
        position = operator.index(index)
        if not 0 <= position < len(self):
            raise IndexError(
                f"{self.location}: expected a sample index of 0..{len(self) - 1}, found {position}"
            )
        return position

    def _record_error(self, index: int, what: str) -> RecordError:
        name = None
        # Names are mapped memory: behind the end of a file that was cut short, it kills.
        if os.fstat(self.fileno()).st_size >= self._catalog.file.file_bytes:
            with suppress(StoreError):
                name = self.names[index]
        return RecordError(
            f"{self.location}: sample {index} ({name or 'name unreadable'}) cannot be read: "
            f"{what}; pack its source again, or restore the file from a copy",
            index=index,
            name=name,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _reopen(path: str, file_bytes: int, store_id: str) -> Store:
    """Unpickle: the same store, or an error where another lies under its path now."""
    store = Store(path)
    found = store._catalog.file.file_bytes, store.header.store_id
    if found != (file_bytes, store_id):
        raise StoreFormatError(
            f"{path}: expected the store {store_id} of {file_bytes} bytes that was pickled, found "
            f"{found[1]} of {found[0]} bytes: it was replaced meanwhile; open the data set again"
        )
    return store
