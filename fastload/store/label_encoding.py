"""A sample's labels as bytes for each column, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.store.annotation_header import AnnotationHeader
from fastload.store.annotation_tables import annotation_tables, sample_columns
from fastload.store.columns import ColumnSpec
from fastload.store.labels import LabelState, Objects, SampleLabels

__all__ = ["LabelEncoder", "label_columns"]

_MODE_LIMIT = 1 << 32
_INTEGERS = {"uint8", "uint32", "uint64", "int32", "int64"}


def label_columns(header: AnnotationHeader) -> tuple[ColumnSpec, ...]:
    """All columns that wait for publishing: tables' offsets wait as sizes."""
    found = list(sample_columns(header))
    for table in annotation_tables(header):
        found += [table.sizes, *table.columns]
    return tuple(found)


class LabelEncoder:
    """Makes bytes of labels.

    Args:
        header: the store's; says which columns there are.
    """

    def __init__(self, header: AnnotationHeader) -> None:
        self._header = header
        self._columns = {spec.name: _Column(spec) for spec in label_columns(header)}

    def encode(self, labels: SampleLabels) -> dict[str, bytes]:
        """The bytes that each of ``label_columns`` grows by.

        Raises:
            ValueError: the labels do not fit the header, or are no labels.
        """
        header, objects = self._header, labels.objects
        if not header.objects:
            if labels.state is not LabelState.MISSING or len(objects):
                raise ValueError("labels: the store was begun without objects")
            return self._encode(self._file(labels))
        if (labels.state is LabelState.PRESENT) != bool(len(objects)):
            raise ValueError(f"labels: {labels.state.name} with {len(objects)} objects")
        values: dict[str, Any] = {
            "label_state": int(labels.state),
            "label_upright": int(labels.upright),
            "objects.sizes": len(objects),
            "objects.class_id": objects.class_ids,
            "objects.box": objects.boxes,
        }
        if header.image_ids:
            values["label_image_id"] = labels.image_id
        if len(objects) and set(objects.fields) != set(header.object_fields):
            raise ValueError(
                f"objects: expected the fields {sorted(header.object_fields)}, "
                f"found {sorted(objects.fields)}"
            )
        for name in header.object_fields:
            values[f"objects.{name}"] = objects.fields.get(name, ())
        values |= self._polygons(objects) | self._masks(objects) | self._file(labels)
        encoded = self._encode(values)
        for name, data in encoded.items():
            is_row = name.startswith("objects.") and name != "objects.sizes"
            if is_row and len(data) != len(objects) * self._columns[name].item_bytes:
                raise ValueError(f"column {name}: expected {len(objects)} rows")
        if len(objects) and int(np.min(objects.class_ids)) < 0:
            raise ValueError(f"class ids: expected 0 or more, found {np.min(objects.class_ids)}")
        return encoded

    def _encode(self, values: dict[str, Any]) -> dict[str, bytes]:
        return {name: self._columns[name].encode(value) for name, value in values.items()}

    def _polygons(self, objects: Objects) -> dict[str, Any]:
        if not self._header.polygons:
            if objects.polygon_counts is not None and len(objects.points):
                raise ValueError("polygons: the store was begun without")
            return {}
        counts = _counts(objects.polygon_counts, len(objects), len(objects.point_counts))
        point_counts = _counts(objects.point_counts, len(objects.point_counts), len(objects.points))
        return {
            "polygons.sizes": counts,
            "points.sizes": point_counts,
            "points.xy": objects.points,
        }

    def _masks(self, objects: Objects) -> dict[str, Any]:
        if not self._header.masks:
            if len(objects.runs):
                raise ValueError("masks: the store was begun without")
            return {}
        counts = _counts(objects.run_counts, len(objects), len(objects.runs))
        return {"runs.sizes": counts, "runs.lengths": objects.runs}

    def _file(self, labels: SampleLabels) -> dict[str, Any]:
        file = labels.file
        if not self._header.label_files:
            if file is not None:
                raise ValueError("label file: the store was begun without")
            return {}
        name = b"" if file is None else file.name.encode("utf-8", "surrogateescape")
        text = b"" if file is None else file.text
        return {
            "label_mtime_ns": 0 if file is None else file.mtime_ns,
            "label_mode": 0 if file is None else file.mode % _MODE_LIMIT,
            "label_name.sizes": len(name),
            "label_name.bytes": name,
            "label_text.sizes": len(text),
            "label_text.bytes": text,
        }


class _Column:
    """Makes bytes of one column's values; made once, since NumPy's types take their time."""

    def __init__(self, spec: ColumnSpec) -> None:
        self.item_bytes = spec.item_bytes
        self._spec = spec
        self._dtype = np.dtype(spec.dtype).newbyteorder("<")
        self._is_integer = spec.dtype in _INTEGERS and not spec.item_shape

    def encode(self, value: Any) -> bytes:
        spec, dtype = self._spec, self._dtype
        if isinstance(value, bytes):
            return value
        # A fifth of the time that NumPy would take.
        if type(value) is int and self._is_integer:
            try:
                return value.to_bytes(dtype.itemsize, "little", signed=dtype.kind == "i")
            except OverflowError:
                raise ValueError(
                    f"column {spec.name}: expected {spec.dtype}, found {value}"
                ) from None
        found = np.asarray(value)
        try:
            converted = found.astype(dtype, copy=False)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"column {spec.name}: {error}") from error
        # Floats must be numbers; integers must arrive as they are.
        if dtype.kind == "f":
            fits = bool(np.isfinite(converted).all())
        else:
            fits = converted is found or bool(np.all(converted == found))
        if not fits or converted.nbytes % self.item_bytes:
            raise ValueError(f"column {spec.name}: expected {spec.dtype}, found {value!r:.200}")
        return converted.tobytes()


def _counts(counts: NDArray[np.uint32] | None, rows: int, total: int) -> NDArray[np.uint32]:
    found = np.zeros(rows, np.uint32) if counts is None else counts
    if len(found) != rows or int(found.sum(dtype=np.uint64)) != total:
        raise ValueError(f"expected {rows} counts that add up to {total}, found {found!r:.200}")
    return found
