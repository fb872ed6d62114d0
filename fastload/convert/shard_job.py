"""One shard: packed, verified, and noted as done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fastload.convert.current import check_current
from fastload.convert.earlier import EarlierStore
from fastload.convert.filling import Filling
from fastload.convert.findings import Finding, Severity
from fastload.convert.options import PackOptions
from fastload.convert.progress import Progress, Silent
from fastload.convert.shard_names import DONE, shard_name
from fastload.convert.shares import Item, Share, ShareSource
from fastload.convert.targets import Target
from fastload.convert.verifier import verify
from fastload.disk import disk_errors, replace_file
from fastload.errors import PackError, ResumeError, StoreError, StoreFormatError
from fastload.store import Store
from fastload.store.manifest import Shard, file_sha256
from fastload.store.shards import ShardedStore

__all__ = ["MadeShard", "ShardJob"]


@dataclass(frozen=True, slots=True)
class MadeShard:
    """A shard that is done.

    Attributes:
        shard: its entry in the manifest.
        photos: packed now; 0 where an earlier run had done it.
        source_bytes: of those.
        kept: it is one of the store that is replaced, and lies there.
    """

    shard: Shard
    photos: int = 0
    source_bytes: int = 0
    kept: bool = False


@dataclass(frozen=True)
class ShardJob:
    """Makes the shards of a target.

    Attributes:
        target: of the whole.
        folder: where shards are made.
        generation: of their names.
        options: as given to ``pack``.
        earlier: where photos are taken from that were packed before; the first is the sharded
            store that is replaced.
    """

    target: Target
    folder: Path
    generation: int
    options: PackOptions
    earlier: Sequence[EarlierStore] = ()

    def make(
        self,
        share: Share,
        note: Callable[[Finding], None],
        progress: Progress | None = None,
        listed: Sequence[Item] | None = None,
    ) -> MadeShard:
        """Pack one share, and check what was made.

        What an interrupted run has packed of it stays, and a shard that is done is not done again;
        nor is one that is as it would be in the store that is replaced.

        Args:
            share: of the target's source.
            note: called with each finding.
            progress: shown how far it is.
            listed: what the share has, where that is known.

        Raises:
            ResumeError: what is there was begun otherwise, or does not fit the source any more.
            PackError: as ``pack``; or what was written is not what can be read.
        """
        path = self.folder / shard_name(share.number, self.generation)
        part = ShareSource(self.target.source, share, listed)
        target = replace(self.target, path=path, source=part, share=str(share))
        shown = _Named(progress or Silent(), f"shard {share.number + 1}/{share.count}")
        made = self._as_before(target, share, note) or self._done_before(target, note, shown)
        if made is not None:
            return made
        filling = Filling(target, self.options, note, may_begin_anew=bool(self.earlier))
        try:
            filling.run(shown, self.earlier)
            filling.writer.publish()
        finally:
            filling.close()
        if not filling.listed:  # an earlier run was publishing it: the source may be another now
            return self._done_before(target, note, shown) or self.make(
                share, note, progress, listed
            )
        return MadeShard(self._checked(path, shown), filling.photos, filling.source_bytes)

    def _as_before(
        self, target: Target, share: Share, note: Callable[[Finding], None]
    ) -> MadeShard | None:
        """The shard of the store that is replaced, where nothing in it would be another."""
        store = self.earlier[0].store if self.earlier else None
        if not isinstance(store, ShardedStore) or self.options.checksum:
            return None
        if share.before >= len(store.manifest.shards):
            return None
        try:
            before = store.shard(share.before)
            header = target.header(self.options)
            # How the whole is divided may be another.
            share_before = {"share": before.header.options.get("share", "")}
            header = replace(header, options={**header.options, **share_before})
            findings = check_current(before, header, target.source, self.options)
        except (ResumeError, StoreError, OSError):
            return None
        for finding in findings:
            note(finding)
        return MadeShard(store.manifest.shards[share.before], kept=True)

    def _done_before(
        self, target: Target, note: Callable[[Finding], None], progress: Progress
    ) -> MadeShard | None:
        """The shard that an earlier run of this packing has made, where it fits; else it goes."""
        if not target.path.exists():
            return None
        try:
            with Store(target.path) as store:
                header = target.header(self.options)
                findings = check_current(store, header, target.source, self.options)
        except (ResumeError, StoreFormatError) as error:
            if isinstance(error, ResumeError) and not self.earlier:
                raise
            with disk_errors(target.path):
                target.path.unlink()
            return None
        for finding in findings:
            note(finding)
        return MadeShard(_read_done(target.path) or self._checked(target.path, progress))

    def _is_known(self, content_hash: bytes) -> bool:
        return any(store.holds(content_hash) for store in self.earlier)

    def _checked(self, path: Path, progress: Progress) -> Shard:
        """Verify a shard, and note that it is done."""
        report = verify(
            path, is_known=self._is_known, workers=self.options.workers, progress=progress
        )
        if report.differences_count:
            kind, group = next(iter(report.tally.groups(Severity.PROBLEM).items()))
            path.unlink()  # so that the next run makes it again
            raise PackError(
                f"{path}: what was written is not what can be read ({group.count} {kind}: "
                f"{group.examples[0].detail}); check the disk, and run the same command again"
            )
        with Store(path) as store:
            shard = Shard(
                name=path.name,
                bytes=store.store_bytes,
                sha256=file_sha256(path),
                samples=len(store),
                store_id=store.header.store_id,
                content_hash=report.content_hash,
            )
        with disk_errors(path):
            replace_file(_done(path), json.dumps(asdict(shard)).encode("ascii"))
        return shard


def _done(path: Path) -> Path:
    return path.with_name(path.name + DONE)


def _read_done(path: Path) -> Shard | None:
    """What was noted of a finished shard; None where nothing was, or of another file."""
    try:
        shard = Shard(**json.loads(_done(path).read_bytes()))
        with Store(path) as store:
            found = store.header.store_id, store.store_bytes
    except (OSError, ValueError, TypeError, StoreFormatError):
        return None
    return shard if found == (shard.store_id, shard.bytes) else None


class _Named:
    """Progress that says which shard it is about."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name

    def start(self, task: str, total: int, done: int = 0) -> None:
        """A task begins."""
        self._progress.start(f"{task} {self._name}", total, done)

    def advance(self, photos: int, source_bytes: int) -> None:
        """So many more."""
        self._progress.advance(photos, source_bytes)
