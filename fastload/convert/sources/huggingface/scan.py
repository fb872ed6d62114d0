"""Reading all columns but the photos, once."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from fastload.convert.counted import counted
from fastload.convert.files import open_regular
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import LabelError, shown
from fastload.convert.names import unsafe_reason
from fastload.convert.sniff import SNIFF_BYTES, extension_of, format_by_bytes
from fastload.convert.sources.class_column import ClassColumn, class_value
from fastload.convert.sources.huggingface.arrow import arrow, arrow_errors
from fastload.convert.sources.huggingface.discover import TableFile
from fastload.convert.sources.huggingface.features import Columns, find_columns
from fastload.convert.sources.huggingface.pictures import (
    arrow_batches,
    open_parquet,
    photo_extents,
)
from fastload.convert.sources.huggingface.row_texts import RowTexts, row_text
from fastload.convert.sources.object_table import ObjectTable
from fastload.errors import SourceError

__all__ = ["MAX_TEXT_BYTES", "NO_SUCH_CLASS", "Rows", "ScannedFile"]

#: What a store keeps of texts: a column of them holds less than 4 GiB.
MAX_TEXT_BYTES = 3 << 30
_ROWS_AT_ONCE = 1024
_ID_LIMIT = 1 << 63
#: The id of a class that a file's own names do not have.
NO_SUCH_CLASS = -3


@dataclass
class ScannedFile:
    """One file of rows.

    Attributes:
        table: which.
        path: where it lies.
        stamp: (size in bytes, mtime in ns), as it was read.
        mode: its permission bits.
        first: the number of its first row in the data set.
        first_in_split: and in its split.
        count: rows.
        offsets, sizes: where photos stand (size -1: there is none); empty for Parquet.
        kept: its columns of ``Rows.texts``.
        ending: of photos without a path, for Parquet, once it was looked for.
    """

    table: TableFile
    path: str
    stamp: tuple[int, int] = (0, 0)
    mode: int = 0
    first: int = 0
    first_in_split: int = 0
    count: int = 0
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    kept: tuple[str, ...] = ()
    ending: str | None = None


class Rows:
    """What is known of all rows besides the photos: some 40 bytes each, objects, and texts.

    Args:
        note: told what there is to say, with the file's split.

    Attributes:
        files: in order.
        columns: what they have; None before the first file.
        class_ids: of each row, where the file names the classes.
        classes: of each row, where it does not.
        no_class: (row, value) of the first number that can be none: its column has no classes.
        image_ids: the photos' own numbers, where they have any.
        objects: those of each row, or None.
        texts: the further columns of each row; None: there are too many bytes of them.
    """

    def __init__(self, note: Callable[[str, Finding], None]) -> None:
        self._note = note
        self.files: list[ScannedFile] = []
        self.columns: Columns | None = None
        self.class_ids = array("i")
        self.classes = ClassColumn()
        self.no_class: tuple[int, float] | None = None
        self.image_ids = array("q")
        self.objects: ObjectTable | None = None
        self.texts: RowTexts | None = RowTexts()
        self._name_ends, self._names = array("Q"), bytearray()

    @property
    def count(self) -> int:
        """Rows so far."""
        return len(self._name_ends)

    def base(self, row: int) -> str:
        """The last part of a photo's path, or just its ending."""
        start = self._name_ends[row - 1] if row else 0
        return self._names[start : self._name_ends[row]].decode("utf-8", "surrogateescape")

    def add(self, table: TableFile, path: str) -> None:
        """Read one more file."""
        before = sum(file.count for file in self.files if file.table.split == table.split)
        file = ScannedFile(table, path, first=self.count, first_in_split=before)
        self.files.append(file)
        try:
            descriptor = open_regular(path)
        except RefusedError as refused:
            self._note(table.split, refused.finding(table.name))
            return
        try:
            status = os.fstat(descriptor)
            file.stamp, file.mode = (status.st_size, status.st_mtime_ns), status.st_mode & 0o777
            try:
                read = self._parquet if table.is_parquet else self._arrow
                for batch, bases in read(file, descriptor):
                    self._add_rows(file, batch, bases)
            except SourceError:
                raise
            except arrow_errors() as error:
                detail = f"after {counted(file.count, 'row')}: {shown(str(error))}"
                detail = f"{detail}; those are packed"
                finding = Finding(table.name, Severity.PROBLEM, "damaged-file", detail)
                self._note(table.split, finding)
        finally:
            os.close(descriptor)

    def _columns_of(self, file: ScannedFile, schema: Any) -> Columns:
        found = find_columns(schema)
        if self.columns is None:
            self.columns = found
            self.objects = ObjectTable(found.object_fields) if found.objects else None
        if replace(found, kept=(), others=()) != replace(self.columns, kept=(), others=()):
            raise LabelError("its columns or classes are not those of the first file")
        file.kept = found.kept if self.texts is not None else ()
        return found

    def _parquet(self, file: ScannedFile, _descriptor: int) -> Iterator[tuple[Any, list[str]]]:
        opened = open_parquet(file.path)
        columns = self._columns_of(file, opened.schema_arrow)
        paths = f"{columns.image}.path"
        known = {opened.schema.column(n).path for n in range(len(opened.schema.names))}
        wanted = [columns.label, columns.objects, columns.image_id, *file.kept]
        wanted = [name for name in dict.fromkeys(wanted) if name] + (
            [paths] if paths in known else []
        )
        left = opened.metadata.num_rows
        if left > file.stamp[0]:
            raise LabelError(f"it states {left:,} rows, and has {file.stamp[0]:,} bytes")
        if not wanted:
            for _ in range(0, left, _ROWS_AT_ONCE):
                count = min(left, _ROWS_AT_ONCE)
                left -= count
                empty = arrow().record_batch([arrow().nulls(count)], names=[""])
                yield empty, [self._ending(file, opened)] * count
            return
        for batch in opened.iter_batches(batch_size=_ROWS_AT_ONCE, columns=wanted):
            texts = [None] * len(batch)
            if paths in wanted:
                texts = batch.column(columns.image).field("path").to_pylist()
            bases = [_base(text) for text in texts]
            yield batch, [base or self._ending(file, opened) for base in bases]

    def _ending(self, file: ScannedFile, opened: Any) -> str:
        """The ending of photos without a path, by the file's first photo."""
        if file.ending is None:
            assert self.columns is not None
            file.ending = _first_ending(opened, self.columns)
        return file.ending

    def _arrow(self, file: ScannedFile, descriptor: int) -> Iterator[tuple[Any, list[str]]]:
        for batch, address in arrow_batches(file.path):
            batch.validate(full=True)  # or offsets of a hostile file would be followed anywhere
            columns = self._columns_of(file, batch.schema)
            column = photos = batch.column(columns.image)
            valid = column.is_valid()
            texts = [None] * len(batch)
            if columns.is_struct:
                photos = column.field("bytes")
                if column.type.get_field_index("path") >= 0:
                    texts = column.field("path").to_pylist()
            before = len(file.sizes)
            if not photo_extents(photos, valid, address, file):
                raise LabelError("photos that do not stand in it: compressed batches, or damage")
            bases = [_base(text) for text in texts]
            for place, base in enumerate(bases):
                if not base and file.sizes[before + place] >= 0:
                    count = min(SNIFF_BYTES, file.sizes[before + place])
                    head = os.pread(descriptor, count, file.offsets[before + place])
                    bases[place] = extension_of(format_by_bytes(head))
            yield batch, bases

    def _add_rows(self, file: ScannedFile, batch: Any, bases: list[str]) -> None:
        columns = self.columns
        assert columns is not None

        def values(name: str) -> list[Any]:
            return batch.column(name).to_pylist() if name else []

        # All of a batch or none, so that a damaged one shifts nothing.
        labels, ids, objects = map(values, (columns.label, columns.image_id, columns.objects))
        cells = list(zip(*map(values, file.kept), strict=True))
        if columns.names:
            self.class_ids.extend(_class_id(value, columns.names) for value in labels)
        else:
            for number, value in enumerate(labels, start=self.count):
                self.classes.add(class_value(value))
                if self.no_class is None and _is_broken(value):
                    self.no_class = number, value
        self.image_ids.extend(value if value and abs(value) < _ID_LIMIT else 0 for value in ids)
        if self.objects is not None:
            for value in objects:
                self.objects.add(value)
        if self.texts is not None:
            for row in cells or [()] * len(bases):
                self.texts.add(row_text(dict(zip(file.kept, row, strict=True))))
            if self.texts.size_bytes > MAX_TEXT_BYTES:
                self.texts, file.kept = None, ()
        for base in bases:
            self._names += base.encode("utf-8", "surrogateescape")
            self._name_ends.append(len(self._names))
        file.count += len(bases)


