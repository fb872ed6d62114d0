"""``StoreWriter``: packs records into a partial file, group by group, and publishes it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fastload.errors import PackError
from fastload.records import Buffer, Record
from fastload.store.columns import LENGTH, PHOTO_COLUMNS, ColumnSpec
from fastload.store.committed import CommittedSamples
from fastload.store.dry_store import DryStore
from fastload.store.group import Group
from fastload.store.header import MAX_NAMES, NO_CLASS, NO_SPLIT, WriterHeader
from fastload.store.labels import SampleLabels
from fastload.store.names import Names
from fastload.store.pack_state import PackPlan
from fastload.store.partial import partial_path
from fastload.store.partial_store import PartialStore
from fastload.store.problem import Problem

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["StoreWriter"]


class StoreWriter:
    """Packs a store into ``<path>.partial`` and publishes it as ``path``.

    Appended records wait in memory until ``commit``, which writes the whole group, or nothing, and
    returns when it is on the disk. Whatever is killed then, the next writer goes on from the last
    commit: look at ``committed_position`` (and ``committed_names``) to know where. Used by one
    thread at a time.

    ::

        with StoreWriter(path, header) as writer:
            for position in range(writer.committed_position, len(files)):
                writer.append(record, name=..., class_id=...)     # or writer.report(Problem(...))
                if writer.group_bytes > 64 << 20:
                    writer.commit(position + 1)
            writer.commit(len(files))
            writer.publish()

    Args:
        path: the store's file, once published.
        header: what the store says about itself.
        columns: what it holds for each sample beside offsets, names and labels.
        files: the contents of ``header.annotations.files``, as stored, one behind the other.
        resume: go on with a partial file that exists; False: refuse where there is one.
        restart: throw away a partial file that exists.
        overwrite: replace ``path`` where it exists (at ``publish``, by one rename).
        dry: write nothing, keep the columns in memory, and publish nothing.

    Attributes:
        path: the store's file, absolute.
        partial_path: where it grows.
        resumed: this writer goes on with a partial file.

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
        files: bytes = b"",
        resume: bool = True,
        restart: bool = False,
        overwrite: bool = False,
        dry: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self.partial_path = partial_path(self.path)
        self._overwrite = overwrite
        plan = PackPlan(_checked(header, files), tuple(columns), uuid.uuid4().hex)
        self._group = Group(plan.columns, plan.header)
        self._refuse_existing()
        self._store: PartialStore | DryStore = (
            DryStore(plan, files)
            if dry
            else PartialStore(self.partial_path, plan, files, resume=resume, restart=restart)
        )
        self._is_open = True
        self.resumed = self._store.resumed

    def _refuse_existing(self) -> None:
        if self.path.is_dir():
            raise PackError(f"{self.path}: expected a file to write, found a folder")
        if self.path.exists() and not self.path.is_file():  # /dev/null is not to be replaced
            raise PackError(f"{self.path}: expected a file to write, found a device or a FIFO")
        if not self._overwrite and os.path.lexists(self.path):
            raise PackError(
                f"{self.path}: exists already; choose another name, or ask for overwriting"
            )

    @property
    def header(self) -> WriterHeader:
        """As given."""
        return self._store.plan.header

    @property
    def committed_count(self) -> int:
        """Samples as of the last commit."""
        return self._store.state.count

    @property
    def committed_problems_count(self) -> int:
        """Problems as of the last commit."""
        return self._store.state.problems_count

    @property
    def committed_position(self) -> int:
        """Files of the source that are dealt with as of the last commit."""
        return self._store.state.position

    @property
    def count(self) -> int:
        """Samples, committed or not; the next ``append`` returns it."""
        return self._store.state.count + self._group.count

    @property
    def group_bytes(self) -> int:
        """Bytes of records that wait for ``commit``."""
        return self._group.record_bytes

    @property
    def size_bytes(self) -> int:
        """Of the partial file; of a dry one, about what the store would take."""
        return self._open_store().size_bytes()

    @property
    def publishing(self) -> bool:
        """An earlier ``publish`` was interrupted: nothing can be added, only published."""
        return self._store.state.publishing

    def committed_names(self) -> Names:
        """The names of all committed samples."""
        return self._open_store().publication().names()

    def committed_column(self, name: str) -> NDArray[Any]:
        """A column's values for all committed samples, such as "source_size"; [N, *item_shape].

        Raises:
            KeyError: no such column.
        """
        return self._open_store().publication().column(name)

    def committed_samples(self) -> CommittedSamples:
        """All committed samples, as they would be published now."""
        store = self._open_store()
        publication = store.publication()
        columns = tuple(spec.name for spec in (*store.plan.columns, LENGTH))
        header = store.state.to_header(store.plan, columns)
        return CommittedSamples(header, publication.names(), publication.column)

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
        labels: SampleLabels | None = None,
        extra: Mapping[str, object] | None = None,
        encoded: Buffer | None = None,
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
            labels: the sample's, where the header has annotations; None: it has none.
            extra: values of further columns, by name.
            encoded: the record's bytes as another store has them, checked: they are then copied,
                and ``record`` only says what is in them.

        Returns:
            the sample's index.

        Raises:
            ValueError: a value does not fit its column.
            PackError: the store is being published.
        """
        self._check_open()
        index = self.count
        values: dict[str, object] = {
            "class_id": class_id,
            "split": split,
            "height": record.height,
            "width": record.width,
            "orientation": record.orientation,
            "codec": int(record.codec),
            "source_size": record.source_size,
            "source_mtime_ns": source_mtime_ns,
            "source_mode": source_mode,
            "content_hash": content_hash,
            "warnings": warnings,
        }
        formats = self._store.state.formats
        self._group.add(index, record, name, format, values, extra or {}, formats, labels, encoded)
        return index

    def report(self, problem: Problem) -> None:
        """Add a problem to the group that the next ``commit`` writes."""
        self._check_open()
        self._group.problems.append(problem)

    def commit(self, position: int) -> None:
        """Write the group; afterwards it survives a kill or a power loss.

        Args:
            position: how many of the source's files are dealt with, this group included.

        Raises:
            NoSpaceError: the disk or quota is full. Earlier commits are intact and the group is
                kept: ``commit`` again once there is room, or ``close``.
            PackError: the disk failed otherwise; likewise.
        """
        self._check_open()
        state = self._store.state
        if position < state.position:
            raise ValueError(f"position: expected {state.position} or more, found {position}")
        if not self._group.is_empty or position != state.position:
            self._store.commit(self._group, position)

    def publish(self, check: Callable[[Path], object] | None = None) -> Path:
        """Write the columns and the header, and rename the partial file to ``path``.

        All samples must be committed. Killed in the middle, it can be called again by the next
        writer. The writer is closed afterwards.

        Args:
            check: called with the path of the finished store before it takes its name; what it
                raises keeps the store from being published.

        Returns:
            the store's path.

        Raises:
            PackError: samples wait for ``commit``, ``path`` came into being, or the disk failed.
            NoSpaceError: the disk or quota is full; the partial file is intact.
        """
        store = self._open_store()
        if not self._group.is_empty:
            raise PackError(
                f"{self.path}: {self._group.count} samples and {len(self._group.problems)} "
                "problems wait for commit(); commit them before publish()"
            )
        self._refuse_existing()
        store.publish(self.path, check)
        self.close()
        return self.path

    def close(self) -> None:
        """Drop what is not committed and leave the partial file for a later writer. Idempotent."""
        self._is_open = False
        self._store.close()

    def discard(self) -> None:
        """Delete the partial file, and close.

        Raises:
            PackError: the writer was closed.
            OSError: the file cannot be deleted.
        """
        self._open_store().discard()
        self.close()

    def _open_store(self) -> PartialStore | DryStore:
        if not self._is_open:
            raise PackError(f"{self.path}: the writer was closed; make another")
        return self._store

    def _check_open(self) -> None:
        if self._open_store().state.publishing:
            raise PackError(
                f"{self.partial_path}: its publishing has begun, nothing can be added: call "
                "publish(), or start anew with restart"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _checked(header: WriterHeader, files: bytes) -> WriterHeader:
    attached = () if header.annotations is None else header.annotations.files
    if sum(file.stored_size for file in attached) != len(files):
        raise ValueError(f"files: expected those of header.annotations, found {len(files)} bytes")
    if len(header.split_names) > MAX_NAMES:
        raise ValueError(f"splits: expected at most {MAX_NAMES}, found {len(header.split_names)}")
    for names in (header.class_names, header.split_names):
        if len(set(names)) != len(names):
            raise ValueError("class_names, split_names: expected each name once")
    # As JSON gives them back, so that a resumed packing compares equal.
    return replace(
        header,
        class_names=tuple(header.class_names),
        split_names=tuple(header.split_names),
        options=dict(header.options),
    )
