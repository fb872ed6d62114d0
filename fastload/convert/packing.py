"""One store of a packing: its writer, its job, and the store that it may replace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from fastload.convert.changes import Changes
from fastload.convert.current import findings_if_current
from fastload.convert.earlier import EarlierStore
from fastload.convert.findings import Finding
from fastload.convert.job import PackJob
from fastload.convert.options import PackOptions
from fastload.convert.pack_header import pack_columns, pack_header
from fastload.convert.progress import Progress
from fastload.convert.summary import Contents, misnamed, problems_of, unlabelled
from fastload.convert.targets import Target
from fastload.errors import PackError, ResumeError, StoreError
from fastload.store import (
    CommittedSamples,
    Store,
    StoreWriter,
    partial_path,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Packing"]

#: Choices of which files are packed; all others are of what becomes of their bytes.
_CHOOSING = {"layout", "follow_links", "extensions", "max_file_bytes", "dedupe", "near"}
_CHOOSING |= {"split", "source_state", "copied_from", "divided"}


class Packing:
    """Packs one target. Begun for all targets before any is published.

    Args:
        target: where to and what.
        options: as given to ``pack``.
        note: called with each finding.

    Attributes:
        target: as given.
        earlier: with ``update``: the store that was there; None where there is none, or where
            nothing is to be done about it.
        changes: with ``update``: what became of the store that was there; after ``publish``.
        photos: packed in this run.
        source_bytes: of those.
        contents: what is in the store; after ``publish``.
        store_bytes: its size; of a dry run, about.

    Raises:
        PackError: the store that is to be updated cannot be, or as ``StoreWriter`` says.
    """

    def __init__(
        self, target: Target, options: PackOptions, note: Callable[[Finding], None]
    ) -> None:
        self.target = target
        self.changes: Changes | None = None
        self.photos = self.source_bytes = self.store_bytes = 0
        self.contents = Contents()
        self._options = options
        self._note = note
        split = {"split": target.split} if target.split else {}
        self._header = pack_header(target.source, options, **split)
        self._listed = False
        self.earlier: EarlierStore | None = None
        self._writer: StoreWriter | None = None
        self._stack = ExitStack()
        try:
            if not target.published and not (options.update and self._look_back()):
                self._writer = self._stack.enter_context(self._begin(options.restart))
        except BaseException:
            self.close()
            raise

    @property
    def committed_count(self) -> int:
        """Photos as of the last commit, of this run or an earlier one."""
        return 0 if self._writer is None else self._writer.committed_count

    @property
    def is_empty(self) -> bool:
        """The source has files, and none of them could be packed."""
        writer = self._writer
        return writer is not None and bool(writer.committed_position and not writer.committed_count)

    def _look_back(self) -> bool:
        """Open the store that is to be updated; whether nothing is to be done about it."""
        target, options = self.target, self._options
        self._finish_interrupted()
        if not target.path.exists():
            return False
        try:
            store = self._stack.enter_context(Store(target.path))
            self._check_choices(store)
            is_begun = partial_path(target.path).exists() and not options.dry_run
            if not options.checksum and not is_begun:
                found = findings_if_current(store, self._header, target.source, options)
                if found is not None:
                    for finding in found:
                        self._note(finding)
                    self._listed = True
                    self.changes = Changes(unchanged=len(store))
                    return True
            self.earlier = EarlierStore(store)
        except StoreError as error:
            raise PackError(f"{error}; it cannot be updated: --overwrite packs it anew") from error
        return False

    def _finish_interrupted(self) -> None:
        """Publish what an earlier run was publishing: the source may have changed since."""
        options = self._options
        if partial_path(self.target.path).exists() and not (options.restart or options.dry_run):
            with self._begin(restart=False) as writer:
                if writer.publishing:
                    writer.publish()

    def _check_choices(self, store: Store) -> None:
        before, now = dict(store.header.options), dict(self._header.options)
        before["tile_width"], now["tile_width"] = store.header.tile_width, self._header.tile_width
        differences = [
            f"{name} {before.get(name)!r}, now {now.get(name)!r}"
            for name in sorted((before.keys() | now.keys()) - _CHOOSING)
            if before.get(name) != now.get(name)
        ]
        if differences:
            raise PackError(
                f"{store.path}: was packed with other choices: {'; '.join(differences)}; update "
                "it with the same, or pack it anew with --overwrite"
            )

    @property
    def _may_begin_anew(self) -> bool:
        """What an interrupted update leaves is worth little: most of it is in the old store."""
        return self._options.update and self.target.path.exists()

    def _begin(self, restart: bool) -> StoreWriter:
        target, options = self.target, self._options
        try:
            return StoreWriter(
                target.path,
                self._header,
                columns=pack_columns(options),
                files=target.source.files,
                restart=restart,
                overwrite=options.overwrite or options.update,
                dry=options.dry_run,
            )
        except ResumeError:
            if not self._may_begin_anew:
                raise
            return self._begin(restart=True)

    def run(self, progress: Progress, others: Sequence[EarlierStore] = ()) -> None:
        """Pack all that is not packed yet, and commit it; ``PackJob.run`` says what it raises.

        Args:
            progress: shown how far it is.
            others: the earlier stores of other targets.
        """
        if self._writer is None:
            return
        try:
            self._run(self._writer, progress, others)
        except ResumeError:
            if not self._may_begin_anew:
                raise
            self._writer.close()
            self._writer = self._stack.enter_context(self._begin(restart=True))
            self._run(self._writer, progress, others)

    def _run(self, writer: StoreWriter, progress: Progress, others: Sequence[EarlierStore]) -> None:
        source, options = self.target.source, self._options
        job = PackJob(source, writer, options, self._note, self.earlier, others)
        self._listed = job.run(progress)
        self.photos, self.source_bytes = job.photos, job.source_bytes

    def discard(self) -> None:
        """Delete what is half packed."""
        if self._writer is not None:
            self._writer.discard()

    def publish(self) -> None:
        """Give the store its name, unless it is a dry run; and look at what is in it."""
        writer, options = self._writer, self._options
        if writer is not None and options.update:
            samples = writer.committed_samples()
            if self.earlier is None:
                self.changes = Changes(added=len(samples))
            else:
                self.changes = Changes.between(self.earlier.store, samples)
        if writer is not None and options.dry_run:
            samples = writer.committed_samples()
            self.contents = Contents.of(samples)
            self.store_bytes = writer.size_bytes
            self._tell(samples)
            return
        if writer is not None:
            writer.publish()
        with Store(self.target.path) as store:
            if not self._listed:  # its problems are news
                for finding in problems_of(store):
                    self._note(finding)
            self._tell(store)
            self.contents = Contents.of(store)
        self.store_bytes = self.target.path.stat().st_size

    def _tell(self, samples: Store | CommittedSamples) -> None:
        for finding in (*misnamed(samples), *unlabelled(samples)):
            self._note(finding)

    def close(self) -> None:
        """Leave what is half packed for a later run. Idempotent."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
