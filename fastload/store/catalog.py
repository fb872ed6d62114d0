"""The catalog of a published store: its header, and where its columns and problems stand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.records import Codec
from fastload.store.column_file import ColumnFile
from fastload.store.columns import FILE_OFFSET, LENGTH, PHOTO_COLUMNS
from fastload.store.handle import FileHandle
from fastload.store.header import NO_CLASS, NO_SPLIT, StoreHeader, parse_header, unseal
from fastload.store.label_check import LabelCheck
from fastload.store.lmdb_file import LmdbFile
from fastload.store.lmdb_page import Tree
from fastload.store.lmdb_walk import items
from fastload.store.problem import Problem, load_problems

__all__ = [
    "COLUMNS",
    "HEADER",
    "META",
    "PLAN",
    "PROBLEMS",
    "RECORDS",
    "STATE",
    "Catalog",
]

#: Named databases, and keys of ``meta``; part of the format.
RECORDS, COLUMNS, META, PENDING = b"records", b"columns", b"meta", b"pending"
HEADER, PROBLEMS, PLAN, STATE = b"header", b"problems", b"plan", b"state"

_MAX_HEADER_BYTES = 1 << 28
_MAX_COLUMNS = 10_000
#: Columns that this package itself computes with: a store cannot choose their type.
_FIXED_DTYPES = {
    spec.name: spec.dtype for spec in (FILE_OFFSET, LENGTH, *PHOTO_COLUMNS) if not spec.item_shape
} | {"names.offsets": "uint64", "names.bytes": "uint8"}


class Catalog:
    """What opening a store reads: a few pages, however many samples there are.

    Attributes:
        file: the pages.
        header: checked.
        records: the tree of records; needed only where the offsets do not hold.
    """

    def __init__(self, handle: FileHandle, where: str) -> None:
        self.file = LmdbFile(handle.descriptor, where)
        self._where = where
        self._meta = self._tree(META)
        self.header = self._read_header()
        self.records = self._tree(RECORDS)
        columns = self._tree(COLUMNS)
        if columns.entries > _MAX_COLUMNS:
            raise self.file.damaged(f"{columns.entries} columns")
        self._columns = {
            name: ColumnFile(name, self.file, extent, where)
            for name, extent in (
                (key.decode("ascii", "backslashreplace"), extent)
                for key, extent in items(self.file, columns)
            )
        }
        annotations = self.header.annotations
        count = self.header.sample_count
        self._labels = None if annotations is None else LabelCheck(annotations, count)
        self._check_columns()

    def _tree(self, name: bytes) -> Tree:
        tree = self.file.tree(name)
        if tree is None:
            raise self.file.damaged(
                f"an LMDB file, but expected the database {name.decode()!r} of a fastload store"
            )
        return tree

    def _value(self, key: bytes) -> bytes | None:
        extent = self.file.get(self._meta, key)
        if extent is None:
            return None
        return unseal(self.file.read(extent), f"{self._where}, {key.decode()}")

    def _read_header(self) -> StoreHeader:
        extent = self.file.get(self._meta, HEADER)
        if extent is None:
            if self.file.get(self._meta, PLAN) is not None:
                raise self.file.damaged(
                    "half-packed: packing has begun here and was not finished; "
                    "run the same command again, it goes on from where it stopped"
                )
            raise self.file.damaged("expected a store's header, found none")
        if extent.length > _MAX_HEADER_BYTES:
            raise self.file.damaged(f"a header of {extent.length} bytes")
        header = unseal(self.file.read(extent), f"{self._where}, header")
        return parse_header(header, f"{self._where}, header")

    def _check_columns(self) -> None:
        needed = {FILE_OFFSET.name, LENGTH.name, "names.offsets", "names.bytes"}
        missing = (needed | set(self.header.columns)) - set(self._columns)
        unnamed = set(self._columns) - set(self.header.columns)
        if missing or unnamed:
            raise self.file.damaged(
                f"expected the columns that the header names; missing: {sorted(missing)}, "
                f"not named: {sorted(unnamed)}"
            )
        label_names: frozenset[str] = frozenset()
        if self._labels is not None:
            label_names = self._labels.names
            wrong = self._labels.shapes({n: column.prefix for n, column in self._columns.items()})
            if wrong:
                raise self.file.damaged(wrong)
        count = self.header.sample_count
        for name, column in self._columns.items():
            if name in label_names:
                continue
            rows = count + 1 if name.endswith(".offsets") else count
            if column.rows != rows and not name.endswith(".bytes"):
                raise self.file.damaged(f"column {name}: expected {rows} rows: {column.rows}")
        for name, dtype in _FIXED_DTYPES.items():
            if name in self._columns:
                prefix = self._columns[name].prefix
                if prefix.dtype != np.dtype(dtype) or len(prefix.shape) != 1:
                    raise self.file.damaged(
                        f"column {name}: expected {dtype} [N], found {prefix.dtype} {prefix.shape}"
                    )

    def load(self, name: str, handle: FileHandle) -> NDArray[Any]:
        """One column, checked; KeyError where there is none of that name."""
        if name not in self._columns:
            raise KeyError(f"{self._where}: no column {name!r}; there are {sorted(self._columns)}")
        values = self._columns[name].load(handle.descriptor)
        if name == "split":
            known = np.zeros(256, np.bool_)
            known[: len(self.header.split_names)] = known[NO_SPLIT] = True
            if not known[values].all():
                raise self.file.damaged("column split: a split that the header does not name")
        if self._labels is not None and name in self._labels.names:
            wrong = self._labels.values(name, values)
            if wrong:
                raise self.file.damaged(wrong)
        limits = self._limits(name)
        if limits is not None and len(values):
            least, most = int(values.min()), int(values.max())
            if least < limits[0] or most > limits[1]:
                raise self.file.damaged(
                    f"column {name}: expected {limits[0]}..{limits[1]}, found {least}..{most}"
                )
        return values

    def _limits(self, name: str) -> tuple[int, int] | None:
        """What a column that refers to something else may hold."""
        header = self.header
        if name == "class_id":
            return NO_CLASS, len(header.class_names) - 1
        if name == "format":
            return 0, len(header.formats) - 1
        if name == "codec":
            return min(Codec), max(Codec)
        if name == "orientation":
            return 0, 8
        return None

    def problems(self) -> tuple[Problem, ...]:
        """What packing reported."""
        where = f"{self._where}, problems"
        problems = tuple(load_problems(self._value(PROBLEMS) or b"", where))
        if len(problems) != self.header.problems_count:
            raise StoreFormatError(
                f"{where}: expected {self.header.problems_count}, found {len(problems)}"
            )
        return problems
