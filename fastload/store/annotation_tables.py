"""The columns that hold labels: which a store has, of what type, and how they hang together.

A *table* is a set of columns with the same rows. Its ``offsets`` have a row more than its parent
has rows: rows ``offsets[i]`` to ``offsets[i + 1]`` belong to row i of the parent::

    sample -> objects -> polygons -> points     sample -> label_name, label_text (bytes)
                      -> runs
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastload.store.annotation_header import AnnotationHeader
from fastload.store.columns import ColumnSpec

__all__ = ["FILE_BYTES", "Table", "annotation_tables", "sample_columns"]

#: All attached files, one behind the other, compressed or not.
FILE_BYTES = ColumnSpec("files.bytes", "uint8")

_FIELD_TYPES = {"id": "int64", "area": "float64"}  # the others are truth values


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a store's labels.

    Attributes:
        name: its columns are ``<name>.offsets`` and those in ``columns``.
        parent: the table that it divides; None: the samples.
        columns: with their full names.
    """

    name: str
    parent: str | None
    columns: tuple[ColumnSpec, ...]

    @property
    def offsets(self) -> str:
        """The name of the column of offsets."""
        return f"{self.name}.offsets"

    @property
    def sizes(self) -> ColumnSpec:
        """Rows of each row of the parent, while the offsets wait for publishing."""
        return ColumnSpec(f"{self.name}.sizes", "uint32")


def sample_columns(header: AnnotationHeader) -> tuple[ColumnSpec, ...]:
    """The label columns that have one row a sample."""
    found: list[ColumnSpec] = []
    if header.objects:
        found += [ColumnSpec("label_state", "uint8"), ColumnSpec("label_upright", "uint8")]
    if header.objects and header.image_ids:
        found.append(ColumnSpec("label_image_id", "int64"))
    if header.label_files:
        found += [ColumnSpec("label_mtime_ns", "int64"), ColumnSpec("label_mode", "uint32")]
    return tuple(found)


def annotation_tables(header: AnnotationHeader) -> tuple[Table, ...]:
    """The tables, parents first."""
    return (*(_object_tables(header) if header.objects else ()), *_file_tables(header))


def _file_tables(header: AnnotationHeader) -> Iterator[Table]:
    if header.label_files:
        for name in ("label_name", "label_text"):
            yield Table(name, None, (ColumnSpec(f"{name}.bytes", "uint8"),))


def _object_tables(header: AnnotationHeader) -> Iterator[Table]:
    objects = [ColumnSpec("objects.class_id", "int32"), ColumnSpec("objects.box", "float64", (4,))]
    for field in header.object_fields:
        if field == "keypoints":
            shape = (header.keypoint_shape[0], header.keypoint_shape[1])
            objects.append(ColumnSpec("objects.keypoints", "float64", shape))
        else:
            objects.append(ColumnSpec(f"objects.{field}", _FIELD_TYPES.get(field, "uint8")))
    yield Table("objects", None, tuple(objects))
    if header.polygons:
        yield Table("polygons", "objects", ())
        yield Table("points", "polygons", (ColumnSpec("points.xy", "float64", (2,)),))
    if header.masks:
        yield Table("runs", "objects", (ColumnSpec("runs.lengths", "uint32"),))
