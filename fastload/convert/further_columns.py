"""The columns that stores have beyond those that every store has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from fastload.errors import PackError
from fastload.store import PHOTO_COLUMNS, ColumnSpec, Store
from fastload.store.label_check import LabelCheck

__all__ = ["further_columns"]

#: What a store says of a file that it keeps, where others say it of the original of theirs.
_FILES = {
    "original_size": "source_size",
    "original_hash": "content_hash",
    "original_height": "height",
    "original_width": "width",
}


def further_columns(
    stores: Sequence[Store],
) -> tuple[tuple[ColumnSpec, ...], list[dict[str, NDArray[Any]]]]:
    """The columns beyond every store's that stores together have, and the values of each.

    Where only some stores say what their originals were, those of the others are their files.

    Raises:
        PackError: another column is not in all of them.
    """
    usual = {spec.name for spec in PHOTO_COLUMNS} | {"file_offset", "length", "shard"}
    specs: dict[str, ColumnSpec] = {}
    for store in stores:
        annotations = store.header.annotations
        labels = () if annotations is None else LabelCheck(annotations, len(store)).names
        for name in store.column_names:
            if name not in usual and name not in labels and not name.startswith("names."):
                values = store.column(name)
                specs[name] = ColumnSpec(name, values.dtype.name, values.shape[1:])
    found = []
    for store in stores:
        columns = {name: name if name in store.column_names else _FILES.get(name) for name in specs}
        missing = [name for name, column in columns.items() if column is None]
        if missing:
            raise PackError(f"{store.path}: expected the column {missing[0]}, as another store has")
        found.append({name: store.column(str(column)) for name, column in columns.items()})
    return tuple(specs.values()), found
