"""What a store says of how it was packed."""

from __future__ import annotations

from fastload.convert.options import PackOptions
from fastload.convert.originals import original_columns
from fastload.convert.sources import Source
from fastload.store import PHOTO_COLUMNS, ColumnSpec, WriterHeader
from fastload.version import __version__

__all__ = ["pack_columns", "pack_header"]


def pack_header(source: Source, options: PackOptions, **more: str) -> WriterHeader:
    """The header of a store of ``source``; ``more``: further options of it."""
    state = {"source_state": source.state} if source.state else {}
    return WriterHeader(
        class_names=source.class_names,
        split_names=source.split_names,
        source=source.root,
        created_by=f"fastload {__version__}",
        options={**options.content(), **more, **state},
        annotations=source.annotations,
    )


def pack_columns(options: PackOptions) -> tuple[ColumnSpec, ...]:
    """The columns that its samples have."""
    return (*PHOTO_COLUMNS, *original_columns(options.content()))