def _base(path: object) -> str:
    """The last part of a path; "" where it has none that could be a file's name."""
    text = path.replace("\\", "/").rpartition("/")[2] if isinstance(path, str) else ""
    if unsafe_reason(text) is not None or len(text.encode("utf-8", "replace")) > 200:
        return ""
    return text.encode("utf-8", "replace").decode()


def _class_id(value: object, names: tuple[str, ...]) -> int:
    if value is None or value == -1:
        return -1
    if isinstance(value, str):
        return names.index(value) if value in names else NO_SUCH_CLASS
    return value if isinstance(value, int) and 0 <= value < len(names) else NO_SUCH_CLASS


def _is_broken(value: object) -> bool:
    """Whether it is a number, and none of a class; NaN is as good as nothing, as pandas has it."""
    return isinstance(value, float) and not value.is_integer() and not math.isnan(value)


def _first_ending(opened: Any, columns: Columns) -> str:
    """The ending of a Parquet file's photos, by the first of them."""
    column = f"{columns.image}.bytes" if columns.is_struct else columns.image
    for batch in opened.iter_batches(batch_size=1, columns=[column]):
        found = batch.column(0)[0].as_py()
        data = found.get("bytes") if isinstance(found, dict) else found
        return extension_of(format_by_bytes(bytes(data[:SNIFF_BYTES]))) if data else ""
    return ""
