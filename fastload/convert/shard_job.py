"""One shard: packed, verified, and noted as done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from fastload.convert.findings import Finding, Severity
from fastload.convert.job import PackJob
from fastload.convert.options import PackOptions
from fastload.convert.originals import original_name
from fastload.convert.pack_header import pack_columns, pack_header
from fastload.convert.progress import Progress, Silent
from fastload.convert.shares import Share, ShareSource
from fastload.convert.sources import Source, SourceItem
from fastload.convert.verifier import verify
from fastload.disk import replace_file
from fastload.errors import PackError, ResumeError, StoreFormatError
from fastload.store import Store, StoreHeader, StoreWriter, WriterHeader
from fastload.store.manifest import Shard, file_sha256

__all__ = ["MadeShard", "forget_done", "make_shard"]

#: Beside a shard's file, while others are still to be made: its entry in the manifest.
_DONE = ".done"


@dataclass(frozen=True, slots=True)
class MadeShard:
    """A shard that is done.

    Attributes:
        shard: its entry in the manifest.
        photos: packed now; 0 where an earlier run had done it.
        source_bytes: of those.
        listed: whether the source's findings were told.
    """

    shard: Shard
    photos: int
    source_bytes: int
    listed: bool


def make_shard(
    source: Source,
    folder: Path,
    share: Share,
    options: PackOptions,
    note: Callable[[Finding], None],
    progress: Progress | None = None,
) -> MadeShard:
    """Pack one share of ``source`` into ``folder``, and check what was made.

    What an interrupted run has packed of it stays, and a shard that is done is not done again.

    Raises:
        ResumeError: what is there was begun otherwise, or does not fit the source any more.
        PackError: as ``pack``; or what was written is not what can be read.
    """
    path = folder / share.name
    done = path.with_name(path.name + _DONE)
    part = ShareSource(source, share)
    shown = _Named(progress or Silent(), f"shard {share.number + 1}/{share.count}")
    if path.exists():
        _check_fits(path, part, options)
        shard = _read_done(done, path)
        if shard is None:
            shard = _checked(path, done, options, shown)
        return MadeShard(shard, 0, 0, listed=False)
    with StoreWriter(path, _header(part, options), columns=pack_columns(options)) as writer:
        job = PackJob(part, writer, options, note)
        listed = job.run(shown)
        writer.publish()
    return MadeShard(_checked(path, done, options, shown), job.photos, job.source_bytes, listed)


def forget_done(folder: Path) -> None:
    """Take away what told shards that are done from others."""
    for path in folder.glob(f"shard-*{_DONE}"):
        path.unlink()


def _header(part: ShareSource, options: PackOptions) -> WriterHeader:
    return pack_header(part, options, share=str(part.share))


def _check_fits(path: Path, part: ShareSource, options: PackOptions) -> None:
    """Refuses a finished shard of another command, or of photos that are not as they were."""
    with Store(path) as store:
        expected = _header(part, options)
        if not _same_beginning(store.header, expected):
            raise ResumeError(
                f"{path}: was begun otherwise; repeat the command that began it, or start anew "
                "with --restart"
            )
        names, problems = store.names, {problem.path for problem in store.problems}
        size = original_name("source_size", store.column_names)
        sizes, times = store.column(size), store.column("source_mtime_ns")
        sample = 0
        for item in part.items():
            if not isinstance(item, SourceItem):
                continue
            if sample < len(store) and names[sample] == item.name:
                if part.stamp(item) != (int(sizes[sample]), int(times[sample])):
                    raise _changed(path, f"{item.name} has changed since it was packed")
                sample += 1
            elif item.name not in problems:
                raise _changed(path, f"{item.name} is new")
        if sample < len(store):
            raise _changed(path, f"{names[sample]} is not there any more")


def _same_beginning(found: StoreHeader, expected: WriterHeader) -> bool:
    return all(
        getattr(found, name) == getattr(expected, name)
        for name in ("class_names", "split_names", "source", "options", "annotations")
    )


def _changed(path: Path, what: str) -> ResumeError:
    return ResumeError(
        f"{path}: its source is not as it was: {what}; put it back, or pack anew with --restart"
    )


def _checked(path: Path, done: Path, options: PackOptions, progress: Progress) -> Shard:
    """Verify a shard, and note that it is done."""
    report = verify(path, workers=options.workers, progress=progress)
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
    replace_file(done, json.dumps(asdict(shard)).encode("ascii"))
    return shard


def _read_done(done: Path, path: Path) -> Shard | None:
    """What was noted of a finished shard; None where nothing was, or of another file."""
    try:
        shard = Shard(**json.loads(done.read_bytes()))
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
