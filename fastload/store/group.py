"""The records that wait for a commit."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

from fastload.errors import PackError
from fastload.records import Buffer, Record, record_parts, renumbered_parts
from fastload.store.blocks import join_blocks
from fastload.store.catalog import META, PENDING, RECORDS, STATE
from fastload.store.columns import LENGTH, MAX_COLUMN_BYTES, ColumnSpec
from fastload.store.header import MAX_NAMES, NO_CLASS, NO_SPLIT, WriterHeader, seal
from fastload.store.label_encoding import LabelEncoder, label_columns
from fastload.store.labels import SampleLabels
from fastload.store.names import name_bytes
from fastload.store.pack_file import PackFile, Transaction
from fastload.store.pack_state import PackState
from fastload.store.pending import NAME_COLUMNS, PROBLEMS_CHUNKS, chunk_key, encode_chunk
from fastload.store.problem import Problem, dump_problems
from fastload.store.sample_rows import SampleRows

__all__ = ["Group"]

_KEY = struct.Struct("=Q")  # LMDB compares integer keys in the machine's order


class Group:
    """Records, their metadata and problems, in memory until they are written as one.

    Attributes:
        record_bytes: of the records and the labels.
        problems: reported since the last commit.
        new_formats: formats met for the first time.
    """

    def __init__(self, columns: Sequence[ColumnSpec], header: WriterHeader) -> None:
        self._header = header
        name_sizes, name_texts = NAME_COLUMNS
        self._specs = (*columns, LENGTH, name_sizes, name_texts)
        self._rows = SampleRows(self._specs[:-1])
        self._names = bytearray()
        annotations = header.annotations
        has_labels = annotations is not None and (annotations.objects or annotations.label_files)
        self._labels = LabelEncoder(annotations) if annotations and has_labels else None
        self._label_data = (
            {}
            if annotations is None
            else {spec.name: bytearray() for spec in label_columns(annotations)}
        )
        self._records: list[tuple[Buffer, Buffer]] = []
        self.record_bytes = 0
        self.problems: list[Problem] = []
        self.new_formats: list[str] = []

    @property
    def count(self) -> int:
        """Samples in the group."""
        return len(self._records)

    @property
    def is_empty(self) -> bool:
        """Neither samples nor problems."""
        return not self._records and not self.problems

    def add(
        self,
        index: int,
        record: Record,
        name: str | bytes,
        format_name: str,
        values: Mapping[str, object],
        extra: Mapping[str, object],
        known_formats: tuple[str, ...],
        labels: SampleLabels | None = None,
        encoded: Buffer | None = None,
    ) -> None:
        """Add a sample, or raise ValueError and leave the group as it was."""
        encoded_name = name_bytes(name)
        if not encoded_name or b"\0" in encoded_name:
            raise ValueError(f"name: expected a relative path without NUL, found {name!r:.200}")
        class_id, split = values["class_id"], values["split"]
        if class_id != NO_CLASS and class_id not in range(len(self._header.class_names)):
            raise ValueError(
                f"class_id: expected 0..{len(self._header.class_names) - 1} or {NO_CLASS}, "
                f"found {class_id!r}"
            )
        if split != NO_SPLIT and split not in range(len(self._header.split_names)):
            raise ValueError(
                f"split: expected 0..{len(self._header.split_names) - 1} or {NO_SPLIT}, "
                f"found {split!r}"
            )
        formats = [*known_formats, *self.new_formats]
        if format_name not in formats:
            formats.append(format_name)
        parts = (
            record_parts(record, index=index)
            if encoded is None
            else renumbered_parts(encoded, index)
        )
        length = sum(map(len, parts))
        row_values = {
            **values,
            **extra,
            "format": formats.index(format_name),
            LENGTH.name: length,
            "names.sizes": len(encoded_name),
        }
        if len(formats) > MAX_NAMES:
            raise ValueError(f"format: expected at most {MAX_NAMES} of them, found {format_name!r}")
        if row_values.keys() != self._rows.names or not extra.keys().isdisjoint(values):
            unknown = (extra.keys() - self._rows.names) | (extra.keys() & values.keys())
            raise ValueError(
                f"extra: expected values of the store's further columns; not among them: "
                f"{sorted(unknown)}, missing: {sorted(self._rows.names - row_values.keys())}"
            )
        row = self._rows.encode(row_values)
        if self._labels is None and labels is not None:
            raise ValueError("labels: expected none, as the header has no annotations of objects")
        encoded_labels = self._labels.encode(labels or SampleLabels()) if self._labels else {}
        # Nothing below can fail.
        self._rows.add(row)
        self._names += encoded_name
        for column, item in encoded_labels.items():
            self._label_data[column] += item
        self._records.append(parts)
        self.record_bytes += length + sum(map(len, encoded_labels.values()))
        self.new_formats = formats[len(known_formats) :]

    def write(
        self,
        file: PackFile,
        first_index: int,
        state: PackState,
        label_bytes: Mapping[str, int] | None = None,
    ) -> None:
        """Commit the group together with ``state``; the group itself stays as it is.

        ``label_bytes`` are the committed bytes of each label column.
        """
        chunks = {
            chunk_key(name, state.sequence): encode_chunk(data)
            for name, data in self.columns()
            if data
        }
        if self.problems:
            problems = encode_chunk(dump_problems(self.problems))
            chunks[chunk_key(PROBLEMS_CHUNKS, state.sequence)] = problems
        sizes = {spec.name: state.count * spec.item_bytes for spec in self._specs}
        for name, added in self.label_bytes().items():
            sizes[name] = (label_bytes or {}).get(name, 0) + added
        for name, size in sizes.items():
            if size > MAX_COLUMN_BYTES:
                raise PackError(
                    f"column {name} would have more than {MAX_COLUMN_BYTES} bytes; "
                    "pack into several stores"
                )

        def put_all(transaction: Transaction) -> None:
            for place, block in join_blocks(self._records):
                transaction.put(RECORDS, _KEY.pack(first_index + place), block, append=True)
            for key, chunk in chunks.items():
                transaction.put(PENDING, key, chunk)
            transaction.put(META, STATE, seal(state.to_json()))

        file.transact(put_all, self.record_bytes + sum(map(len, chunks.values())))

    def columns(self) -> Iterator[tuple[str, bytes]]:
        """``(name, data)`` of what waits for each column."""
        yield from self._rows.columns()
        yield NAME_COLUMNS[1].name, bytes(self._names)
        for name, data in self._label_data.items():
            yield name, bytes(data)

    def label_bytes(self) -> dict[str, int]:
        """Bytes that wait for each label column; offsets count as what they will take."""
        return {
            name: len(data) * (2 if name.endswith(".sizes") else 1)
            for name, data in self._label_data.items()
        }

    def clear(self) -> None:
        """Forget what was written."""
        self._records.clear()
        self.record_bytes = 0
        self.problems.clear()
        self.new_formats = []
        self._rows.clear()
        self._names = bytearray()
        self._label_data = {name: bytearray() for name in self._label_data}
