"""``verify``: proves that a store holds what was packed into it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastload.convert.content_hash import ContentHash
from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.ordered import available_cores, ordered
from fastload.convert.photo import quiet_pillow
from fastload.convert.progress import Progress, Silent, Throttled
from fastload.convert.sample_checker import SampleChecker
from fastload.convert.shard_files import changed_files
from fastload.convert.unlisted import open_again, unlisted
from fastload.errors import SourceError
from fastload.store import Store

__all__ = ["VerifyReport", "verify"]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What ``verify`` returns.

    Attributes:
        store: the store's path.
        source: the folder it was compared with, or None.
        photos: samples that were looked at.
        source_bytes: of the files they give back.
        content_hash: over all records and columns, in order; equal for two stores that hold the
            same, however they were packed. Hex.
        tally: the differences, as problems, by kind.
        seconds: how long it took.
    """

    store: str
    source: str | None
    photos: int
    source_bytes: int
    content_hash: str
    tally: Tally
    seconds: float

    @property
    def differences_count(self) -> int:
        """0 where all is as it should be."""
        return self.tally.count(Severity.PROBLEM)

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "store": self.store,
            "source": self.source,
            "photos": self.photos,
            "source_bytes": self.source_bytes,
            "content_hash": self.content_hash,
            "differences_count": self.differences_count,
            "differences": self.tally.as_json(Severity.PROBLEM),
            "seconds": round(self.seconds, 3),
        }


def verify(
    store: str | os.PathLike[str],
    source: str | os.PathLike[str] | None = None,
    *,
    deep: bool = False,
    is_known: Callable[[bytes], bool] | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> VerifyReport:
    """Check every sample of ``store``: checksums, columns, decoding, and the original file.

    The original file's bytes are made anew from the record and compared with the hash that was
    taken while packing; with ``source``, with the file there too, and so are label files and all
    other files that the store gives back.

    Args:
        store: the store's file.
        source: the folder or file it was packed from; photos in it that the store lacks are named.
        deep: also compare all pixels with what Pillow decodes from the original file's bytes.
        is_known: whether the photo of a file with this XXH3-128 was checked before, in another
            store that it was copied from: its record's checksum is compared, and it is not decoded.
        workers: threads; 0: as many as there are cores.
        progress: shown how far it is.
        on_finding: called with each difference.

    Raises:
        StoreFormatError: not a store, or its columns are damaged.
    """
    started = time.monotonic()
    tally = Tally()
    note = tally.listener(on_finding)
    path = None if source is None else os.path.abspath(os.fsdecode(source))
    with quiet_pillow(), Store(store) as opened:
        listed, root = None, path
        if path is not None:
            try:
                listed = open_again(opened, path)
                root = listed.root
            except SourceError as error:
                note(Finding("", Severity.PROBLEM, "source-missing", str(error)))
        original = None if listed is None else listed.original
        checker = SampleChecker(opened, root, deep, original, is_known)
        count = workers or available_cores()
        shown = progress or Silent()
        shown.start("verifying", len(opened))
        throttled = Throttled(shown)
        sizes = opened.column("source_size")
        results = ordered(checker.check, range(len(opened)), workers=count, window=64 * count)
        content = ContentHash()
        for index, (findings, record_hash) in results:
            for finding in findings:
                note(finding)
            content.add(record_hash)
            throttled.advance(1, int(sizes[index]))
        throttled.flush()
        for finding in (*checker.attached(), *changed_files(opened)):
            note(finding)
        if listed is not None:
            for finding in unlisted(opened, listed):
                note(finding)
        return VerifyReport(
            store=opened.location,
            source=path,
            photos=len(opened),
            source_bytes=int(sizes.sum()),
            content_hash=content.finish(opened),
            tally=tally,
            seconds=time.monotonic() - started,
        )
