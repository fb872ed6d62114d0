"""Copying samples from one store into another, records as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.errors import PackError, RecordError, StoreFormatError
from fastload.records import decode_record
from fastload.store.annotation_merge import LabelAdapter
from fastload.store.annotations import Annotations
from fastload.store.header import WriterHeader
from fastload.store.labels import LabelFile, SampleLabels
from fastload.store.reader import Store
from fastload.store.writer import StoreWriter

__all__ = ["RecordCopier"]

_KEPT = ("source_mtime_ns", "source_mode", "content_hash", "warnings")


class RecordCopier:
    """Copies samples of one store. Records are not decoded, and not packed again.

    Args:
        store: where from; stays the caller's.
        header: of the store that they are copied into. Classes are the same by name.
        splits: the new split id of each sample, or NO_SPLIT; uint8 [N].
        extra: values of the new store's further columns, [N, ...] each.
        prefix: what stands before each name.
    """

    def __init__(
        self,
        store: Store,
        header: WriterHeader,
        *,
        splits: NDArray[np.uint8],
        extra: Mapping[str, NDArray[Any]],
        prefix: str = "",
    ) -> None:
        self.store = store
        self.prefix = prefix
        self._splits = splits
        self._extra = extra
        self._columns = {name: store.column(name) for name in ("format", "class_id", *_KEPT)}
        before, after = store.header.class_names, header.class_names
        places = {name: place for place, name in enumerate(after)}
        class_ids = np.array([places[name] for name in before], np.int32)
        self._class_ids = np.append(class_ids, -1)
        # Where no id becomes another, those without a name may stay too.
        is_same = before == after[: len(before)]
        self._source = store.header.annotations
        self._adapter = None
        if header.annotations is not None:
            self._adapter = LabelAdapter(header.annotations, None if is_same else class_ids)

    def copy(self, index: int, writer: StoreWriter) -> None:
        """Append one sample.

        Raises:
            RecordError: its record is damaged.
            PackError: its labels do not fit, or are damaged.
        """
        try:
            self._append(index, writer)
        except RecordError:
            raise
        except (ValueError, StoreFormatError) as error:
            raise PackError(
                f"{self.store.path}: sample {index} cannot be copied: {error}; the store is "
                "damaged, pack its source again"
            ) from error

    def _append(self, index: int, writer: StoreWriter) -> None:
        store, columns = self.store, self._columns
        encoded = store.record_bytes(index, verify=True)
        writer.append(
            decode_record(encoded, verify_body=False),
            name=self.prefix.encode("utf-8", "surrogateescape") + store.names.encoded(index),
            class_id=int(self._class_ids[columns["class_id"][index]]),
            split=int(self._splits[index]),
            format=store.header.formats[int(columns["format"][index])],
            labels=self._labels(index),
            extra={name: values[index] for name, values in self._extra.items()},
            encoded=encoded,
            **{name: _plain(columns[name][index]) for name in _KEPT},  # type: ignore[arg-type]
        )

    def _labels(self, index: int) -> SampleLabels | None:
        source = self._source
        if source is None or self._adapter is None:
            return None
        annotations = Annotations(source, len(self.store), self.store.column)
        labels = annotations[index] if source.objects else SampleLabels()
        return replace(self._adapter.adapt(labels), file=self._file(annotations.label_file(index)))

    def _file(self, file: LabelFile | None) -> LabelFile | None:
        return None if file is None else replace(file, name=self.prefix + file.name)


def _plain(value: Any) -> int | bytes:
    return value.tobytes() if isinstance(value, np.ndarray) else int(value)
