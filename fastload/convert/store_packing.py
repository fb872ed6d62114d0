"""A target that becomes one file; and every target of a dry run, which becomes none."""

from __future__ import annotations

from collections.abc import Sequence

from fastload.convert.earlier import EarlierStore
from fastload.convert.filling import Filling
from fastload.convert.packing import Packing
from fastload.convert.progress import Progress
from fastload.convert.summary import Contents
from fastload.store import partial_path

__all__ = ["StorePacking"]


class StorePacking(Packing):
    """Packs one target into one store; see ``Packing``."""

    _filling: Filling | None = None

    def _begin(self) -> None:
        target, options = self.target, self._options
        if target.published:
            return
        if options.update:
            partial = partial_path(target.path)
            if partial.exists() and not (options.restart or options.dry_run):
                self._finish_interrupted()
            is_begun = partial.exists() and not options.dry_run
            if target.path.exists() and self._look_back(is_begun=is_begun):
                return
        self._filling = self._fill()

    def _fill(self) -> Filling:
        options, path = self._options, self.target.path
        anew = options.update and path.exists()
        filling = Filling(self.target, options, self._note, may_begin_anew=anew)
        self._stack.callback(filling.close)
        return filling

    def _finish_interrupted(self) -> None:
        """Publish what an earlier run was publishing: the source may have changed since."""
        filling = self._fill()
        if filling.writer.publishing:
            filling.writer.publish()
        filling.close()

    @property
    def committed_count(self) -> int:
        """Photos as of the last commit, of this run or an earlier one."""
        return 0 if self._filling is None else self._filling.writer.committed_count

    @property
    def is_empty(self) -> bool:
        """The source has files, and none of them could be packed."""
        if self._filling is None:
            return False
        writer = self._filling.writer
        return bool(writer.committed_position and not writer.committed_count)

    def run(self, progress: Progress, others: Sequence[EarlierStore] = ()) -> None:
        """Pack all that is not packed yet."""
        filling = self._filling
        if filling is not None:
            filling.run(progress, [] if self.earlier is None else [self.earlier, *others])
            self._listed = filling.listed
            self.photos, self.source_bytes = filling.photos, filling.source_bytes

    def discard(self) -> None:
        """Delete what is half packed."""
        if self._filling is not None:
            self._filling.writer.discard()

    def publish(self) -> None:
        """Give the store its name, unless it is a dry run; and look at what is in it."""
        if self._filling is None:
            self._look_at_published()
            return
        writer = self._filling.writer
        if self._options.update or self._options.dry_run:
            samples = writer.committed_samples()
            self._count_changes(samples)
        if self._options.dry_run:
            self.contents, self.store_bytes = Contents.of(samples), writer.size_bytes
            self._tell(samples)
            return
        writer.publish()
        self._look_at_published()
