"""``StoreWriter``: packs records into a partial file, group by group, and publishes it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.records import Record
from fastload.store.columns import PHOTO_COLUMNS, ColumnSpec
from fastload.store.header import NO_CLASS, NO_SPLIT, WriterHeader
from fastload.store.names import Names
from fastload.store.problem import Problem

__all__ = ["StoreWriter"]


class StoreWriter:
    """Packs a store into ``<path>.partial`` and publishes it as ``path``.

    Appended records wait in memory until ``commit``, which writes the whole group, or nothing, and
    returns when it is on the disk. Whatever is killed then, the next writer goes on from the last
    commit: look at ``committed_position`` (and ``committed_names``) to know where. Used by one
    thread at a time.

    ::

        with StoreWriter(path, header) as writer:
            for position, file in enumerate(files[writer.committed_position:], ...):
                writer.append(record, name=..., class_id=...)     # or writer.report(Problem(...))
                if writer.group_bytes > 64 << 20:
                    writer.commit(position + 1)
            writer.commit(len(files))
            writer.publish()

    Args:
        path: the store's file, once published.
        header: what the store says about itself.
        columns: what it holds for each sample beside offsets and names.
        resume: go on with a partial file that exists; False: refuse where there is one.
        restart: throw away a partial file that exists.
        overwrite: replace ``path`` where it exists (at ``publish``, by one rename).

    Raises:
        PackError: ``path`` exists and ``overwrite`` is False; a partial exists and ``resume`` is
            False; or another process packs this store.
        ResumeError: the partial was begun with another header or other columns.
        StoreFormatError: the partial is damaged.
        NoSpaceError: the disk is full.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: WriterHeader,
        *,
        columns: Sequence[ColumnSpec] = PHOTO_COLUMNS,
        resume: bool = True,
        restart: bool = False,
        overwrite: bool = False,
    ) -> None:
        raise NotImplementedError

    path: Path
    partial_path: Path
    #: False where this writer began the partial file, True where it goes on with one.
    resumed: bool
    #: Samples, problems and source files as of the last commit.
    committed_count: int
    committed_problems_count: int
    committed_position: int

    @property
    def count(self) -> int:
        """Samples, committed or not; the next ``append`` returns it."""
        raise NotImplementedError

    @property
    def group_bytes(self) -> int:
        """Bytes of records that wait for ``commit``."""
        raise NotImplementedError

    @property
    def publishing(self) -> bool:
        """An earlier ``publish`` was interrupted: nothing can be added, only published."""
        raise NotImplementedError

    def committed_names(self) -> Names:
        """The names of all committed samples."""
        raise NotImplementedError

    def committed_column(self, name: str) -> NDArray[Any]:
        """A column's values for all committed samples, such as "source_size"."""
        raise NotImplementedError

    def append(
        self,
        record: Record,
        *,
        name: str | bytes,
        class_id: int = NO_CLASS,
        split: int = NO_SPLIT,
        format: str = "JPEG",
        source_mtime_ns: int = 0,
        source_mode: int = 0,
        content_hash: bytes = bytes(16),
        warnings: int = 0,
        extra: Mapping[str, object] | None = None,
    ) -> int:
        """Add a sample to the group that the next ``commit`` writes.

        The columns height, width, orientation, codec and source_size come from the record;
        its ``index`` is ignored.

        Args:
            record: the picture.
            name: relative path with "/", unique; str as ``os.fsdecode`` gives it.
            class_id: index in ``class_names``, or NO_CLASS.
            split: index in ``split_names``, or NO_SPLIT.
            format: as Pillow names it; the store keeps a table of those it meets (at most 255).
            source_mtime_ns: of the original file.
            source_mode: ``st_mode`` of the original file.
            content_hash: ``xxh3_128`` of the original file, 16 bytes.
            warnings: how many libjpeg gave.
            extra: values of further columns, by name.

        Returns:
            the sample's index.

        Raises:
            ValueError: a value does not fit its column.
            PackError: the store is being published.
        """
        raise NotImplementedError

    def report(self, problem: Problem) -> None:
        """Add a problem to the group that the next ``commit`` writes."""
        raise NotImplementedError

    def commit(self, position: int) -> None:
        """Write the group; afterwards it survives a kill or a power loss.

        Args:
            position: how many of the source's files are dealt with, this group included.

        Raises:
            NoSpaceError: the disk or quota is full. Earlier commits are intact and the group is
                kept: ``commit`` again once there is room, or ``close``.
            PackError: the disk failed otherwise; likewise.
        """
        raise NotImplementedError

    def publish(self) -> Path:
        """Write the columns and the header, and rename the partial file to ``path``.

        All samples must be committed. Killed in the middle, it can be called again by the next
        writer. The writer is closed afterwards.

        Raises:
            PackError: samples wait for ``commit``, ``path`` came into being, or the disk failed.
            NoSpaceError: the disk or quota is full; the partial file is intact.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Drop what is not committed and leave the partial file for a later writer. Idempotent."""
        raise NotImplementedError

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
