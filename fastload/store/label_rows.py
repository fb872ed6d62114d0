"""Which bytes of a store's label columns belong to one sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.native import _core
from fastload.store.annotation_header import AnnotationHeader
from fastload.store.annotation_tables import annotation_tables, sample_columns

__all__ = ["LabelRows"]

#: Facts about the label file itself, not about the picture.
_TIMES = frozenset({"label_mtime_ns", "label_mode"})


class LabelRows:
    """The rows of each sample in all label columns, for telling whether labels are the same.

    Args:
        header: what the labels are.
        sample_count: N.
        column: gives a label column, checked.
        class_ids: what each class id is to be read as; None: as it is. Others are as they are.
    """

    def __init__(
        self,
        header: AnnotationHeader,
        sample_count: int,
        column: Callable[[str], NDArray[Any]],
        class_ids: NDArray[np.int32] | None = None,
    ) -> None:
        # For each column its bytes, the size of a row, and where each sample's rows begin [N + 1].
        self._parts: list[tuple[memoryview, int, NDArray[Any]]] = []
        starts: dict[str | None, NDArray[Any]] = {None: np.arange(sample_count + 1)}
        for spec in sample_columns(header):
            if spec.name not in _TIMES:
                self._add(column(spec.name), starts[None])
        for table in annotation_tables(header):
            offsets = column(table.offsets)
            self._add(np.diff(offsets).astype("<u4"), starts[table.parent])
            starts[table.name] = offsets[starts[table.parent]]
            for spec in table.columns:
                values = column(spec.name)
                if spec.name == "objects.class_id" and class_ids is not None:
                    values = _mapped(values, class_ids)
                self._add(values, starts[table.name])

    def _add(self, values: NDArray[Any], starts: NDArray[Any]) -> None:
        rows = np.ascontiguousarray(values)
        row_bytes = rows.itemsize * int(np.prod(rows.shape[1:], dtype=np.int64))
        self._parts.append((rows.reshape(-1).view(np.uint8).data, row_bytes, starts))

    def digest(self, index: int) -> bytes:
        """XXH3-128 over all of a sample's rows, 16 bytes."""
        return _core.xxh3_128(
            b"".join(
                data[int(starts[index]) * size : int(starts[index + 1]) * size]
                for data, size, starts in self._parts
            )
        )


def _mapped(values: NDArray[Any], class_ids: NDArray[np.int32]) -> NDArray[Any]:
    found = values.copy()
    known = found < len(class_ids)
    found[known] = class_ids[found[known]]
    return found
