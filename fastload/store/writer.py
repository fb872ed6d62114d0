"""``StoreWriter``: packs records into a partial file, group by group, and publishes it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fastload.disk import fsync_folder
from fastload.errors import PackError, ResumeError, StoreFormatError
from fastload.records import Record
from fastload.store.columns import PHOTO_COLUMNS, ColumnSpec
from fastload.store.group import Group
from fastload.store.header import MAX_NAMES, NO_CLASS, NO_SPLIT, WriterHeader
from fastload.store.labels import SampleLabels
from fastload.store.lmdb_file import LmdbFile
from fastload.store.names import Names
from fastload.store.pack_file import PackFile
from fastload.store.pack_resume import read_progress, read_state
from fastload.store.pack_state import PackPlan, PackState
from fastload.store.partial import LockedFile, partial_path
from fastload.store.problem import Problem
from fastload.store.publish import Publication

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
    ) -> None:
        self.path = Path(path).absolute()
        self.partial_path = partial_path(self.path)
        self.resumed = False
        self._overwrite = overwrite
        self._plan = PackPlan(_checked(header, files), tuple(columns), uuid.uuid4().hex)
        self._files = files
        self._state = PackState()
        self._is_complete = False
        self._label_bytes: dict[str, int] = {}
        self._group = Group(self._plan.columns, self._plan.header)
        self._refuse_existing()
        self._lock: LockedFile | None = LockedFile(self.partial_path)
        self._file = PackFile(self._lock)
        try:
            if restart:
                self._lock.truncate(0)
            self._resume_or_begin(self._lock, resume)
        except BaseException:
            self.close()
            raise

    def _refuse_existing(self) -> None:
        if self.path.is_dir():
            raise PackError(f"{self.path}: expected a file to write, found a folder")
        if not self._overwrite and os.path.lexists(self.path):
            raise PackError(
                f"{self.path}: exists already; choose another name, or ask for overwriting"
            )

    def _resume_or_begin(self, lock: LockedFile, resume: bool) -> None:
        if lock.size_bytes() and not resume:
            raise PackError(f"{self.partial_path}: a half-packed store exists; resume or restart")
        progress = read_progress(lock)
        if progress is None:
            lock.truncate(0)
            plan = self._plan
            self._file.begin(plan.to_json(), self._state.to_json(), self._files)
            # So that a power loss cannot take the file's name while the packing goes on.
            fsync_folder(self.path.parent)
            return
        differences = progress.plan.differences(self._plan.header, self._plan.columns)
        if differences:
            raise ResumeError(
                f"{self.partial_path}: was begun otherwise ({'; '.join(differences)}); repeat the "
                "command that began it, or start anew with --restart"
            )
        self.resumed = True
        self._plan, self._state = progress.plan, progress.state
        self._is_complete = progress.is_complete
        self._file.trim()
        self._label_bytes = self._publication().label_bytes()

    @property
    def header(self) -> WriterHeader:
        """As given."""
        return self._plan.header

    @property
    def committed_count(self) -> int:
        """Samples as of the last commit."""
        return self._state.count

    @property
    def committed_problems_count(self) -> int:
        """Problems as of the last commit."""
        return self._state.problems_count

    @property
    def committed_position(self) -> int:
        """Files of the source that are dealt with as of the last commit."""
        return self._state.position

    @property
    def count(self) -> int:
        """Samples, committed or not; the next ``append`` returns it."""
        return self._state.count + self._group.count

    @property
    def group_bytes(self) -> int:
        """Bytes of records that wait for ``commit``."""
        return self._group.record_bytes

    @property
    def publishing(self) -> bool:
        """An earlier ``publish`` was interrupted: nothing can be added, only published."""
        return self._state.publishing

    def committed_names(self) -> Names:
        """The names of all committed samples."""
        return self._publication().names()

    def committed_column(self, name: str) -> NDArray[Any]:
        """A column's values for all committed samples, such as "source_size"; [N, *item_shape].

        Raises:
            KeyError: no such column.
        """
        return self._publication().column(name)

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
        self._group.add(
            index, record, name, format, values, extra or {}, self._state.formats, labels
        )
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
        lock = self._check_open()
        group, state = self._group, self._state
        if position < state.position:
            raise ValueError(f"position: expected {state.position} or more, found {position}")
        if group.is_empty and position == state.position:
            return
        next_state = replace(
            state,
            sequence=state.sequence + 1,
            count=state.count + group.count,
            problems_count=state.problems_count + len(group.problems),
            position=position,
            formats=state.formats + tuple(group.new_formats),
        )
        try:
            group.write(self._file, state.count, next_state, self._label_bytes)
        except BaseException as error:
            # A signal, or a failure to report: the group may be in the file all the same.
            if not self._is_committed(lock, next_state):
                raise
            self._advance(next_state)
            if not isinstance(error, PackError):
                raise
        else:
            self._advance(next_state)

    def _advance(self, state: PackState) -> None:
        """The group was committed."""
        self._state = state
        for name, added in self._group.label_bytes().items():
            self._label_bytes[name] = self._label_bytes.get(name, 0) + added
        self._group.clear()

    def _is_committed(self, lock: LockedFile, state: PackState) -> bool:
        """Whether the file has that state, and will have it after a power loss."""
        self._file.close()
        try:
            file = LmdbFile(lock.descriptor, str(self.partial_path), cut_at_end=True)
            if read_state(file, str(self.partial_path)) != state:
                return False
            lock.sync()
        except (StoreFormatError, OSError):
            return False
        return True

    def publish(self) -> Path:
        """Write the columns and the header, and rename the partial file to ``path``.

        All samples must be committed. Killed in the middle, it can be called again by the next
        writer. The writer is closed afterwards.

        Returns:
            the store's path.

        Raises:
            PackError: samples wait for ``commit``, ``path`` came into being, or the disk failed.
            NoSpaceError: the disk or quota is full; the partial file is intact.
        """
        self._lock_or_raise()
        if not self._group.is_empty:
            raise PackError(
                f"{self.path}: {self._group.count} samples and {len(self._group.problems)} "
                "problems wait for commit(); commit them before publish()"
            )
        self._refuse_existing()
        publication = self._publication()
        if not self._is_complete:
            self._state = publication.write()
            self._is_complete = True
        publication.rename(self.path)
        self.close()
        return self.path

    def close(self) -> None:
        """Drop what is not committed and leave the partial file for a later writer. Idempotent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            self._file.close()
            lock.close()

    def discard(self) -> None:
        """Delete the partial file, and close.

        Raises:
            PackError: the writer was closed.
            OSError: the file cannot be deleted.
        """
        self._lock_or_raise()
        self.partial_path.unlink()
        self.close()

    def _publication(self) -> Publication:
        return Publication(self._lock_or_raise(), self._file, self._plan, self._state)

    def _lock_or_raise(self) -> LockedFile:
        if self._lock is None:
            raise PackError(f"{self.path}: the writer was closed; make another")
        return self._lock

    def _check_open(self) -> LockedFile:
        lock = self._lock_or_raise()
        if self._state.publishing:
            raise PackError(
                f"{self.partial_path}: its publishing has begun, nothing can be added: call "
                "publish(), or start anew with restart"
            )
        return lock

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
