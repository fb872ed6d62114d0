"""A target that becomes a folder of shards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fastload.convert.current import check_header
from fastload.convert.earlier import EarlierStore
from fastload.convert.findings import Finding
from fastload.convert.options import PackOptions
from fastload.convert.packing import Packing
from fastload.convert.progress import Progress
from fastload.convert.shard_job import MadeShard, ShardJob
from fastload.convert.shard_names import LOCK, columns_name, is_ours, next_generation
from fastload.convert.shard_publisher import (
    are_there,
    join_shards,
    publish_folder,
    read_manifest,
    tidy_folder,
)
from fastload.convert.shares import Sharding, Share, listed_shares, plan_as_before, plan_shares
from fastload.convert.targets import Target
from fastload.disk import disk_errors, fsync_folder
from fastload.errors import PackError
from fastload.store import Store, partial_path
from fastload.store.manifest import MANIFEST_NAME, write_manifest
from fastload.store.partial import LockedFile
from fastload.store.shards import ShardedStore

__all__ = ["MakeShards", "ShardPacking", "make_here"]

Note = Callable[[Finding], None]
#: Makes the shards of all shares, in order.
MakeShards = Callable[[ShardJob, Sequence[Share], Note, Progress], Iterator[MadeShard]]


def make_here(
    job: ShardJob, shares: Sequence[Share], note: Note, progress: Progress
) -> Iterator[MadeShard]:
    """One shard after the other, each with all of this machine's cores."""
    for share, listed in listed_shares(job.target.source, shares):
        yield job.make(share, note, progress, listed)


class ShardPacking(Packing):
    """Packs one target into shards; see ``Packing``.

    They grow in the folder ``<path>.partial``. Each is verified before it counts.

    Args:
        target: where to and what.
        options: as given to ``pack``.
        note: called with each finding.
        sharding: how the target is divided; None: as it was before.
        make: how shares become shards.
    """

    def __init__(
        self,
        target: Target,
        options: PackOptions,
        note: Note,
        sharding: Sharding | None,
        make: MakeShards,
    ) -> None:
        self._sharding = sharding
        self._make = make
        self._folder = partial_path(target.path)
        self._lock: LockedFile | None = None
        self._done = target.published
        self._generation = 0
        self._shares: Sequence[Share] = ()
        self._made: list[MadeShard] = []
        super().__init__(target, options, note)

    def _begin(self) -> None:
        path, options = self.target.path, self._options
        if self._done:
            return
        self._take_lock()
        if options.restart:
            self._clear()
        if self._was_publishing():
            if not options.update:
                self._check_begun()
            self._publish_folder()
            if not options.update:
                self._done = True
                return
            self._take_lock()
        if options.update and (path / MANIFEST_NAME).exists():
            self._done = self._look_back()
        elif self._sharding is None:
            raise PackError(
                f"{path}: is not there yet; say with --shards or --shard-bytes how it is to be "
                "divided"
            )

    def _take_lock(self) -> None:
        with disk_errors(self.target.path):
            if self._folder.exists() and not self._folder.is_dir():
                raise PackError(
                    f"{self._folder}: expected no or a folder of half-packed shards, found a "
                    "half-packed store; go on without --shards and --shard-bytes, or delete it"
                )
            self._folder.mkdir(exist_ok=True)
            fsync_folder(self._folder.parent)
        self._lock = LockedFile(self._folder / LOCK)

    def _clear(self) -> None:
        """Throw away what is half packed."""
        with disk_errors(self._folder):
            for file in self._folder.iterdir():
                if file.name == MANIFEST_NAME or (is_ours(file.name) and file.name != LOCK):
                    file.unlink()

    def _was_publishing(self) -> bool:
        """Whether an earlier run had all ready; forgets it where anything has gone since."""
        path = self._folder / MANIFEST_NAME
        if not path.exists():
            return False
        if are_there(read_manifest(self._folder), self._folder, self.target.path):
            return True
        with disk_errors(path):
            path.unlink()
        return False

    def _check_begun(self) -> None:
        """Refuses to publish what another command has made."""
        columns = self._folder / read_manifest(self._folder).columns.name
        if columns.exists():  # or it was moved, by a command that was not refused
            with Store(columns) as store:
                check_header(store, self._header)

    @property
    def committed_count(self) -> int:
        """Photos in finished shards."""
        return sum(one.shard.samples for one in self._made)

    @property
    def is_empty(self) -> bool:
        """The source has files, and none of them could be packed."""
        for one in () if self.committed_count else self._made:
            with Store(self._place(one)) as shard:
                if shard.header.source_count:
                    return True
        return False

    def run(self, progress: Progress, others: Sequence[EarlierStore] = ()) -> None:
        """Make all shards that are not made yet."""
        if self._done:
            return
        source = self.target.source
        earlier = [] if self.earlier is None else [self.earlier, *others]
        self._generation = next_generation(self.target.path)
        if self._sharding is not None:
            self._shares = plan_shares(source, self._sharding)
        elif self.earlier is not None and isinstance(self.earlier.store, ShardedStore):
            self._shares = plan_as_before(source, self.earlier.store)
        job = ShardJob(self.target, self._folder, self._generation, self._options, earlier)
        self._made = list(self._make(job, self._shares, self._note, progress))
        self._listed = True
        self.photos = sum(one.photos for one in self._made)
        self.source_bytes = sum(one.source_bytes for one in self._made)

    def discard(self) -> None:
        """Delete what is half packed."""
        if not self._done:
            shutil.rmtree(self._folder)

    def publish(self) -> None:
        """Give the folder its name; and look at what is in it."""
        path = self.target.path
        if not self._done:
            self._join()
            self._publish_folder()
        elif self._lock is not None:  # an update that has nothing to do
            with disk_errors(path):
                tidy_folder(path)
                shutil.rmtree(self._folder)
        self._look_at_published()
        is_current = self._done and self.changes is not None
        self.kept_shards = self.shards if is_current else sum(one.kept for one in self._made)

    def _join(self) -> None:
        columns = self._folder / columns_name(self._generation)
        shards = [(self._place(one), one.shard) for one in self._made]
        source = self.target.source
        with disk_errors(self.target.path):
            manifest = join_shards(columns, self._header, source, self._shares, shards)
            with Store(columns) as samples:
                self._count_changes(samples)
            write_manifest(self._folder, manifest)

    def _place(self, made: MadeShard) -> Path:
        return (self.target.path if made.kept else self._folder) / made.shard.name

    def _publish_folder(self) -> None:
        with disk_errors(self.target.path):
            publish_folder(self._folder, self.target.path)
        self._unlock()

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def close(self) -> None:
        """Leave finished shards, and a half-packed one, for a later run. Idempotent."""
        super().close()
        if self._lock is not None:
            with suppress(OSError):
                if [file.name for file in self._folder.iterdir()] == [LOCK]:
                    shutil.rmtree(self._folder)  # nothing was begun
            self._unlock()
