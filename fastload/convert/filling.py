"""A store that grows: begun, gone on with, or begun anew where that is safer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastload.convert.earlier import EarlierStore
from fastload.convert.findings import Finding
from fastload.convert.job import PackJob
from fastload.convert.options import PackOptions
from fastload.convert.pack_header import pack_columns
from fastload.convert.progress import Progress
from fastload.convert.targets import Target
from fastload.errors import PackError, ResumeError
from fastload.store import StoreWriter, partial_path

__all__ = ["Filling"]


class Filling:
    """The writer of one store's file, and what is packed into it.

    Args:
        target: where to and what.
        options: as given to ``pack``.
        note: called with each finding.
        may_begin_anew: what is half packed is worth little, since most of it is in earlier stores;
            where it does not fit the source, it is thrown away.

    Attributes:
        writer: open until ``close``.
        listed: the source was looked at, and its findings were told.
        photos: packed in this run.
        source_bytes: of those.

    Raises:
        PackError, ResumeError: as ``StoreWriter`` says.
    """

    def __init__(
        self,
        target: Target,
        options: PackOptions,
        note: Callable[[Finding], None],
        *,
        may_begin_anew: bool,
    ) -> None:
        self._target = target
        self._options = options
        self._note = note
        self._may_begin_anew = may_begin_anew
        self.listed = False
        self.photos = self.source_bytes = 0
        self.writer = self._begin(options.restart)

    def _begin(self, restart: bool) -> StoreWriter:
        target, options = self._target, self._options
        partial = partial_path(target.path)
        if partial.is_dir() and not options.dry_run:
            raise PackError(
                f"{partial}: expected no or a half-packed store, found a folder, of half-packed "
                f"shards perhaps; go on with --shards or --shard-bytes, or delete it to pack one "
                "store"
            )
        # A dry run makes no file, and may be of a folder of shards.
        path = target.path / "dry" if options.dry_run else target.path
        try:
            return StoreWriter(
                path,
                target.header(options),
                columns=pack_columns(options),
                files=target.source.files,
                restart=restart,
                overwrite=options.overwrite or options.update,
                dry=options.dry_run,
            )
        except ResumeError:
            if not self._may_begin_anew or restart:
                raise
            return self._begin(restart=True)

    def run(self, progress: Progress, earlier: Sequence[EarlierStore] = ()) -> None:
        """Pack all that is not packed yet, and commit it; ``PackJob.run`` says what it raises.

        Args:
            progress: shown how far it is.
            earlier: where photos are taken from that were packed before; the first is the store
                that is replaced.
        """
        try:
            self._run(progress, earlier)
        except ResumeError:
            if not self._may_begin_anew:
                raise
            self.writer.close()
            self.writer = self._begin(restart=True)
            self._run(progress, earlier)

    def _run(self, progress: Progress, earlier: Sequence[EarlierStore]) -> None:
        source, first = self._target.source, earlier[0] if earlier else None
        job = PackJob(source, self.writer, self._options, self._note, first, earlier[1:])
        self.listed = job.run(progress)
        self.photos, self.source_bytes = job.photos, job.source_bytes

    def close(self) -> None:
        """Leave what is half packed for a later run. Idempotent."""
        self.writer.close()
